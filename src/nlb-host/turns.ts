import { MusterError } from "../model/errors.ts";

/** What changes a host: one after the other. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #isTelling = false;

  take<Result>(action: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(action);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Within a turn: other hosts are told of a change, and wait for no other one meanwhile. */
  async tell<Result>(action: () => Promise<Result>): Promise<Result> {
    this.#isTelling = true;
    try {
      return await action();
    } finally {
      this.#isTelling = false;
    }
  }

  /**
   * For what another host tells. Two that tell each other would both wait until neither counts on the other any more, and
   * then each do what the other had wanted: so both are refused, and know it.
   * @throws MusterError MUSTER_BUSY
   */
  async takeFromOther<Result>(action: () => Promise<Result>): Promise<Result> {
    if (this.#isTelling) throw new MusterError("MUSTER_BUSY", { what: "The list of changes that are being told to other hosts", limit: 1 });
    return this.take(action);
  }
}
