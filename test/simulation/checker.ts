import type { LeaveCause, LogEntry, LogStatus, Origin } from "../../src/log/types.ts";

/** A rule that does not hold. The message names it and where. */
export class BrokenInvariant extends Error {
  override readonly name = "BrokenInvariant";
}

/** The invariants of PROTOCOL part 4 that concern the log, checked as things happen. */
export class Checker {
  /** What stands at each place of the history, as the first node that stepped it saw it. */
  readonly #steps = new Map<string, { readonly entry: string; readonly hash: string; readonly node: number }>();
  /** The durable history. */
  readonly #sequences = new Map<number, { readonly entry: string; readonly node: number }>();
  /** Sequence of the durable entry at a place somebody has stepped or replayed. */
  readonly #places = new Map<string, number | null>();
  /** Newest cluster time in the life of each node. */
  readonly #clusterTimes = new Map<number, number>();
  readonly #views = new Map<number, string>();
  readonly #carriedOut = new Map<string, number>();
  #acknowledged = 0;
  #acknowledgedInEpoch = 0;
  acknowledgedCount = 0;
  readCount = 0;

  onStatus(node: number, status: LogStatus, committed: number): void {
    if (status.phase !== "active") return;
    const view = JSON.stringify([status.members, status.orderer]);
    const known = this.#views.get(status.epoch);
    if (known !== undefined && known !== view) throw new BrokenInvariant(`two views of epoch ${status.epoch}: ${known} and ${view}`);
    this.#views.set(status.epoch, view);
    if (status.epoch > this.#acknowledgedInEpoch && committed < this.#acknowledged) {
      throw new BrokenInvariant(`node ${node} is active in epoch ${status.epoch} with ${committed} committed, but ${this.#acknowledged} was acknowledged in epoch ${this.#acknowledgedInEpoch}`);
    }
  }

  /**
   * @param givesUp it is replayed by a forced start, whose copy counts whatever others have stepped
   * @returns whether nobody has stepped it before
   */
  onStepped(node: number, entry: LogEntry, hash: string, replayed: boolean, givesUp = false): boolean {
    const text = JSON.stringify(entry);
    if (entry.sequence !== null) {
      const known = this.#sequences.get(entry.sequence);
      if (known === undefined || givesUp) this.#sequences.set(entry.sequence, { entry: text, node });
      else if (known.entry !== text) throw new BrokenInvariant(`sequence ${entry.sequence} is ${known.entry} at node ${known.node} and ${text} at node ${node}`);
    }
    const place = `${entry.epoch}.${entry.index}`;
    this.#places.set(place, entry.sequence);
    // What is replayed may be older than what this node saw in a view that came to nothing.
    const before = replayed ? 0 : (this.#clusterTimes.get(node) ?? 0);
    if (entry.clusterTimeMs < before) throw new BrokenInvariant(`cluster time goes back from ${before} to ${entry.clusterTimeMs} at ${place} of node ${node}`);
    this.#clusterTimes.set(node, Math.max(entry.clusterTimeMs, this.#clusterTimes.get(node) ?? 0));
    if (replayed) return false;
    const known = this.#steps.get(place);
    if (known === undefined) this.#steps.set(place, { entry: text, hash, node });
    else if (known.entry !== text) throw new BrokenInvariant(`entry ${place} is ${known.entry} at node ${known.node} and ${text} at node ${node}`);
    else if (known.hash !== hash) throw new BrokenInvariant(`after ${place} node ${known.node} has state ${known.hash} and node ${node} has ${hash}`);
    return known === undefined;
  }

  /** A forced start gives up what its copy does not hold; from here on there is one history again. */
  onForced(committed: number): void {
    for (const sequence of this.#sequences.keys()) if (sequence > committed) this.#sequences.delete(sequence);
    for (const [place, sequence] of this.#places) if (sequence !== null && sequence > committed) this.#places.delete(place);
    for (const [request, sequence] of this.#carriedOut) if (sequence > committed) this.#carriedOut.delete(request);
    this.#acknowledged = Math.min(this.#acknowledged, committed);
    this.#acknowledgedInEpoch = 0;
    this.#views.clear();
    this.#steps.clear();
  }

  /** Sequence of the durable entry at a place somebody has stepped. */
  sequenceAt(epoch: number, index: number): number | null {
    return this.#places.get(`${epoch}.${index}`) ?? null;
  }

  /** A command was carried out: nowhere may it be carried out a second time, at another place of the history. */
  onCarriedOut(request: Origin, entry: LogEntry): void {
    const id = `${request.node}.${request.incarnation}.${request.number}`;
    const known = this.#carriedOut.get(id);
    if (known === undefined) this.#carriedOut.set(id, entry.sequence!);
    else if (known !== entry.sequence) throw new BrokenInvariant(`request ${id} was carried out at sequence ${known} and again at ${entry.sequence}`);
  }

  /** A command counts as repeated: then it has been carried out. */
  onRepeated(request: Origin): void {
    const id = `${request.node}.${request.incarnation}.${request.number}`;
    if (!this.#carriedOut.has(id)) throw new BrokenInvariant(`request ${id} was answered as a repetition, but never carried out`);
  }

  onAcknowledged(epoch: number, sequence: number): void {
    this.acknowledgedCount++;
    if (!this.#sequences.has(sequence)) throw new BrokenInvariant(`update ${sequence} was acknowledged before anybody stepped it`);
    this.#acknowledged = Math.max(this.#acknowledged, sequence);
    this.#acknowledgedInEpoch = Math.max(this.#acknowledgedInEpoch, epoch);
  }

  /** A node starts: what it steps from here on has one time. */
  onStart(node: number): void {
    this.#clusterTimes.delete(node);
  }

  /** Everything acknowledged anywhere until now; a read that begins now must show it. */
  get acknowledgedSequence(): number {
    return this.#acknowledged;
  }

  onRead(node: number, committed: number, acknowledged: number): void {
    this.readCount++;
    if (committed < acknowledged) throw new BrokenInvariant(`a read at node ${node} was answered with ${committed}, but ${acknowledged} was acknowledged before it was asked`);
  }

  onLeave(cause: LeaveCause, reason: string): void {
    if (cause === "diverged") throw new BrokenInvariant(`a node left because of rule 12: ${reason}`);
  }
}
