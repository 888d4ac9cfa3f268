import { SharedMap } from "./shared-map.ts";
import { sortedText } from "./order.ts";

interface OwnedSet {
  /** Who may change the set in place. */
  readonly owner: object;
  readonly members: Set<string>;
}

/** From a key to the ids that have it: groups by owner, resources by group, dependents by provider. */
export class IndexMap {
  #sets: SharedMap<OwnedSet>;
  #owner: object = {};

  constructor(sets: SharedMap<OwnedSet> = new SharedMap()) {
    this.#sets = sets;
  }

  add(key: string, id: string): void {
    this.#writable(key).add(id);
  }

  remove(key: string, id: string): void {
    const members = this.#writable(key);
    members.delete(id);
    if (members.size === 0) this.#sets.delete(key);
  }

  count(key: string): number {
    return this.#sets.get(key)?.members.size ?? 0;
  }

  has(key: string, id: string): boolean {
    return this.#sets.get(key)?.members.has(id) ?? false;
  }

  /** Whether one of them passes; in no particular order. */
  some(key: string, passes: (id: string) => boolean): boolean {
    const found = this.#sets.get(key);
    if (found !== undefined) for (const id of found.members) if (passes(id)) return true;
    return false;
  }

  /** The sum of whole numbers, so that their order does not matter. */
  sum(key: string, weigh: (id: string) => number): number {
    let sum = 0;
    const found = this.#sets.get(key);
    if (found !== undefined) for (const id of found.members) sum += weigh(id);
    return sum;
  }

  /** Sorted, and safe to keep while the index changes. */
  of(key: string): string[] {
    const found = this.#sets.get(key);
    return found === undefined ? [] : sortedText(found.members);
  }

  fork(): IndexMap {
    // From now on neither side owns the sets: each copies the ones it changes.
    this.#owner = {};
    return new IndexMap(this.#sets.fork());
  }

  #writable(key: string): Set<string> {
    const found = this.#sets.get(key);
    if (found !== undefined && found.owner === this.#owner) return found.members;
    const members = new Set(found?.members);
    this.#sets.set(key, { owner: this.#owner, members });
    return members;
  }
}
