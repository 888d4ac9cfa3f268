import type { Socket } from "node:net";
import { connect, createServer } from "node:tls";
import type { Server, TLSSocket } from "node:tls";
import { FETCH_BYTES_MAX, MESSAGE_BYTES_MAX } from "../contract.ts";
import { MusterError } from "../../model/errors.ts";
import type { Member, NodeId } from "../../model/identifiers.ts";
import { sameMember } from "../../model/identifiers.ts";
import { Channel } from "../local/channel.ts";
import { Frame, frame, frameHeader } from "../local/frames.ts";
import { decodeGreeting, encodeGreeting, GREETING_BYTES_MAX } from "./greeting.ts";

/**
 * Bulk transfer past corosync: one mutual TLS connection, one request, one reply. Both sides hold a certificate of the
 * cluster's authority whose subject is their node's name.
 */

export interface TransferOptions {
  /** PEM; the subject's common name is this node's name. */
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
  readonly port: number;
  /** One or more of this node's addresses. */
  readonly listenAddresses: readonly string[];
  /** Where a node is found, and whose certificate it has; null when there is no such node. */
  readonly peerOf: (node: NodeId) => TransferPeer | null;
}

export interface TransferPeer {
  readonly name: string;
  readonly addresses: readonly string[];
}

interface Identity {
  readonly clusterId: string;
  readonly self: Member;
  readonly protocolVersion: number;
  readonly onNotice: (text: string) => void;
}

type Answer = (from: Member, request: Uint8Array) => Promise<Uint8Array>;

/** So many requests are served at once, and so many callers may be in their handshake. */
const SERVED_MAX = 8;
const CALLERS_MAX = 32;
const HANDSHAKE_MS = 3_000;
/** An address that does not answer in this time is given up for the next one. */
const CONNECT_MS = 1_500;
/** A caller that takes nothing of its reply for so long is dropped. */
const IDLE_MS = 10_000;
/** An address that cannot be listened on is tried again. */
const LISTEN_RETRY_MS = 5_000;
const GRACE_MS = 100;
/** Before a source that serves as many as it can is asked again. */
const BUSY_MS = 150;
const FAILURE_CHARACTERS_MAX = 1_000;

/** How OpenSSL and Node say that a certificate is not of this authority. */
const FOREIGN = /SELF_SIGNED|UNABLE_TO_|CERT_SIGNATURE|CERT_UNTRUSTED/;

export class Transfer {
  readonly #options: TransferOptions & Identity;
  readonly #servers = new Map<string, Server>();
  readonly #callers = new Set<Socket>();
  readonly #fetches = new Set<(problem: string) => void>();
  readonly #retries = new Set<NodeJS.Timeout>();
  readonly #answering = new Map<NodeId, string>();
  #answer: Answer | null = null;
  #served = 0;
  #isOver = false;

  constructor(options: TransferOptions & Identity) {
    this.#options = options;
  }

  /**
   * Listens on every address that is there; the others are tried again, and told of.
   * @throws MusterError MUSTER_ADDRESS_IN_USE and others when none can be listened on
   */
  async listen(answer: Answer): Promise<void> {
    this.#answer = answer;
    const problems = await Promise.all(this.#options.listenAddresses.map((address) => this.#listenOn(address)));
    if (this.#servers.size > 0 || this.#isOver) return;
    const problem = problems.find((one) => one !== null);
    await this.close();
    if (problem?.code === "EADDRINUSE") throw new MusterError("MUSTER_ADDRESS_IN_USE", { address: `${problem.address} port ${this.#options.port}`, holder: "another process" });
    throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "listenAddresses", problem: problem?.message ?? "at least one is needed" });
  }

  /**
   * Asks another member, at one of its addresses after the other.
   * @throws MusterError MUSTER_LIMIT, MUSTER_NOT_REACHABLE, MUSTER_TIMEOUT, MUSTER_BUSY, MUSTER_VERSION_MISMATCH
   */
  async fetch(from: Member, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      try {
        return await this.#fetchOnce(from, request, until, timeoutMs);
      } catch (error) {
        // Many ask at once after a start of the whole cluster: to be refused for that is no failure.
        const isLast = performance.now() + BUSY_MS >= until || this.#isOver;
        if (isLast || !(error instanceof MusterError && error.code === "MUSTER_BUSY")) throw error;
        await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
      }
    }
  }

  async #fetchOnce(from: Member, request: Uint8Array, until: number, timeoutMs: number): Promise<Uint8Array> {
    if (request.length > MESSAGE_BYTES_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The request of a fetch", limit: `${MESSAGE_BYTES_MAX} bytes` });
    const peer = this.#options.peerOf(from.node);
    if (peer === null || peer.addresses.length === 0) throw new MusterError("MUSTER_NOT_REACHABLE", { address: `node ${from.node}`, problem: "its addresses are not known" });
    const problems: string[] = [];
    for (const address of this.#inOrder(from.node, peer)) {
      const leftMs = until - performance.now();
      if (this.#isOver) throw new MusterError("MUSTER_NOT_REACHABLE", { address: `node ${from.node}`, problem: "this node stops" });
      if (leftMs <= 0) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs });
      const attempt = await this.#connect(address, peer.name, leftMs);
      if (typeof attempt !== "string") {
        this.#answering.set(from.node, address);
        return this.#ask(attempt, from, request, until - performance.now(), timeoutMs);
      }
      problems.push(`${address}: ${attempt}`);
    }
    if (performance.now() >= until) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs });
    throw new MusterError("MUSTER_NOT_REACHABLE", { address: `node ${from.node}`, problem: problems.join("; ") });
  }

  async close(): Promise<void> {
    this.#isOver = true;
    for (const timer of this.#retries) clearTimeout(timer);
    for (const cancel of this.#fetches) cancel("this node stops");
    for (const caller of this.#callers) caller.destroy();
    await Promise.all([...this.#servers.values()].map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
    this.#servers.clear();
  }

  /** The address that answered last goes first: a dead one costs its time once. */
  #inOrder(node: NodeId, peer: TransferPeer): string[] {
    const last = this.#answering.get(node);
    return peer.addresses.toSorted((a, b) => Number(b === last) - Number(a === last));
  }

  #listenOn(address: string): Promise<{ address: string; code: string; message: string } | null> {
    const { certificate, key, authority, port } = this.#options;
    const server = createServer({ cert: certificate, key, ca: authority, requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.3", handshakeTimeout: HANDSHAKE_MS });
    server.on("connection", (socket) => this.#bound(socket));
    server.on("tlsClientError", (error, socket) => {
      this.#options.onNotice(`a transfer from ${String(socket.remoteAddress)} was refused: ${certificateProblem(error)}`);
      socket.destroy();
    });
    server.on("secureConnection", (socket) => this.#receive(socket));
    return new Promise((resolve) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        server.close();
        resolve({ address, code: error.code ?? "", message: error.message });
        this.#listenLater(address, error.message);
      });
      server.listen({ host: address, port }, () => {
        server.removeAllListeners("error");
        server.on("error", (error) => this.#options.onNotice(`the listener on ${address}: ${error.message}`));
        if (this.#isOver) server.close();
        else this.#servers.set(address, server);
        resolve(null);
      });
    });
  }

  #listenLater(address: string, problem: string): void {
    if (this.#isOver) return;
    this.#options.onNotice(`transfers cannot be answered on ${address}: ${problem}`);
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      void this.#listenOn(address);
    }, LISTEN_RETRY_MS);
    this.#retries.add(timer);
  }

  /** Before the handshake: who only connects must not keep others out. */
  #bound(socket: Socket): void {
    this.#callers.add(socket);
    socket.once("close", () => this.#callers.delete(socket));
    const [oldest] = this.#callers;
    if (this.#callers.size > CALLERS_MAX) oldest?.destroy();
  }

  #receive(socket: TLSSocket): void {
    const channel = new Channel(socket, GREETING_BYTES_MAX);
    // Looked at here, because Node would only close, and the caller would not know why.
    if (!socket.authorized) {
      const problem = certificateProblem(Object.assign(new Error(String(socket.authorizationError)), { code: String(socket.authorizationError) }));
      this.#options.onNotice(`a transfer from ${String(socket.remoteAddress)} was refused: ${problem}`);
      return refuse(channel, problem);
    }
    const timer = setTimeout(() => channel.close("the greeting took too long"), HANDSHAKE_MS);
    channel.onClose = () => clearTimeout(timer);
    let from: Member | null = null;
    channel.onFrame = (type, body) => {
      if (from === null) {
        from = this.#admit(channel, socket, type, body);
        if (from !== null) channel.reader.bodyBytesMax = MESSAGE_BYTES_MAX;
        return;
      }
      if (type !== Frame.Request) return channel.close("not a request");
      if (this.#served >= SERVED_MAX) return refuse(channel, REFUSED_BUSY);
      clearTimeout(timer);
      channel.onFrame = () => channel.close("one request only");
      void this.#serve(channel, from, body);
    };
  }

  /** @returns the caller when it is who it says it is, and means this member */
  #admit(channel: Channel, socket: TLSSocket, type: number, body: Buffer): Member | null {
    const { clusterId, self, protocolVersion } = this.#options;
    const greeting = type === Frame.Hello ? decodeGreeting(body) : null;
    if (greeting === null) {
      channel.close("not a greeting of ours");
      return null;
    }
    const name = subjectOf(socket);
    const known = this.#options.peerOf(greeting.from.node)?.name;
    if (known === undefined || known !== name) refuse(channel, `its certificate is of '${name}', which is not node ${greeting.from.node} here`);
    else if (greeting.protocolVersion !== protocolVersion) refuse(channel, `${REFUSED_VERSION}${protocolVersion}`);
    else if (greeting.clusterId !== clusterId) refuse(channel, `this is the cluster ${clusterId}`);
    else if (!sameMember(greeting.to, self)) refuse(channel, "another member answers");
    else return greeting.from;
    return null;
  }

  async #serve(channel: Channel, from: Member, request: Buffer): Promise<void> {
    this.#served++;
    try {
      const reply = await this.#answer!(from, request);
      if (reply.length > FETCH_BYTES_MAX) throw new Error(`the reply has ${reply.length} bytes, more than ${FETCH_BYTES_MAX}`);
      if (!channel.isClosed) {
        channel.socket.setTimeout(IDLE_MS, () => channel.close("nothing moves"));
        // Written as it is, not joined with its header: it may be large.
        channel.socket.write(frameHeader(Frame.Reply, reply.length));
        channel.socket.end(reply);
        await new Promise((resolve) => channel.socket.once("close", resolve));
      }
    } catch (error) {
      refuse(channel, error instanceof Error ? error.message : String(error));
    } finally {
      this.#served--;
    }
  }

  /** @returns the connection, or why there is none */
  #connect(address: string, name: string, timeoutMs: number): Promise<TLSSocket | string> {
    const { certificate, key, authority, port } = this.#options;
    return new Promise((resolve) => {
      const socket = connect({ host: address, port, cert: certificate, key, ca: authority, minVersion: "TLSv1.3", checkServerIdentity: (_host, found) => (found.subject.CN === name ? undefined : new Error(`its certificate is of '${String(found.subject.CN)}', not of '${name}'`)) });
      const finish = (result: TLSSocket | string): void => {
        clearTimeout(timer);
        this.#fetches.delete(cancel);
        if (typeof result === "string") socket.on("error", () => {}).destroy();
        resolve(result);
      };
      const cancel = (problem: string): void => finish(problem);
      const timer = setTimeout(() => finish("no answer"), Math.min(CONNECT_MS, timeoutMs));
      this.#fetches.add(cancel);
      socket.once("error", (error) => finish(certificateProblem(error)));
      socket.once("secureConnect", () => finish(socket));
    });
  }

  #ask(socket: TLSSocket, from: Member, request: Uint8Array, leftMs: number, timeoutMs: number): Promise<Uint8Array> {
    const { clusterId, self, protocolVersion } = this.#options;
    const notReachable = (problem: string): MusterError => new MusterError("MUSTER_NOT_REACHABLE", { address: `node ${from.node}`, problem });
    return new Promise((resolve, reject) => {
      socket.removeAllListeners("error");
      const channel = new Channel(socket, FETCH_BYTES_MAX);
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        this.#fetches.delete(cancel);
        channel.onClose = () => {};
        channel.close("done");
        settle();
      };
      const fail = (error: MusterError): void => finish(() => reject(error));
      const cancel = (problem: string): void => fail(notReachable(problem));
      const timer = setTimeout(() => fail(new MusterError("MUSTER_TIMEOUT", { timeoutMs })), Math.max(0, leftMs));
      this.#fetches.add(cancel);
      channel.onClose = (problem) => fail(notReachable(problem));
      channel.onFrame = (type, body) => {
        if (type === Frame.Reply) return finish(() => resolve(body));
        if (type !== Frame.Failure) return fail(notReachable("not a reply"));
        const text = body.toString();
        if (text === REFUSED_BUSY) return fail(new MusterError("MUSTER_BUSY", { what: `The transfer of node ${from.node}`, limit: `${SERVED_MAX} at once` }));
        if (!text.startsWith(REFUSED_VERSION)) return fail(notReachable(text));
        fail(new MusterError("MUSTER_VERSION_MISMATCH", { node: from.node, theirs: text.slice(REFUSED_VERSION.length), ours: protocolVersion }));
      };
      channel.send(frame(Frame.Hello, encodeGreeting({ clusterId, protocolVersion, from: self, to: from })), frame(Frame.Request, request));
    });
  }
}

const REFUSED_BUSY = "busy";
const REFUSED_VERSION = "protocol version ";

function refuse(channel: Channel, problem: string): void {
  channel.send(frame(Frame.Failure, Buffer.from(problem.slice(0, FAILURE_CHARACTERS_MAX))));
  void channel.finish(GRACE_MS);
}

function subjectOf(socket: TLSSocket): string {
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string } };
  return subject?.CN ?? "";
}

function certificateProblem(error: Error & { code?: string }): string {
  if (FOREIGN.test(`${error.code ?? ""} ${error.message}`)) return `the certificate is not of this cluster's authority (${error.message})`;
  return error.message;
}
