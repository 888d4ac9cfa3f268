import type { WitnessRecord } from "../model/objects.ts";
import type { Witness, WitnessAnswer } from "../quorum/witness.ts";

export interface WitnessSightOptions {
  /** The witness that has a vote and that another node looks after; null = there is none for this node to look at. */
  readonly watched: () => WitnessRecord | null;
  readonly connect: (record: WitnessRecord) => Witness | null;
  readonly onNotice: (text: string) => void;
}

const LOOK_MS = 60_000;

/**
 * Whether this node sees the witness that the orderer says works (reference 4.4). A share that is mounted on one node
 * alone, or a store that one node cannot reach, would come to light only when its vote is needed.
 */
export class WitnessSight {
  readonly #options: WitnessSightOptions;
  #look: { readonly witness: string; readonly atMs: number; isAnswered: boolean } | null = null;
  #problem: string | null = null;

  constructor(options: WitnessSightOptions) {
    this.#options = options;
  }

  /** What is wrong and what to do, whole sentences; null = nothing is known to be. */
  get problem(): string | null {
    return this.#problem;
  }

  /** @param nowMs monotonic */
  tick(nowMs: number): void {
    const record = this.#options.watched();
    if (record === null) return this.#forget();
    if (this.#look !== null && this.#look.witness !== record.id) this.#forget();
    if (this.#look !== null && nowMs - this.#look.atMs < LOOK_MS) return;
    // One that never answers is not asked again: the keeper of the orderer has a limit, and takes its vote away.
    if (this.#look?.isAnswered === false) return;
    const look = { witness: record.id, atMs: nowMs, isAnswered: false };
    this.#look = look;
    const witness = this.#options.connect(record);
    if (witness === null) return;
    witness.read((answer) => {
      look.isAnswered = true;
      if (this.#look === look) this.#learn(problemOf(record, answer));
    });
  }

  #forget(): void {
    this.#look = null;
    this.#learn(null);
  }

  #learn(problem: string | null): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#options.onNotice(problem ?? "this node sees the witness as the others do");
  }
}

function problemOf({ kind, properties }: WitnessRecord, answer: WitnessAnswer): string | null {
  if (answer.kind === "records" && answer.records.length > 0) return null;
  const consequence = "As long as that is so, this node cannot go on with the vote of the witness.";
  if (answer.kind === "unreachable") return `This node cannot reach the witness, which others can: ${answer.reason}. ${consequence}`;
  const next = kind === "fileShare" ? `Mount the share on all nodes at ${String(properties["SharePath"])}; if it was not mounted when the witness was configured, configure it again: muster quorum set.` : "See whether it is the same place for all nodes: muster quorum show.";
  return `This node sees nothing of what others wrote on the witness. ${consequence} ${next}`;
}
