/** What happened, one line per event in fixed columns, so that a run can be read. */
export class Trace {
  readonly #lines: string[] = [];
  readonly #keep: boolean;
  /** Lines kept when only the end matters. */
  static readonly linesKeptMax = 200_000;

  constructor(keep: boolean) {
    this.#keep = keep;
  }

  add(nowMs: number, node: number | null, what: string, detail: string): void {
    if (!this.#keep) return;
    this.#lines.push(`${nowMs.toFixed(2).padStart(10)} ${(node === null ? "--" : `n${node}`).padEnd(3)} ${what.padEnd(12)} ${detail}`);
    if (this.#lines.length > Trace.linesKeptMax) this.#lines.shift();
  }

  toString(): string {
    return this.#lines.join("\n");
  }
}
