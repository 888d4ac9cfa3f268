import type { KeyObject } from "node:crypto";
import { createHash, createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { createSocket } from "node:dgram";
import type { Socket, SocketOptions } from "node:dgram";
import { isIPv6 } from "node:net";
import type { NodeId } from "../../model/identifiers.ts";
import { NODES_MAX } from "../../model/identifiers.ts";
import { StandingAside, whoStandsAside } from "./connectivity.ts";
import type { KnownVotes, Row } from "./connectivity.ts";

export interface HeartbeatOptions {
  readonly self: NodeId;
  /** Of the cluster; what is not signed with it is not listened to. */
  readonly key: Buffer;
  readonly port: number;
  /** All nodes and where they are reached; asked each time, because nodes come and go. */
  readonly nodes: () => readonly { readonly id: NodeId; readonly addresses: readonly string[] }[];
  /** The same nodes, and all else that must be equal everywhere, as text. */
  readonly nodeList: () => string;
  /** A node with a view has another list than this one, which has none: what was added while it was down it would not reach. */
  readonly onNodeList: (text: string) => void;
  /** The votes as far as this node knows them. */
  readonly votes: () => KnownVotes;
  /** Whether this node is in a view: only then is its list of the nodes the cluster's, and may it tell a machine that it is none. */
  readonly hasView: () => boolean;
  readonly nowMs: () => number;
  /** This node is to stop its engine, and why; null = it may run again. */
  readonly onAside: (reason: string | null) => void;
  readonly onNotice: (text: string) => void;
  /** A node of the cluster says that this machine is none: it was evicted while it did not run. Said again with every heartbeat. */
  readonly onUnknown: (by: NodeId) => void;
}

interface Known {
  readonly row: Row;
  readonly incarnation: number;
  readonly sequence: number;
  readonly atMs: number;
}

type Beat = [from: NodeId, version: number, votes: readonly (readonly [NodeId, number])[], rows: (readonly [NodeId, incarnation: number, sequence: number, heard: readonly NodeId[]])[], listHash?: string, hasView?: boolean];
/** Answers to a node with another list and to a machine that is no node; `incarnation` is that of what it said, so that nobody can say it again later. */
type News = { readonly nodeList: string; readonly to: NodeId; readonly incarnation: number };
type Stranger = { readonly unknown: NodeId; readonly incarnation: number; readonly by: NodeId };

/** Windows sends one a second (reference 1.6); four, so that a cut is seen before anybody loses patience. */
const PERIOD_MS = 250;
/** Its sockets are bound by then; what the others answer is news for a node that was down. */
const FIRST_MS = 20;
/** Messages grow with the number of nodes, and so does their number. */
const PERIOD_OF_MANY_MS = 500;
const MANY_NODES = 16;
/** So many periods without a message are silence. */
const HEARD_PERIODS = 4;
/** What is known of others through others is a little older. */
const ROW_PERIODS = 8;
const GRACE_MS = 10_000;
/** Another program may have the port for a while, and a machine without IPv6 gets it later or never. */
const OPEN_RETRY_MS = 30_000;
const SIGNATURE_BYTES = 16;
const HASH_CHARACTERS = 16;
const MESSAGE_BYTES_MAX = 16 * 1024;

/** Small messages over UDP, from each node to each other on every link: who hears whom. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** Made once: to make it is most of what a signature costs. */
  readonly #key: KeyObject;
  readonly #incarnation: number;
  readonly #standing: StandingAside;
  /** Newest row of each node, told by itself or passed on. */
  readonly #rows = new Map<NodeId, Known>();
  readonly #heardAtMs = new Map<NodeId, number>();
  #sockets: Socket[] = [];
  readonly #retries = new Set<NodeJS.Timeout>();
  readonly #problems = new Map<string, string>();
  #timer: NodeJS.Timeout | null = null;
  #votes: KnownVotes = { version: 0, votes: [] };
  #sequence = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#key = createSecretKey(options.key);
    this.#incarnation = Date.now();
    this.#standing = new StandingAside(options.nowMs(), GRACE_MS);
  }

  /** Without its port it hears nobody, and nobody it: then corosync alone decides, as it does without partial cuts. */
  start(): void {
    for (const type of ["udp4", "udp6"] as const) this.#open(type);
    this.#timer = setTimeout(() => this.#beat(), FIRST_MS);
  }

  #open(type: "udp4" | "udp6"): void {
    const { port, onNotice } = this.#options;
    const socket = createSocket({ type, reuseAddr: false, lookup: asItIs, ...(type === "udp6" ? { ipv6Only: true } : {}) });
    socket.on("error", (error) => {
      // Once: a machine without IPv6 stays one.
      if (this.#problems.get(type) !== error.message) onNotice(`heartbeats (${type}, port ${port}): ${error.message}`);
      this.#problems.set(type, error.message);
      this.#sockets = this.#sockets.filter((one) => one !== socket);
      socket.close();
      const retry = setTimeout(() => {
        this.#retries.delete(retry);
        this.#open(type);
      }, OPEN_RETRY_MS);
      this.#retries.add(retry);
    });
    socket.on("message", (message, { address }) => this.#receive(message, address));
    socket.bind(port, () => this.#sockets.push(socket));
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const retry of this.#retries) clearTimeout(retry);
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
  }

  #beat(): void {
    const { self, nodes, nowMs } = this.#options;
    const now = nowMs();
    const all = nodes();
    const periodMs = all.length > MANY_NODES ? PERIOD_OF_MANY_MS : PERIOD_MS;
    this.#timer = setTimeout(() => this.#beat(), periodMs);
    const heard = [...this.#heardAtMs].filter(([, atMs]) => now - atMs < HEARD_PERIODS * periodMs).map(([node]) => node);
    this.#sequence++;
    this.#learn(this.#options.votes());
    this.#rows.set(self, { row: { node: self, heard }, incarnation: this.#incarnation, sequence: this.#sequence, atMs: now });
    for (const [node, known] of this.#rows) if (now - known.atMs > ROW_PERIODS * periodMs || !all.some((one) => one.id === node)) this.#rows.delete(node);
    const message = this.#encode([...this.#rows.values()]);
    for (const one of all) if (one.id !== self) for (const address of one.addresses) this.#send(message, address);
    this.#decide(now);
  }

  #send(message: Buffer, address: string): void {
    const wanted = address.includes(":") ? "IPv6" : "IPv4";
    const socket = this.#sockets.find((one) => one.address().family === wanted);
    // What cannot be sent is not heard: that is all there is to it.
    socket?.send(message, this.#options.port, address, () => undefined);
  }

  #decide(nowMs: number): void {
    const { self, onAside } = this.#options;
    const aside = whoStandsAside(self, [...this.#rows.values()].map((known) => known.row), this.#votes.votes);
    if (!this.#standing.next(nowMs, aside.includes(self))) return;
    const unheard = [...this.#rows.values()].filter(({ row }) => row.node !== self && !row.heard.includes(self)).map(({ row }) => row.node);
    onAside(this.#standing.isAside ? `node ${unheard.join(", ")} and this node do not reach each other, while others reach both; of those that cannot all be together this one stands aside` : null);
  }

  #learn(votes: KnownVotes): void {
    if (votes.version > this.#votes.version) this.#votes = votes;
  }

  #encode(rows: readonly Known[]): Buffer {
    const { self, nodeList, hasView } = this.#options;
    return this.#signed([self, this.#votes.version, this.#votes.votes, rows.map(({ row, incarnation, sequence }) => [row.node, incarnation, sequence, row.heard]), hashOf(nodeList()), hasView()]);
  }

  #signed(said: Beat | News | Stranger): Buffer {
    const body = Buffer.from(JSON.stringify(said));
    return Buffer.concat([this.#sign(body), body]);
  }

  #sign(body: Buffer): Buffer {
    return createHmac("sha256", this.#key).update("heartbeat").update(body).digest().subarray(0, SIGNATURE_BYTES);
  }

  /** It has the key and is no node: it was evicted and does not know it yet, or it has joined and this node does not know that yet. */
  #answerStranger(unknown: NodeId, incarnation: number | undefined, address: string): void {
    const { self, hasView } = this.#options;
    if (incarnation !== undefined && hasView()) this.#send(this.#signed({ unknown, incarnation, by: self }), address);
  }

  /** A node that was down while others were added or got other addresses: without them it cannot become a member, and so cannot learn of them. */
  #tellOfNodes([from, , , rows, listHash, hasView]: Beat, address: string): void {
    if (hasView !== false || !this.#options.hasView()) return;
    const incarnation = rows.find(([node]) => node === from)?.[1];
    const nodeList = this.#options.nodeList();
    if (incarnation === undefined || listHash === hashOf(nodeList)) return;
    this.#send(this.#signed({ nodeList, to: from, incarnation }), address);
  }

  #onAnswer(said: News | Stranger): void {
    const { self, hasView, onNodeList, onUnknown } = this.#options;
    if (said.incarnation !== this.#incarnation) return;
    if ("unknown" in said) {
      if (said.unknown === self) onUnknown(said.by);
    } else if (said.to === self && !hasView()) onNodeList(said.nodeList);
  }

  #receive(message: Buffer, address: string): void {
    if (message.length <= SIGNATURE_BYTES || message.length > MESSAGE_BYTES_MAX) return;
    const body = message.subarray(SIGNATURE_BYTES);
    if (!timingSafeEqual(message.subarray(0, SIGNATURE_BYTES), this.#sign(body))) return;
    const said = JSON.parse(body.toString()) as Beat | News | Stranger;
    if (!Array.isArray(said)) return this.#onAnswer(said);
    const [from, version, votes, rows] = said;
    if (!this.#options.nodes().some((node) => node.id === from)) return this.#answerStranger(from, rows.find(([node]) => node === from)?.[1], address);
    this.#tellOfNodes(said, address);
    const now = this.#options.nowMs();
    this.#learn({ version, votes: votes.slice(0, NODES_MAX) });
    for (const [node, incarnation, sequence, heard] of rows.slice(0, NODES_MAX)) {
      if (node === this.#options.self) continue;
      const known = this.#rows.get(node);
      // The same message again, or an older way round, proves nothing new.
      if (known !== undefined && (incarnation < known.incarnation || (incarnation === known.incarnation && sequence <= known.sequence))) continue;
      this.#rows.set(node, { row: { node, heard }, incarnation, sequence, atMs: now });
      if (node === from) this.#heardAtMs.set(from, now);
    }
  }
}

/** Nodes have addresses, never names: Node would ask for each of them each time. */
const asItIs: NonNullable<SocketOptions["lookup"]> = (address, _options, done) => done(null, address, isIPv6(address) ? 6 : 4);

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, HASH_CHARACTERS);
}
