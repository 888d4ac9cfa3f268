interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Virtual time: what is to happen, in order of time and, at one time, of planning. */
export class Scheduler {
  #heap: Planned[] = [];
  #order = 0;
  nowMs = 0;

  after(delayMs: number, run: () => void): void {
    this.#push({ atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run });
  }

  /** Runs what is due next. @returns false when nothing is planned */
  runNext(): boolean {
    const next = this.#pop();
    if (next === undefined) return false;
    this.nowMs = next.atMs;
    next.run();
    return true;
  }

  /** Everything that happens up to then. */
  runUntil(untilMs: number): void {
    let isReached = false;
    this.after(untilMs - this.nowMs, () => {
      isReached = true;
    });
    while (!isReached) this.runNext();
  }

  #push(item: Planned): void {
    const heap = this.#heap;
    heap.push(item);
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!before(heap[child]!, heap[parent]!)) break;
      [heap[child], heap[parent]] = [heap[parent]!, heap[child]!];
      child = parent;
    }
  }

  #pop(): Planned | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    heap[0] = last;
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      let smallest = parent;
      if (left < heap.length && before(heap[left]!, heap[smallest]!)) smallest = left;
      if (left + 1 < heap.length && before(heap[left + 1]!, heap[smallest]!)) smallest = left + 1;
      if (smallest === parent) return top;
      [heap[parent], heap[smallest]] = [heap[smallest]!, heap[parent]!];
      parent = smallest;
    }
  }
}

function before(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
