import { configuredWitness, witnessState } from "../core/index.ts";
import type { ClusterState } from "../core/index.ts";
import type { Member } from "../model/identifiers.ts";
import type { WitnessInput } from "../model/inputs.ts";
import type { WitnessRecord } from "../model/objects.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import type { ClaimRecord } from "../quorum/claims.ts";
import type { Witness } from "../quorum/witness.ts";
import type { Replica } from "./replica.ts";

/** A witness that works is looked at this often. */
const PROBE_MS = 10_000;
const MINUTE_MS = 60_000;

export interface KeeperTimes {
  readonly probeMs: number;
  /** After a failure; null = WitnessRestartInterval. */
  readonly retryMs: number | null;
}

/**
 * The orderer looks after the witness (PROTOCOL rule 5): writes its first record when it was configured, looks
 * whether it works, and says so to the core, which gives it a vote or takes it away.
 */
export class WitnessKeeper {
  readonly #self: Member;
  readonly #replica: Replica<unknown>;
  readonly #state: () => ClusterState;
  readonly #connect: (record: WitnessRecord) => Witness | null;
  readonly #say: (input: WitnessInput) => void;
  readonly #times: KeeperTimes;
  #known: { readonly witness: string; readonly epoch: number; readonly state: "online" | "failed"; readonly reason: string } | null = null;
  #probe: { readonly witness: string; readonly epoch: number; readonly sinceMs: number } | null = null;
  #nextMs = 0;

  constructor(self: Member, replica: Replica<unknown>, state: () => ClusterState, connect: (record: WitnessRecord) => Witness | null, say: (input: WitnessInput) => void, times: KeeperTimes = { probeMs: PROBE_MS, retryMs: null }) {
    this.#self = self;
    this.#replica = replica;
    this.#state = state;
    this.#connect = connect;
    this.#say = say;
    this.#times = times;
  }

  tick(nowMs: number): void {
    const { status } = this.#replica;
    if (status.phase !== "active" || !this.#replica.isOrderer) return void (this.#known = this.#probe = null);
    const record = configuredWitness(this.#state());
    if (record === null) return;
    const { epoch } = status;
    if (this.#known?.witness !== record.id || this.#known.epoch !== epoch) this.#known = null;
    if (this.#probe?.witness !== record.id || this.#probe.epoch !== epoch) this.#probe = null;
    if (this.#probe !== null && nowMs - this.#probe.sinceMs > this.#limitMs()) this.#learn(nowMs, "failed", `it did not answer within ${this.#limitMs() / 1000} s`);
    if (this.#probe === null && (this.#known === null || nowMs >= this.#nextMs)) this.#look(nowMs, record, epoch);
    this.#tell();
  }

  #limitMs(): number {
    return 1000 * this.#property("QuorumArbitrationTimeMax");
  }

  #property(name: string): number {
    return numberPropertyOf(clusterProperties, this.#state().tables.cluster.get("-")?.properties ?? {}, name);
  }

  #look(nowMs: number, record: WitnessRecord, epoch: number): void {
    const probe = { witness: record.id, epoch, sinceMs: nowMs };
    this.#probe = probe;
    const answered = (state: "online" | "failed", reason: string): void => {
      // Of a probe that was given up nothing is learnt.
      if (this.#probe === probe) this.#learn(nowMs, state, reason);
    };
    const witness = this.#connect(record);
    if (witness === null) return answered("failed", `this node cannot reach witnesses of the kind ${record.kind}`);
    witness.read((answer) => {
      if (answer.kind === "unreachable") return answered("failed", answer.reason);
      if (answer.kind === "records" && answer.records.length > 0) return answered("online", "");
      // What once had a vote must have records: without them it cannot tell who went on.
      if (this.#replica.weights.some((weights) => weights.witness?.id === record.id)) return answered("failed", "it has lost its records; configure it again: muster quorum set");
      const first: ClaimRecord = { position: 0, epoch, lineage: this.#replica.lineage, claimant: this.#self, voters: [] };
      witness.initialise(first, (result) => {
        if (result.kind === "unknown") answered("failed", result.reason);
        else answered("online", "");
      });
    });
  }

  #learn(nowMs: number, state: "online" | "failed", reason: string): void {
    const { witness, epoch } = this.#probe!;
    this.#probe = null;
    this.#known = { witness, epoch, state, reason };
    this.#nextMs = nowMs + (state === "online" ? this.#times.probeMs : (this.#times.retryMs ?? MINUTE_MS * this.#property("WitnessRestartInterval")));
  }

  /** A level, said again until the state shows it. */
  #tell(): void {
    if (this.#known === null) return;
    const shown = witnessState(this.#state());
    const { witness, state, reason } = this.#known;
    if (shown?.state === state && shown.reason === reason) return;
    this.#say({ kind: "witness", from: this.#self, witness, state, reason });
  }
}
