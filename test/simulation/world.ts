import { claim } from "../../src/quorum/witness.ts";
import type { ClaimOutcome } from "../../src/quorum/witness.ts";
import type { ClaimRequest } from "../../src/quorum/claims.ts";
import { isQuorum } from "../../src/quorum/weights.ts";
import type { ViewInput } from "../../src/model/inputs.ts";
import type { DurableWrite } from "../../src/database/contract.ts";
import type { Clock, LeaveCause, LogEntry, LogOptions, LogStatus, TokenTimes } from "../../src/log/types.ts";
import { waitingTokenMs } from "../../src/model/heartbeat.ts";
import type { Hold, Weights, WeightsInForce, WitnessVote } from "../../src/model/votes.ts";
import type { Member } from "../../src/model/identifiers.ts";
import type { Row } from "../../src/service/state-machine.ts";
import { LINEAGE_KEY, WEIGHTS_KEY } from "../../src/service/recovery.ts";
import type { ReplicaEnvironment } from "../../src/service/replica.ts";
import type { DurableState } from "../../src/database/contract.ts";
import { BrokenInvariant, Checker } from "./checker.ts";
import { SimulatedDisk } from "./disk.ts";
import { SimulatedNetwork } from "./network.ts";
import { Coverage } from "./coverage.ts";
import type { QuorumMode } from "./quorum-mode.ts";
import { Random } from "./random.ts";
import { SimulatedWitness } from "./witness.ts";
import { Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

/** One life of a node in the simulation: a bare replica, or a whole node with its monitor. */
export interface SimulatedProcess {
  onMembers(members: readonly Member[]): void;
  onMessage(from: Member, payload: Uint8Array): void;
  onDatagram(from: Member, payload: Uint8Array): void;
  tick(): void;
  flush(): void;
  serveFetch(request: Uint8Array): Uint8Array;
  /** The process is gone, at once. */
  end(): void;
  readonly status: LogStatus;
  readonly committed: number;
  readonly requestsWaiting: number;
  /** Its copy stands in the weights in force, with or without a vote. */
  readonly storeIsAdmitted: boolean;
  readonly weights: readonly Weights[];
  readonly lineage: number;
  /** Of durable and run-time state, for the check that copies are equal. */
  stateText(): string;
  /** Asks for one durable update; `done` when it is acknowledged. */
  update(done: (sequence: number) => void): void;
  /** Asks for a linearizable read; `done` when this node may answer it. */
  read(done: () => void): void;
  /** Highest epoch it has promised. */
  readonly promised: number;
}

export interface ProcessEnvironment extends Pick<ReplicaEnvironment<unknown>, "clock" | "multicast" | "datagram" | "fetch" | "write" | "writeLazily" | "claim"> {
  readonly slot: Slot;
  /** Does something to the world outside: not any more when the process has died, later when it has been stopped. */
  act(action: () => void): void;
  onStatus(status: LogStatus, committed: number): void;
  onStepped(entry: LogEntry, hash: string, replayed: boolean): void;
  onLeave(cause: LeaveCause, reason: string): void;
}

export type ProcessFactory = (options: LogOptions, durable: DurableState, weights: Weights, environment: ProcessEnvironment) => SimulatedProcess;

export interface Slot {
  readonly node: number;
  readonly disk: SimulatedDisk;
  member: Member | null;
  process: SimulatedProcess | null;
  /** While the process is stopped, what happens to it waits here. */
  backlog: (() => void)[] | null;
  /** This node's monotonic clock: its own zero, its own rate, never going back. */
  clock: { readonly sinceMs: number; readonly localMs: number; readonly rate: number };
  wallOffsetMs: number;
  restartAtMs: number | null;
  /** Strikes when the process has acted so many times more: it dies or is stopped between two acts of one step. */
  fuse: { acts: number; readonly strike: () => void } | null;
  /** Its copy was lost, and another one has not been admitted yet. */
  lostCopy: boolean;
  /** Copies it has had, for their names. */
  copies: number;
  isClockFrozen: boolean;
  /** An administrator keeps its service stopped. */
  isHeldDown: boolean;
}

/** Thrown through the code of a process that dies in the middle of a step. */
class Died extends Error {}

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly trace: boolean;
  readonly rows: readonly Row[];
  readonly mode: QuorumMode;
  readonly factory: (world: World) => ProcessFactory;
}

const TICK_MS = 100;
const ENTRIES_MARK = '"kind":"entries"';
const LOG_LIMITS = { silenceMs: 250, tickMs: TICK_MS, detectionMs: 1_000, permitMs: 5_000, diskLimitMs: 5_000, keepEntries: 30, arbitrationMs: 3_000, claimRetryMs: 700 };

/** The token that weights without one stand for, and another one: silence counts twice the longest that is about. */
export const TOKENS_MS = [500, 400] as const;

function timesUnder(weights: WeightsInForce, holdMs: number): TokenTimes {
  return { ...LOG_LIMITS, holdMs, detectionMs: 2 * waitingTokenMs(weights, TOKENS_MS[0]) };
}

/** A cluster on simulated machines, network and disks. Everything random comes from the seed. */
export class World {
  readonly random: Random;
  readonly scheduler = new Scheduler();
  readonly network: SimulatedNetwork;
  readonly trace: Trace;
  readonly checker: Checker;
  readonly slots: readonly Slot[];
  readonly #factory: ProcessFactory;
  readonly #weights: Weights;
  readonly mode: QuorumMode;
  readonly coverage = new Coverage();
  readonly witness: SimulatedWitness | null;
  /** Every change of the votes that was ever written, by version. */
  readonly #votes = new Map<number, Weights>();
  /** The newest forced start. */
  lineage = 0;
  #lastHolds = { epoch: 0, atMs: 0, leaseMs: 0, permitMs: 0 };
  readonly #lineages = new Map<number, number>();
  #incarnations = 0;
  /** Until then a partition stays as it is. */
  partedUntilMs = 0;
  /** The engine of this cluster sends datagrams. */
  readonly hasDatagrams: boolean;
  /** No more faults are inflicted. */
  isCalm = false;

  constructor(options: WorldOptions) {
    this.random = new Random(options.seed);
    this.network = new SimulatedNetwork(this.scheduler, this.random);
    this.trace = new Trace(options.trace);
    this.checker = new Checker();
    this.slots = Array.from({ length: options.nodes }, (_, position) => ({
      node: position + 1,
      disk: new SimulatedDisk(this.scheduler, this.random, `store-${position + 1}`, options.rows),
      member: null,
      process: null,
      backlog: null,
      clock: { sinceMs: 0, localMs: this.random.integer(0, 1_000_000), rate: 1 + (this.random.next() - 0.5) * 0.02 },
      wallOffsetMs: this.random.integer(-5_000, 5_000),
      restartAtMs: null,
      fuse: null,
      lostCopy: false,
      copies: 0,
      isClockFrozen: false,
      isHeldDown: false,
    }));
    this.mode = options.mode;
    this.witness = this.mode.witness === null ? null : new SimulatedWitness(this, this.mode.witness);
    this.#weights = { version: 1, votes: this.slots.map((slot) => ({ node: slot.node, store: slot.disk.storeId, votes: 1 })), witness: null };
    this.#votes.set(1, this.#weights);
    // Some clusters have much to copy.
    this.network.fetchDelayMaxMs = this.random.pick([20, 20, 20, 2_000]);
    this.hasDatagrams = this.random.chance(0.7);
    this.network.datagramLoss = this.random.pick([0, 0, 0.01, 0.2, 1]);
    this.#factory = options.factory(this);
  }

  clockOf(slot: Slot): Clock {
    return { nowMs: this.#localMs(slot), wallTimeMs: Math.floor(1_700_000_000_000 + this.scheduler.nowMs + slot.wallOffsetMs) };
  }

  setClockRate(slot: Slot, rate: number): void {
    slot.clock = { sinceMs: this.scheduler.nowMs, localMs: this.#localMs(slot), rate };
  }

  #localMs(slot: Slot): number {
    return slot.clock.localMs + (this.scheduler.nowMs - slot.clock.sinceMs) * slot.clock.rate;
  }

  /** Starts the service of a node: a new incarnation on whatever is on its disk. */
  start(slot: Slot, how?: "force" | "prevent"): void {
    if (slot.process !== null || slot.isHeldDown) return;
    const member: Member = { node: slot.node, incarnation: ++this.#incarnations };
    slot.member = member;
    slot.restartAtMs = null;
    const durable = slot.disk.open();
    // Whoever has not joined the forced cluster may do nothing else.
    // A forced start that died before it was done is known from its disk: it is the newest, and not behind.
    const newest = Math.max(this.lineage, ...this.slots.map((other) => lineageOf(other.disk.durable)));
    const behind = newest > 0 && lineageOf(durable) !== newest;
    const start = how ?? (behind ? "prevent" : undefined);
    this.trace.add(this.scheduler.nowMs, slot.node, "start", `incarnation ${member.incarnation} store ${durable.storeId} ${durable.promised}:${durable.accepted}:${durable.committed}`);
    this.checker.onStart(slot.node);
    const act = (action: () => void): void => this.#act(slot, member, action);
    const process = this.#factory({ ...LOG_LIMITS, self: member, store: durable.storeId, holdMs: this.mode.holdMs, timesUnder: (weights) => timesUnder(weights, this.mode.holdMs), direct: this.hasDatagrams, ...(start === undefined ? {} : { start }) }, durable, this.#weights, {
      slot,
      act,
      clock: () => this.clockOf(slot),
      multicast: (payload) => act(() => this.network.multicast(member, payload)),
      datagram: (payload) => act(() => this.network.datagram(member, payload)),
      fetch: (from, request, done) => act(() => this.network.fetch(member, from, request, (reply) => this.run(slot, member, () => done(reply)))),
      claim: (witness, request, done) => act(() => this.#claim(slot, witness, request, (outcome) => this.run(slot, member, () => done(outcome)))),
      write: (write, done) => act(() => this.#noteVotes(write, () => slot.disk.write(write, (error) => this.run(slot, member, () => done(error))))),
      writeLazily: (write) => act(() => slot.disk.writeLazily(write)),
      onStatus: (status, committed) => {
        this.trace.add(this.scheduler.nowMs, slot.node, status.phase, statusText(status));
        const { process } = slot;
        if (status.phase === "active" && process !== null && process.lineage > this.lineage) this.#onForced(process);
        else if (status.phase === "active" && process !== null && process.lineage !== (this.#lineages.get(slot.node) ?? 0)) this.coverage.count("joined a forced cluster");
        if (status.phase === "active" && process !== null) this.#lineages.set(slot.node, process.lineage);
        this.checker.onStatus(slot.node, status, committed);
        if (status.phase === "waiting" && status.reason?.includes("join only") === true) this.coverage.count("prevented from forming");
        if (status.phase === "active" && status.members.length === 1 && this.slots.length > 1) this.coverage.count("view of the last node");
      },
      onStepped: (entry, hash, replayed) => {
        this.trace.add(this.scheduler.nowMs, slot.node, replayed ? "replay" : "step", `${entry.epoch}.${entry.index} ${entry.sequence === null ? "V" : `D${entry.sequence}`} ${entryText(entry)}`);
        const givesUp = replayed && slot.process !== null && slot.process.lineage > this.lineage;
        if (this.checker.onStepped(slot.node, entry, hash, replayed, givesUp)) this.#noteStepped(entry);
      },
      onLeave: (cause, reason) => {
        this.trace.add(this.scheduler.nowMs, slot.node, "leave", `${cause}: ${reason}`);
        this.checker.onLeave(cause, reason);
        this.#stop(slot);
        slot.restartAtMs = this.scheduler.nowMs;
        this.scheduler.after(20, () => this.#restartIfWanted(slot));
      },
    });
    slot.process = process;
    this.network.attach({
      member,
      run: (action) => this.run(slot, member, action),
      onMembers: (members) => {
        this.trace.add(this.scheduler.nowMs, slot.node, "members", members.map((one) => `${one.node}/${one.incarnation}`).join(" "));
        process.onMembers(members);
        process.flush();
      },
      onMessage: (from, payload) => {
        process.onMessage(from, payload);
        process.flush();
      },
      onDatagram: (from, payload) => {
        if (Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).includes(ENTRIES_MARK)) this.coverage.count("entries past the group");
        process.onDatagram(from, payload);
        process.flush();
      },
      serveFetch: (request) => process.serveFetch(request),
    });
    this.#tick(slot, member);
  }

  // ---- votes -------------------------------------------------------------------

  /** A program was ordered to start that no member of this view has had: not before the holds that its ACTIVE told have passed. */
  onStartOfOther(entry: LogEntry, resource: string, which: "leaseMs" | "permitMs"): void {
    const { epoch, atMs } = this.#lastHolds;
    const longestMs = this.#lastHolds[which];
    if (entry.epoch !== epoch || longestMs === 0) return;
    if (entry.clusterTimeMs < atMs + longestMs) throw new BrokenInvariant(`${resource} is ordered to start at ${entry.clusterTimeMs}, but its last owner may be serving until ${atMs + longestMs}`);
    this.coverage.count("start after the holds");
  }

  #claim(slot: Slot, witness: WitnessVote, request: ClaimRequest, done: (outcome: ClaimOutcome) => void): void {
    this.trace.add(this.scheduler.nowMs, slot.node, "claim", `${request.epoch} by ${request.voters.map((voter) => voter.node).join(" ")}`);
    if (this.witness === null) return done({ kind: "failed", reason: "there is none" });
    claim(this.witness.connect(slot.node, witness.id), request, (outcome) => {
      this.countClaim(slot, outcome);
      done(outcome);
    });
  }

  countClaim(slot: Slot, outcome: ClaimOutcome): void {
    this.trace.add(this.scheduler.nowMs, slot.node, "claimed", JSON.stringify(outcome));
    this.coverage.count(outcome.kind === "refused" ? "claim refused: partition in time" : outcome.kind === "outdated" ? "claim out of time" : `claim ${outcome.kind}`);
  }

  #noteVotes(write: DurableWrite, then: () => void): void {
    for (const { payload } of write.append ?? []) {
      if (!payload.includes('"type":"weights"')) continue;
      const { weights } = (JSON.parse(payload) as [number, number, number, unknown, { weights: Weights }])[4];
      this.#votes.set(weights.version, weights);
    }
    then();
  }

  /** Somebody stepped an entry first. */
  #noteStepped(entry: LogEntry): void {
    if (entry.body.type === "weights") {
      const { weights } = entry.body;
      const before = this.#votes.get(weights.version - 1);
      this.#votes.set(weights.version, weights);
      if ((weights.witness?.votes ?? 0) > 0) this.coverage.count("votes: the witness has one");
      if ((before?.witness?.votes ?? 0) > 0 && (weights.witness?.votes ?? 0) === 0) this.coverage.count("votes: the witness lost its one");
      if (before !== undefined && weights.votes.some((vote) => !before.votes.some((old) => old.store === vote.store))) this.coverage.count("copy admitted");
      if (this.mode.dynamicQuorum && weights.votes.filter((vote) => vote.votes > 0).length % 2 === 1 && (weights.witness?.votes ?? 0) === 0) this.coverage.count("votes: an even number, one without");
      if (!this.mode.dynamicQuorum) this.coverage.count("votes: without dynamic quorum");
      if (this.mode.withoutWeight.length > 0) this.coverage.count("votes: NodeWeight 0");
    } else if (entry.index === 0) {
      const view = JSON.parse(entry.body.payload) as ViewInput;
      if (view.claimed === true) this.coverage.count("view stands on a claim");
      if (view.forced === true) this.coverage.count("forced start");
      if (view.holds !== undefined) this.coverage.count("holds in ACTIVE");
      if (view.holdAbsentMs !== undefined) this.coverage.count("holds of everybody who is not there");
      const isFull = view.members.length === this.slots.length;
      this.#lastHolds = isFull ? { epoch: entry.epoch, atMs: 0, leaseMs: 0, permitMs: 0 } : { epoch: entry.epoch, atMs: entry.clusterTimeMs, leaseMs: longest(view, "leaseMs"), permitMs: longest(view, "permitMs") };
    }
  }

  /** What was acknowledged elsewhere is given up: that is what the operator asked for. */
  #onForced(process: SimulatedProcess): void {
    this.lineage = process.lineage;
    this.checker.onForced(process.committed);
    const [newest] = process.weights;
    this.#votes.clear();
    this.#votes.set(newest!.version, newest!);
  }

  /** kill -9. */
  crash(slot: Slot): void {
    if (slot.process === null) return;
    this.trace.add(this.scheduler.nowMs, slot.node, "crash", "");
    slot.disk.crash();
    this.#stop(slot);
  }

  #stop(slot: Slot): void {
    const { member, process } = slot;
    slot.process = null;
    slot.member = null;
    slot.backlog = null;
    slot.fuse = null;
    process?.end();
    if (member !== null) this.network.detach(member);
  }

  #restartIfWanted(slot: Slot): void {
    if (slot.process === null && slot.restartAtMs !== null && slot.restartAtMs <= this.scheduler.nowMs) this.start(slot);
  }

  /** SIGSTOP for a while. */
  pause(slot: Slot, forMs: number): void {
    if (slot.process === null || slot.backlog !== null) return;
    this.trace.add(this.scheduler.nowMs, slot.node, "pause", `${Math.round(forMs)} ms`);
    const { member } = slot;
    slot.backlog = [];
    this.scheduler.after(forMs, () => {
      if (slot.member !== member || slot.backlog === null) return;
      const backlog = slot.backlog;
      slot.backlog = null;
      this.trace.add(this.scheduler.nowMs, slot.node, "resume", `${backlog.length} waiting`);
      for (const action of backlog) if (slot.member === member) this.run(slot, member!, action);
    });
  }

  /** Runs something inside the life `member` of the node: later if it is paused, never if it is over. */
  run(slot: Slot, member: Member, action: () => void): void {
    if (slot.member !== member) return;
    if (slot.backlog !== null) slot.backlog.push(action);
    else this.#survive(action);
  }

  /** Lets an incarnation's code run; it may die inside. */
  #survive(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
  }

  #act(slot: Slot, member: Member, action: () => void): void {
    if (slot.member !== member) return;
    const { fuse } = slot;
    if (fuse !== null && --fuse.acts <= 0) {
      slot.fuse = null;
      fuse.strike();
      if (slot.member !== member) throw new Died();
    }
    if (slot.backlog !== null) slot.backlog.push(action);
    else action();
  }

  /** The process dies, or is stopped, after so many acts more: between two statements, as it were. */
  interruptAfter(slot: Slot, acts: number, strike: () => void): void {
    if (slot.process !== null) slot.fuse = { acts, strike };
  }

  /** What a node tells of those that were left out: the longest, each time. */
  holdsOf(excluded: readonly Member[]): readonly Hold[] {
    return excluded.map(({ node, incarnation }) => ({ node, incarnation, leaseMs: this.mode.holdMs / 2, permitMs: this.mode.holdMs }));
  }

  /** Whether one more copy may be lost: more than half of the votes at once is loss by the operator, not by us. */
  mayLoseCopy(slot: Slot): boolean {
    for (const other of this.slots) if (other.process?.status.phase === "active" && other.process.storeIsAdmitted) other.lostCopy = false;
    const others = this.slots.filter((other) => other !== slot && !other.lostCopy);
    const kept = others.map((other) => ({ node: other.node, store: other.disk.storeId }));
    if (others.length === 0) return false;
    // Who does not know new votes to be committed needs a quorum under the old ones too.
    const known = Math.min(...others.map((other) => knownVotes(other)));
    return [...this.#votes].every(([version, weights]) => version < known || isQuorum([weights], kept));
  }

  #tick(slot: Slot, member: Member): void {
    this.scheduler.after(TICK_MS * (0.9 + this.random.next() * 0.2), () => {
      if (slot.member !== member) return;
      // A stopped process gets one tick when it goes on, not all it missed.
      if (slot.backlog === null) this.#survive(() => slot.process?.tick());
      if ((slot.process?.weights.length ?? 0) > 1) this.coverage.count("view decided under two weights");
      this.#tick(slot, member);
    });
  }

  runUntil(untilMs: number): void {
    while (this.scheduler.nowMs < untilMs && this.scheduler.runNext());
  }
}

/** The longest hold of those who are not there; a later life that is there ends what was left, and says so. */
function longest(view: ViewInput, which: "leaseMs" | "permitMs"): number {
  const absent = (view.holds ?? []).filter((hold) => !view.members.some((member) => member.node === hold.node));
  return Math.max(view.holdAbsentMs ?? 0, ...absent.map((hold) => hold[which]));
}

/** The newest votes that a disk tells to be committed. */
function knownVotes(slot: Slot): number {
  const stored = slot.disk.durable.metadata[WEIGHTS_KEY];
  return stored === undefined ? 1 : (JSON.parse(stored) as { weights: Weights }).weights.version;
}

function lineageOf(durable: DurableState): number {
  const stored = durable.metadata[LINEAGE_KEY];
  return stored === undefined ? 0 : (JSON.parse(stored) as { number: number }).number;
}

function statusText(status: LogStatus): string {
  if (status.phase === "forming") return status.reason;
  if (status.phase === "waiting") return `for ${status.waitingFor.join(" ")}`;
  return `epoch ${status.epoch} members ${status.members.map((member) => `${member.node}/${member.incarnation}`).join(" ")} orderer ${status.orderer}`;
}

function entryText(entry: LogEntry): string {
  return entry.body.type === "weights" ? `weights ${entry.body.weights.version}` : entry.body.payload.slice(0, 160);
}
