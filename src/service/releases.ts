import type { Member } from "../model/identifiers.ts";

/** After that the holds it would end have run out. */
const SAID_MS = 30_000;
const RELEASES_MAX = 256;

/** Lives of others whose end was told here and not yet seen in an entry: said again, because there may be no view now. */
export class Releases {
  readonly #self: number;
  readonly #untilMs = new Map<string, { readonly released: Member; readonly untilMs: number }>();

  /** @param self the own node: of its lives nobody else knows more */
  constructor(self: number) {
    this.#self = self;
  }

  /** @returns whether it is to be said */
  add(released: Member, nowMs: number): boolean {
    if (released.node === this.#self || this.#untilMs.size >= RELEASES_MAX) return false;
    this.#untilMs.set(keyOf(released), { released, untilMs: nowMs + SAID_MS });
    return true;
  }

  seen(released: Member): void {
    this.#untilMs.delete(keyOf(released));
  }

  toSay(nowMs: number): Member[] {
    for (const [key, { untilMs }] of this.#untilMs) if (nowMs > untilMs) this.#untilMs.delete(key);
    return [...this.#untilMs.values()].map(({ released }) => released);
  }
}

function keyOf({ node, incarnation }: Member): string {
  return `${node}.${incarnation}`;
}
