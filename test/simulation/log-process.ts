import { Replica } from "../../src/service/replica.ts";
import type { Row, StateMachine, Stepped } from "../../src/service/state-machine.ts";
import type { Stamp } from "../../src/model/inputs.ts";
import { assignVotes } from "../../src/quorum/assignment.ts";
import { isAdmitted } from "../../src/quorum/weights.ts";
import type { Weights } from "../../src/model/votes.ts";
import type { ViewInput } from "../../src/model/inputs.ts";
import { TOKENS_MS } from "./world.ts";
import type { ProcessFactory, SimulatedProcess, World } from "./world.ts";

/** Of so many changes of the weights one is asked to be of the token too. */
const TOKEN_EVERY = 3;

/** The smallest state machine that can tell whether the log keeps its promises. */
class Register implements StateMachine<null> {
  #rows = new Map<string, string>();
  #volatile = 0;
  #view: ViewInput | null = null;
  readonly #world: World;
  readonly #node: number;

  constructor(world: World, node: number) {
    this.#world = world;
    this.#node = node;
  }

  load(rows: readonly Row[]): void {
    this.#rows = new Map(rows.map((row) => [row.key, row.value]));
    this.#volatile = 0;
  }

  rows(): readonly Row[] {
    return [...this.#rows].map(([key, value]) => ({ table: "register", key, value }));
  }

  step(stamp: Stamp, payload: string): Stepped<null> {
    const input = JSON.parse(payload) as { readonly kind: string; readonly key?: string; readonly value?: string };
    if (input.kind === "view") this.#view = JSON.parse(payload) as ViewInput;
    if (input.kind !== "set") {
      this.#volatile = mix(this.#volatile, payload);
      return { changes: [], result: null };
    }
    const value = `${mix(Number(this.#rows.get(input.key!) ?? 0), `${stamp.epoch}.${stamp.index}.${input.value}`)}`;
    this.#rows.set(input.key!, value);
    return { changes: [{ table: "register", key: input.key!, value }], result: null };
  }

  snapshot(): string {
    return JSON.stringify([[...this.#rows], this.#volatile]);
  }

  restore(text: string): void {
    const [rows, volatile] = JSON.parse(text) as [[string, string][], number];
    this.#rows = new Map(rows);
    this.#volatile = volatile;
  }

  hash(): string {
    return JSON.stringify([[...this.#rows].sort(), this.#volatile]);
  }

  nextDeadline(): null {
    return null;
  }

  /** The votes by their rules; and now and then another token, while there is no former one. */
  wantedWeights(current: Weights): Weights | null {
    const votes = this.#wantedVotes(current);
    if (this.#view === null || current.formerTokenMs !== undefined || current.version % TOKEN_EVERY !== 0) return votes;
    const [profileMs, otherMs] = TOKENS_MS;
    const { tokenMs = profileMs } = current;
    return { ...(votes ?? { ...current, version: current.version + 1 }), tokenMs: tokenMs === profileMs ? otherMs : profileMs, formerTokenMs: tokenMs };
  }

  /** The rules of the votes on what there is; the witness is known to work or not. */
  #wantedVotes(current: Weights): Weights | null {
    if (this.#view === null) return null;
    const { mode, witness, slots } = this.#world;
    const stores = new Map(this.#view.members.map((member, position) => [member.node, this.#view!.stores![position]!]));
    for (const learner of this.#view.learners) stores.delete(learner);
    const record = witness === null ? null : { id: "w", kind: witness.kind, properties: {} };
    if (witness !== null && current.witness === null) witness.initialiseNow("w", { position: 0, epoch: 0, lineage: 0, claimant: { node: this.#node, incarnation: 0 }, voters: [] });
    return assignVotes({
      nodes: slots.map(({ node }) => ({ id: node, store: stores.get(node) ?? null, active: stores.has(node), weight: mode.withoutWeight.includes(node) ? 0 : 1, site: null })),
      witness: record === null ? null : { record, online: witness!.serves(this.#node, "w") },
      dynamicQuorum: mode.dynamicQuorum,
      lowerQuorumPriorityNode: mode.lowerQuorumPriorityNode,
      preferredSite: "",
      current,
      seed: current.version,
    });
  }
}

function mix(hash: number, text: string): number {
  let mixed = hash | 0;
  for (let position = 0; position < text.length; position++) mixed = Math.imul(mixed ^ text.charCodeAt(position), 16777619);
  return mixed >>> 0;
}

/** Nodes that run the log and nothing else. */
export function logProcessFactory(world: World): ProcessFactory {
  return (options, durable, weights, environment): SimulatedProcess => {
    const machine = new Register(world, options.self.node);
    let number = 0;
    const waiting = new Map<number, (sequence: number) => void>();
    const reads = new Map<number, () => void>();
    let lastRead = 0;
    const replica: Replica<null> = new Replica(options, durable, weights, machine, {
      ...environment,
      onStatus: (status) => environment.onStatus(status, replica.committed),
      onAppliedElsewhere: (entry) => {
        waiting.get(entry.origin!.number)?.(entry.sequence!);
        waiting.delete(entry.origin!.number);
      },
      holdsOf: (excluded) => world.holdsOf(excluded),
      onPermit: () => {},
      onRead: (id, ok) => {
        const done = reads.get(id);
        reads.delete(id);
        if (ok) done?.();
      },
      onStepped: (entry, _stamp, _result, replayed) => {
        environment.onStepped(entry, machine.hash(), replayed);
        const { origin, sequence } = entry;
        if (origin === null || sequence === null || origin.node !== options.self.node || origin.incarnation !== options.self.incarnation) return;
        const done = waiting.get(origin.number);
        waiting.delete(origin.number);
        if (done !== undefined) {
          world.checker.onAcknowledged(entry.epoch, sequence);
          done(sequence);
        }
      },
    });
    return {
      onMembers: (members) => replica.onMembers(members),
      onMessage: (from, payload) => replica.onMessage(from, payload),
      onDatagram: (from, payload) => replica.onDatagram(from, payload),
      tick: () => replica.tick(),
      flush: () => replica.flush(),
      serveFetch: (request) => replica.serveFetch(request),
      end: () => replica.end(),
      get status() {
        return replica.status;
      },
      get committed() {
        return replica.committed;
      },
      get requestsWaiting() {
        return replica.requestsWaiting;
      },
      get storeIsAdmitted() {
        return isAdmitted(replica.weights, { node: options.self.node, store: options.store });
      },
      get weights() {
        return replica.weights;
      },
      get lineage() {
        return replica.lineage;
      },
      get promised() {
        return Number(replica.tag.split(":")[0]);
      },
      stateText: () => machine.hash(),
      read: (done) => {
        reads.set(++lastRead, done);
        replica.read(lastRead);
      },
      update: (done) => {
        number++;
        waiting.set(number, done);
        replica.request(true, number, JSON.stringify({ kind: "set", key: `k${number % 5}`, value: `${options.self.node}.${number}` }));
        if (number % 3 === 0) replica.request(false, 0, JSON.stringify({ kind: "note", value: number }));
        replica.flush();
      },
    };
  };
}
