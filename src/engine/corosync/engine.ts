import type { Engine, EngineListener } from "../contract.ts";
import { MESSAGE_BYTES_MAX } from "../contract.ts";
import { MusterError } from "../../model/errors.ts";
import type { Member, NodeId } from "../../model/identifiers.ts";
import { NODES_MAX } from "../../model/identifiers.ts";
import type { LinkState } from "./cmap.ts";
import { Datagrams } from "./datagrams.ts";
import type { DatagramOptions } from "./datagrams.ts";
import { CorosyncThread } from "./thread.ts";
import { Transfer } from "./transfer.ts";
import type { TransferOptions } from "./transfer.ts";

export type { LinkState } from "./cmap.ts";

export interface CorosyncEngineOptions {
  /** Names the process group: letters, digits, `_`, `.` and `-`, at most 48. */
  readonly clusterId: string;
  /** The node must be the nodeid that corosync has on this machine. */
  readonly self: Member;
  /** Nodes of different versions refuse each other. */
  readonly protocolVersion: number;
  /** Null: this engine has no {@link Engine.fetch}. */
  readonly transfer: TransferOptions | null;
  /** Absent: this engine has no {@link Engine.datagram}. */
  readonly datagrams?: DatagramOptions;
  /** Another group of the same cluster, for a second engine in this process. Letters and digits. */
  readonly purpose?: string;
  /** When corosync has not answered for so long this node counts as alone. Default 3000 ms. */
  readonly hangTimeoutMs?: number;
  /** Between two readings of {@link CorosyncEngine.links}. Default 2000 ms. */
  readonly linkIntervalMs?: number;
  /** Told what an operator may want to know. */
  readonly onNotice?: (text: string) => void;
}

export interface CorosyncEngine extends Engine {
  /** The links to the other nodes as corosync last told; empty without corosync. */
  links(): readonly LinkState[];
  /** Nodes that came lately and could not become members, each with why. */
  refused(): readonly Refusal[];
}

/** A node that cannot be a member as it is. */
export interface Refusal {
  readonly node: NodeId;
  readonly problem: string;
}

/** Who was refused tries again every few seconds; who has not for so long has given up. */
const REFUSAL_MS = 60_000;
const HANG_MS = 3_000;
const LINK_INTERVAL_MS = 2_000;
/** Most bytes that wait for this process alone, while there is no corosync. */
const OWN_BYTES_MAX = 8 * 1024 * 1024;

/**
 * The engine for many machines (ARCHITECTURE 3). Members are the processes of one closed process group of corosync
 * that have said who they are; without corosync the only member is this one. corosync itself is the daemon's
 * (daemon.ts) or systemd's: this engine connects whenever there is one.
 * @throws MusterError MUSTER_INVALID_ARGUMENT
 */
export function createCorosyncEngine(options: CorosyncEngineOptions): CorosyncEngine {
  if (!/^[\w.-]{1,48}$/.test(options.clusterId)) invalid("clusterId", "letters, digits, _ . - only, at most 48");
  if (options.purpose !== undefined && !/^[A-Za-z0-9]{1,16}$/.test(options.purpose)) invalid("purpose", "letters and digits only, at most 16");
  const { node, incarnation } = options.self;
  if (!Number.isInteger(node) || node < 1 || node > NODES_MAX) invalid("self", `a node has a number from 1 to ${NODES_MAX}`);
  if (!Number.isSafeInteger(incarnation) || incarnation < 0) invalid("self", "an incarnation is a whole number");
  if (!Number.isInteger(options.protocolVersion) || options.protocolVersion < 0 || options.protocolVersion > 0xffffffff) {
    invalid("protocolVersion", "it is a 32-bit number");
  }
  return new CorosyncGroupEngine(options);
}

function invalid(field: string, problem: string): never {
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}

class CorosyncGroupEngine implements CorosyncEngine {
  readonly self: Member;
  readonly #options: CorosyncEngineOptions;
  readonly #transfer: Transfer | null;
  readonly #datagrams: Datagrams | null;
  readonly datagram?: (payload: Uint8Array) => void;
  #thread: CorosyncThread | null = null;
  #listener: EngineListener | null = null;
  #started: { resolve: () => void; reject: (error: MusterError) => void } | null = null;
  #isOver = false;
  /** Set when the listener knows a membership; alone when it is this process only, for want of corosync. */
  #isMember = false;
  #isAlone = false;
  /** Sent while alone and not yet delivered. */
  #own: Uint8Array[] = [];
  #ownBytes = 0;
  #links: readonly LinkState[] = [];
  readonly #refused = new Map<NodeId, Refusal & { readonly atMs: number }>();

  constructor(options: CorosyncEngineOptions) {
    this.#options = options;
    this.self = { node: options.self.node, incarnation: options.self.incarnation };
    this.#transfer = options.transfer === null ? null : new Transfer({ ...options.transfer, clusterId: options.clusterId, self: this.self, protocolVersion: options.protocolVersion, onNotice: (text) => this.#notice(text) });
    const { clusterId, datagrams } = options;
    this.#datagrams =
      datagrams === undefined
        ? null
        : new Datagrams({ ...datagrams, clusterId, self: this.self, onDatagram: (from, payload) => this.#isOver || this.#listener?.onDatagram?.(from, payload), onNotice: (text) => this.#notice(text) });
    if (this.#datagrams !== null) this.datagram = (payload) => this.#sendDatagram(payload);
  }

  /**
   * Resolves after the first membership has been told: this node alone when there is no corosync.
   * @throws MusterError MUSTER_VERSION_MISMATCH, MUSTER_NODE_IN_USE, MUSTER_INVALID_ARGUMENT (another node's corosync)
   */
  async start(listener: EngineListener): Promise<void> {
    if (this.#listener !== null) throw new MusterError("MUSTER_INTERNAL", { problem: "the engine is started twice" });
    this.#listener = listener;
    await this.#transfer?.listen((from, request) => listener.onFetch(from, request));
    if (this.#isOver) {
      await this.#transfer?.close();
      throw stoppedEarly();
    }
    await new Promise<void>((resolve, reject) => {
      this.#started = { resolve, reject };
      this.#thread = this.#begin();
      this.#datagrams?.start();
    });
  }

  multicast(payload: Uint8Array): void {
    if (payload.length > MESSAGE_BYTES_MAX) {
      throw new MusterError("MUSTER_LIMIT", { what: "A message of the engine", limit: `${MESSAGE_BYTES_MAX} bytes` });
    }
    if (!this.#isMember || this.#isOver) return;
    if (this.#isAlone) this.#sendToSelf(payload);
    else this.#thread?.multicast(payload);
  }

  #sendDatagram(payload: Uint8Array): void {
    if (!this.#isMember || this.#isOver) return;
    // To this process as well, but never inside of what it is doing now.
    setImmediate(() => {
      if (this.#isMember && !this.#isOver) this.#listener?.onDatagram?.(this.self, payload);
    });
    if (!this.#isAlone) this.#datagrams?.send(payload);
  }

  links(): readonly LinkState[] {
    return this.#links;
  }

  refused(): readonly Refusal[] {
    for (const [node, { atMs }] of this.#refused) if (performance.now() - atMs > REFUSAL_MS) this.#refused.delete(node);
    return [...this.#refused.values()].map(({ node, problem }) => ({ node, problem }));
  }

  fetch(from: Member, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#isOver || this.#listener === null || this.#transfer === null) {
      const problem = this.#transfer === null ? "this engine has no transfer" : "this node's engine is not running";
      return Promise.reject(new MusterError("MUSTER_NOT_REACHABLE", { address: `node ${from.node}`, problem }));
    }
    return this.#transfer.fetch(from, request, timeoutMs);
  }

  async stop(): Promise<void> {
    this.#started?.reject(stoppedEarly());
    this.#started = null;
    await this.#end();
  }

  #begin(): CorosyncThread {
    const { clusterId, purpose, hangTimeoutMs = HANG_MS, linkIntervalMs = LINK_INTERVAL_MS } = this.#options;
    return new CorosyncThread({
      worker: { self: this.self, protocolVersion: this.#options.protocolVersion, group: `muster-${clusterId}${purpose === undefined ? "" : `-${purpose}`}`, linkIntervalMs },
      hangTimeoutMs,
      onMembers: (members) => this.#onMembers(members),
      onMessage: (from, payload) => this.#listener?.onMessage(from, payload),
      onAlone: (problem) => this.#onAlone(problem),
      onLinks: (links) => (this.#links = links),
      onNotice: (text) => this.#notice(text),
      onRefused: (node, problem) => {
        this.#refused.set(node, { node, problem, atMs: performance.now() });
        this.#notice(problem);
      },
      onOver: (error) => this.#lose(error),
    });
  }

  #onMembers(members: readonly Member[]): void {
    if (this.#isOver) return;
    // What was sent while alone belongs to the membership before this one.
    this.#deliverOwn();
    if (this.#isOver) return;
    this.#isAlone = false;
    this.#isMember = true;
    for (const { node } of members) this.#refused.delete(node);
    this.#datagrams?.follow(members);
    this.#listener?.onMembers(members);
    this.#settle();
  }

  /** There is no corosync, or no more. */
  #onAlone(problem: string): void {
    if (this.#isOver) return;
    this.#notice(`this node is alone: ${problem}`);
    this.#isAlone = true;
    this.#isMember = true;
    this.#datagrams?.follow([]);
    this.#listener?.onMembers([this.self]);
    this.#settle();
  }

  #settle(): void {
    this.#started?.resolve();
    this.#started = null;
  }

  #sendToSelf(payload: Uint8Array): void {
    if (this.#ownBytes + payload.length > OWN_BYTES_MAX) {
      this.#own = [];
      this.#ownBytes = 0;
      setImmediate(() => this.#isAlone && this.#onAlone(`more than ${OWN_BYTES_MAX} bytes waited to be delivered to it`));
      return;
    }
    if (this.#own.length === 0) setImmediate(() => this.#deliverOwn());
    this.#own.push(Uint8Array.from(payload));
    this.#ownBytes += payload.length;
  }

  /** Those that the listener sends meanwhile wait for the next turn of the event loop. */
  #deliverOwn(): void {
    const own = this.#own;
    this.#own = [];
    this.#ownBytes = 0;
    for (const payload of own) {
      if (this.#isOver) return;
      this.#listener?.onMessage(this.self, payload);
    }
  }

  /** The engine cannot go on. */
  #lose(error: MusterError): void {
    if (this.#isOver) return;
    const started = this.#started;
    this.#started = null;
    void this.#end().then(() => {
      if (started !== null) started.reject(error);
      else this.#listener?.onLost(error.message);
    });
  }

  async #end(): Promise<void> {
    this.#isOver = true;
    this.#isMember = false;
    this.#own = [];
    this.#links = [];
    this.#datagrams?.close();
    await Promise.all([this.#thread?.stop(), this.#transfer?.close()]);
  }

  #notice(text: string): void {
    this.#options.onNotice?.(text);
  }
}

function stoppedEarly(): MusterError {
  return new MusterError("MUSTER_INTERNAL", { problem: "the engine was stopped while it started" });
}
