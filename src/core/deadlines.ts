import { SharedMap } from "./shared-map.ts";
import { compareText } from "./order.ts";

interface Deadline {
  readonly at: number;
  readonly key: string;
}

/** Stale entries a heap may hold beyond the living ones before it is made anew. */
const STALE_MINIMUM = 64;

/**
 * Deadlines by key, the earliest first. A binary heap holds every deadline that was ever set;
 * what no longer agrees with the table beside it is stale and dropped when it comes to the top.
 */
export class Deadlines {
  #at: SharedMap<number>;
  #heap: Deadline[];

  constructor(at: SharedMap<number> = new SharedMap(), heap: Deadline[] = []) {
    this.#at = at;
    this.#heap = heap;
  }

  /** null = none. */
  set(key: string, at: number | null): void {
    const before = this.#at.get(key) ?? null;
    if (before === at) return;
    if (at === null) {
      this.#at.delete(key);
      return;
    }
    this.#at.set(key, at);
    this.#push({ at, key });
    if (this.#heap.length > STALE_MINIMUM + 2 * this.#at.size) this.#rebuild();
  }

  next(): number | null {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return null;
      if (this.#at.get(top.key) === top.at) return top.at;
      this.#pop();
    }
  }

  /** Keys whose deadline is not after `now`, earliest first, then by key. They stay until they are set anew. */
  due(now: number): string[] {
    const found: Deadline[] = [];
    const seen = new Set<string>();
    while (this.#heap[0] !== undefined && this.#heap[0].at <= now) {
      const top = this.#pop();
      if (this.#at.get(top.key) !== top.at || seen.has(top.key)) continue;
      seen.add(top.key);
      found.push(top);
    }
    for (const deadline of found) this.#push(deadline);
    return found.sort(compareDeadlines).map((deadline) => deadline.key);
  }

  fork(): Deadlines {
    return new Deadlines(this.#at.fork(), [...this.#heap]);
  }

  #rebuild(): void {
    this.#heap = this.#at
      .keys()
      .map((key) => ({ key, at: this.#at.get(key) as number }))
      .sort(compareDeadlines);
  }

  #push(deadline: Deadline): void {
    const heap = this.#heap;
    let position = heap.length;
    heap.push(deadline);
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (compareDeadlines(heap[parent] as Deadline, deadline) <= 0) break;
      heap[position] = heap[parent] as Deadline;
      position = parent;
    }
    heap[position] = deadline;
  }

  #pop(): Deadline {
    const heap = this.#heap;
    const top = heap[0] as Deadline;
    const last = heap.pop() as Deadline;
    if (heap.length === 0) return top;
    let position = 0;
    for (;;) {
      let child = 2 * position + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && compareDeadlines(heap[child + 1] as Deadline, heap[child] as Deadline) < 0) child += 1;
      if (compareDeadlines(last, heap[child] as Deadline) <= 0) break;
      heap[position] = heap[child] as Deadline;
      position = child;
    }
    heap[position] = last;
    return top;
  }
}

function compareDeadlines(left: Deadline, right: Deadline): number {
  return left.at - right.at || compareText(left.key, right.key);
}
