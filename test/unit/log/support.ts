import assert from "node:assert/strict";
import type { Member } from "../../../src/model/identifiers.ts";
import { ReplicatedLog } from "../../../src/log/log.ts";
import type { Lineage, LogEffect, LogEntry, LogInput, LogMessage, TokenTimes } from "../../../src/log/types.ts";
import { sendingTokenMs, waitingTokenMs } from "../../../src/model/heartbeat.ts";
import type { Weights, WeightsInForce } from "../../../src/model/votes.ts";

const TIMES = { tickMs: 100, detectionMs: 1_000, permitMs: 5_000, holdMs: 0 };

/** Without a token as they always were; with one, silence counts twice the longest, and ticks come by the shortest. */
function timesUnder(weights: WeightsInForce): TokenTimes {
  const [sending, waiting] = [sendingTokenMs(weights, 500), waitingTokenMs(weights, 500)];
  return { ...TIMES, tickMs: sending / 5, detectionMs: 2 * waiting };
}

/** One node's log, with every message and every disk in the hands of the test. */
export class LogNode {
  self: Member;
  log: ReplicatedLog;
  readonly #disk: { promised: number; accepted: number; acceptedMembers: readonly Member[]; committed: number; lastActive: number; lineage: Lineage; entries: LogEntry[] } = { promised: 0, accepted: 0, acceptedMembers: [], committed: 0, lastActive: 0, lineage: { number: 0, from: null }, entries: [] };
  #storedWeights: { sequence: number; weights: Weights };
  /** Claims that wait for an answer of the witness. */
  claims: Extract<LogEffect, { kind: "claim" }>[] = [];
  #how: "force" | "prevent" | undefined;
  readonly applied: LogEntry[] = [];
  readonly left: string[] = [];
  readonly permits: number[] = [];
  readonly readsReady: number[] = [];
  /** Writes that are on their way to the disk. */
  waiting: Extract<LogEffect, { kind: "persist" }>[] = [];
  sent: LogMessage[] = [];
  fetches: Extract<LogEffect, { kind: "fetchState" | "fetchLog" }>[] = [];
  nowMs = 0;
  /** What it sent past the group's order. */
  datagrams: LogMessage[] = [];
  readonly #hasDatagrams: boolean;
  /** What it sends reaches nobody else. */
  lost = false;

  constructor(node: number, weights: Weights, hasDatagrams = false) {
    this.#hasDatagrams = hasDatagrams;
    this.self = { node, incarnation: 10 + node };
    this.#storedWeights = { sequence: 0, weights };
    this.log = this.#start();
  }

  #start(): ReplicatedLog {
    const { entries, ...disk } = this.#disk;
    return new ReplicatedLog(
      { self: this.self, store: `s${this.self.node}`, silenceMs: 250, ...TIMES, diskLimitMs: 10_000, keepEntries: 100, arbitrationMs: 2_000, claimRetryMs: 1_000, timesUnder, direct: this.#hasDatagrams, ...(this.#how === undefined ? {} : { start: this.#how }) },
      { ...disk, applied: 0, weights: this.#storedWeights, entries: [...entries], before: { sequence: 0, epoch: 0 }, clusterTimeMs: 0 },
    );
  }

  /** A new life on what is on the disk. */
  restart(how?: "force" | "prevent"): void {
    this.#how = how;
    this.self = { node: this.self.node, incarnation: this.self.incarnation + 10 };
    this.log = this.#start();
    this.applied.length = this.left.length = this.waiting.length = this.sent.length = this.fetches.length = 0;
  }

  step(input: LogInput): void {
    for (const effect of this.log.step({ nowMs: this.nowMs, wallTimeMs: 1_000_000 + this.nowMs }, input)) {
      if (effect.kind === "send") this.sent.push(effect.message);
      if (effect.kind === "sendDirectly") this.datagrams.push(effect.message);
      if (effect.kind === "persist") this.waiting.push(effect);
      if (effect.kind === "fetchState" || effect.kind === "fetchLog") this.fetches.push(effect);
      if (effect.kind === "apply") {
        this.applied.push(effect.entry);
        this.step({ kind: "stepped", index: effect.entry.index, hash: "equal" });
      }
      if (effect.kind === "leave") this.left.push(effect.cause);
      if (effect.kind === "activate") this.#disk.lastActive = effect.install.epoch;
      if (effect.kind === "committed") this.#disk.committed = effect.sequence;
      if (effect.kind === "claim") this.claims.push(effect);
      if (effect.kind === "permit") this.permits.push(effect.untilMs);
      if (effect.kind === "readReady") this.readsReady.push(effect.id);
    }
  }

  sync(): void {
    const written = this.waiting;
    this.waiting = [];
    for (const { ticket, write } of written) {
      const disk = this.#disk;
      disk.promised = write.promised ?? disk.promised;
      disk.accepted = write.accepted ?? disk.accepted;
      disk.acceptedMembers = write.acceptedMembers ?? disk.acceptedMembers;
      if (write.truncateAfter !== undefined) disk.entries.length = write.truncateAfter;
      if (write.replaceByCopy !== undefined) {
        // Rows and entries of another lineage are replaced whole.
        disk.entries = [];
        disk.committed = write.replaceByCopy.upTo;
        this.#storedWeights = { sequence: write.replaceByCopy.upTo, weights: write.replaceByCopy.weights };
      }
      if (write.lineage !== undefined) disk.lineage = write.lineage;
      if (write.forcedWeights !== undefined) this.#storedWeights = write.forcedWeights;
      disk.entries.push(...(write.append ?? []));
      this.step({ kind: "persisted", ticket });
    }
  }

  take(): LogMessage[] {
    this.step({ kind: "flush" });
    const sent = this.sent;
    this.sent = [];
    return sent;
  }
}

/** Some nodes and what is between them. */
export class LogCluster {
  readonly nodes: LogNode[];
  /** Nodes of this set and the others do not reach each other. */
  cut = new Set<number>();
  /** Nodes whose fetches get no answer for the time being. */
  readonly slow = new Set<number>();

  /** Whether datagrams arrive. */
  passesDatagrams = true;
  /** Which of them are lost all the same. */
  losesDatagram: (from: number, to: number, message: LogMessage) => boolean = () => false;

  constructor(count: number, witness: Weights["witness"] = null, hasDatagrams = false) {
    const ids = Array.from({ length: count }, (_, position) => position + 1);
    const weights: Weights = { version: 1, votes: ids.map((node) => ({ node, store: `s${node}`, votes: 1 })), witness };
    this.nodes = ids.map((node) => new LogNode(node, weights, hasDatagrams));
  }

  at(id: number): LogNode {
    return this.nodes[id - 1]!;
  }

  /** The engine tells these nodes of each other. */
  members(...ids: number[]): void {
    for (const id of ids) this.at(id).step({ kind: "members", members: ids.map((other) => this.at(other).self) });
  }

  #answerFetches(): void {
    for (const node of this.nodes) {
      if (this.slow.has(node.self.node)) continue;
      for (const fetch of node.fetches.splice(0)) {
        const source = this.at(fetch.from.node).log;
        if (fetch.kind === "fetchState") node.step({ kind: "stateFetched", epoch: fetch.epoch, position: source.runtime!, applied: source.committed });
        else {
          const entries = source.readLog(fetch.after, fetch.upTo);
          const upTo = source.committed;
          if (entries !== null) node.step({ kind: "logFetched", epoch: fetch.epoch, log: { entries, copy: null } });
          else node.step({ kind: "logFetched", epoch: fetch.epoch, log: { entries: source.readLog(upTo, fetch.upTo) ?? [], copy: { upTo, ...source.describeCopy(upTo) } } });
        }
      }
    }
  }

  /** Delivers what was sent, and what that leads to; disks answer unless `disks` is false. */
  settle(disks = true): void {
    for (let round = 0; round < 50; round++) {
      this.#answerFetches();
      if (disks) for (const node of this.nodes) node.sync();
      const deliveries = this.nodes.flatMap((node) => node.take().map((message) => ({ from: node.self, message })));
      for (const { from, message } of deliveries) {
        for (const node of this.nodes) {
          if (node.self.node === from.node || (!this.at(from.node).lost && this.cut.has(node.self.node) === this.cut.has(from.node))) node.step({ kind: "message", from, message });
        }
      }
      const datagrams = this.nodes.flatMap((node) => node.datagrams.splice(0).map((message) => ({ from: node.self, message })));
      for (const { from, message } of datagrams) {
        for (const node of this.nodes) if (node.self.node === from.node || (this.passesDatagrams && !this.losesDatagram(from.node, node.self.node, message))) node.step({ kind: "datagram", from, message });
      }
      if (deliveries.length + datagrams.length === 0 && (!disks || this.nodes.every((node) => node.waiting.length === 0))) return;
    }
    assert.fail("it does not settle");
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      for (const node of this.nodes) {
        node.nowMs += 100;
        node.step({ kind: "tick" });
      }
      this.settle();
    }
  }

  phase(id: number): string {
    return this.at(id).log.status.phase;
  }

  /** Nodes of the view that is active at a node. */
  view(id: number): readonly number[] {
    const { status } = this.at(id).log;
    return status.phase === "active" ? status.members.map((member) => member.node) : [];
  }

  /** Durable entries that a node has stepped. */
  payloads(id: number): string[] {
    return this.at(id).applied.filter((entry) => entry.sequence !== null).map((entry) => (entry.body.type === "input" ? entry.body.payload : "weights"));
  }
}
