/**
 * A map that can be forked without copying it: both sides read the same base, and each keeps
 * what it changed since in a small map of its own. When that grows, the side makes a base
 * of its own; a map that was never forked works on its base directly.
 */
const GONE = Symbol("gone");

/** Own changes may grow to a quarter of the base before the base is copied. */
const FLATTEN_FRACTION = 4;
const FLATTEN_MINIMUM = 64;

export class SharedMap<Value> {
  #base: Map<string, Value>;
  #own: Map<string, Value | typeof GONE> | null = null;
  #shared = false;
  #size: number;

  constructor(base: Map<string, Value> = new Map()) {
    this.#base = base;
    this.#size = base.size;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): Value | undefined {
    if (this.#own !== null) {
      const own = this.#own.get(key);
      if (own !== undefined) return own === GONE ? undefined : (own as Value);
    }
    return this.#base.get(key);
  }

  set(key: string, value: Value): void {
    if (this.get(key) === undefined) this.#size += 1;
    if (!this.#shared) this.#base.set(key, value);
    else this.#change(key, value);
  }

  delete(key: string): void {
    if (this.get(key) === undefined) return;
    this.#size -= 1;
    if (!this.#shared) this.#base.delete(key);
    else this.#change(key, GONE);
  }

  /** In no particular order: whoever decides by it sorts first. */
  keys(): string[] {
    const keys: string[] = [];
    for (const key of this.#base.keys()) if (this.#own === null || !this.#own.has(key)) keys.push(key);
    if (this.#own !== null) for (const [key, value] of this.#own) if (value !== GONE) keys.push(key);
    return keys;
  }

  /** Keys set or deleted on this side since it was forked; null when that is not known any more. */
  changedKeys(): Iterable<string> | null {
    return this.#shared ? (this.#own?.keys() ?? []) : null;
  }

  fork(): SharedMap<Value> {
    this.#shared = true;
    const fork = new SharedMap<Value>(this.#base);
    fork.#shared = true;
    fork.#own = this.#own === null ? null : new Map(this.#own);
    fork.#size = this.#size;
    return fork;
  }

  #change(key: string, value: Value | typeof GONE): void {
    this.#own ??= new Map();
    this.#own.set(key, value);
    if (this.#own.size > FLATTEN_MINIMUM + this.#base.size / FLATTEN_FRACTION) this.#flatten();
  }

  #flatten(): void {
    const base = new Map(this.#base);
    for (const [key, own] of this.#own ?? []) {
      if (own === GONE) base.delete(key);
      else base.set(key, own as Value);
    }
    this.#base = base;
    this.#own = null;
    this.#shared = false;
  }
}
