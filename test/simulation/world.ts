import type { Clock, LeaveCause, LogEntry, LogOptions, LogStatus } from "../../src/log/types.ts";
import type { Weights } from "../../src/model/votes.ts";
import type { Member } from "../../src/model/identifiers.ts";
import type { Row } from "../../src/service/state-machine.ts";
import type { ReplicaEnvironment } from "../../src/service/replica.ts";
import type { DurableState } from "../../src/database/contract.ts";
import { Checker } from "./checker.ts";
import { SimulatedDisk } from "./disk.ts";
import { SimulatedNetwork } from "./network.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

/** One life of a node in the simulation: a bare replica, or a whole node with its monitor. */
export interface SimulatedProcess {
  onMembers(members: readonly Member[]): void;
  onMessage(from: Member, payload: Uint8Array): void;
  tick(): void;
  flush(): void;
  serveFetch(request: Uint8Array): Uint8Array;
  /** The process is gone, at once. */
  end(): void;
  readonly status: LogStatus;
  readonly committed: number;
  readonly requestsWaiting: number;
  readonly storeHasVote: boolean;
  /** Of durable and run-time state, for the check that copies are equal. */
  stateText(): string;
  /** Asks for one durable update; `done` when it is acknowledged. */
  update(done: (sequence: number) => void): void;
  /** Asks for a linearizable read; `done` when this node may answer it. */
  read(done: () => void): void;
  /** Highest epoch it has promised. */
  readonly promised: number;
}

export interface ProcessEnvironment extends Pick<ReplicaEnvironment<unknown>, "clock" | "multicast" | "fetch" | "write" | "writeLazily"> {
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
}

/** Thrown through the code of a process that dies in the middle of a step. */
class Died extends Error {}

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly trace: boolean;
  readonly rows: readonly Row[];
  readonly factory: (world: World) => ProcessFactory;
}

const TICK_MS = 100;
const LOG_LIMITS = { silenceMs: 250, tickMs: TICK_MS, detectionMs: 1_000, permitMs: 5_000, diskLimitMs: 5_000, keepEntries: 30 };

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
  #incarnations = 0;
  /** Until then a partition stays as it is. */
  partedUntilMs = 0;
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
    }));
    this.#weights = { version: 1, votes: this.slots.map((slot) => ({ node: slot.node, store: slot.disk.storeId, votes: 1 })), witness: null };
    // Some clusters have much to copy.
    this.network.fetchDelayMaxMs = this.random.pick([20, 20, 20, 2_000]);
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
  start(slot: Slot): void {
    if (slot.process !== null) return;
    const member: Member = { node: slot.node, incarnation: ++this.#incarnations };
    slot.member = member;
    slot.restartAtMs = null;
    const durable = slot.disk.open();
    this.trace.add(this.scheduler.nowMs, slot.node, "start", `incarnation ${member.incarnation} store ${durable.storeId} ${durable.promised}:${durable.accepted}:${durable.committed}`);
    this.checker.onStart(slot.node);
    const act = (action: () => void): void => this.#act(slot, member, action);
    const process = this.#factory({ ...LOG_LIMITS, self: member, store: durable.storeId }, durable, this.#weights, {
      slot,
      act,
      clock: () => this.clockOf(slot),
      multicast: (payload) => act(() => this.network.multicast(member, payload)),
      fetch: (from, request, done) => act(() => this.network.fetch(member, from, request, (reply) => this.run(slot, member, () => done(reply)))),
      write: (write, done) => act(() => slot.disk.write(write, (error) => this.run(slot, member, () => done(error)))),
      writeLazily: (write) => act(() => slot.disk.writeLazily(write)),
      onStatus: (status, committed) => {
        this.trace.add(this.scheduler.nowMs, slot.node, status.phase, statusText(status));
        this.checker.onStatus(slot.node, status, committed);
      },
      onStepped: (entry, hash, replayed) => {
        this.trace.add(this.scheduler.nowMs, slot.node, replayed ? "replay" : "step", `${entry.epoch}.${entry.index} ${entry.sequence === null ? "V" : `D${entry.sequence}`} ${entryText(entry)}`);
        this.checker.onStepped(slot.node, entry, hash, replayed);
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
      serveFetch: (request) => process.serveFetch(request),
    });
    this.#tick(slot, member);
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

  /** Whether one more copy may be lost: more than a minority at once is loss by the operator, not by us. */
  mayLoseCopy(slot: Slot): boolean {
    for (const other of this.slots) if (other.process?.status.phase === "active" && other.process.storeHasVote) other.lostCopy = false;
    const lost = this.slots.filter((other) => other === slot || other.lostCopy);
    return 2 * lost.length < this.slots.length;
  }

  #tick(slot: Slot, member: Member): void {
    this.scheduler.after(TICK_MS * (0.9 + this.random.next() * 0.2), () => {
      if (slot.member !== member) return;
      // A stopped process gets one tick when it goes on, not all it missed.
      if (slot.backlog === null) this.#survive(() => slot.process?.tick());
      this.#tick(slot, member);
    });
  }

  runUntil(untilMs: number): void {
    while (this.scheduler.nowMs < untilMs && this.scheduler.runNext());
  }
}

function statusText(status: LogStatus): string {
  if (status.phase === "forming") return status.reason;
  if (status.phase === "waiting") return `for ${status.waitingFor.join(" ")}`;
  return `epoch ${status.epoch} members ${status.members.map((member) => `${member.node}/${member.incarnation}`).join(" ")} orderer ${status.orderer}`;
}

function entryText(entry: LogEntry): string {
  return entry.body.type === "weights" ? `weights ${entry.body.weights.version}` : entry.body.payload.slice(0, 160);
}
