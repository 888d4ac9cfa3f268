import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { MESSAGE_BYTES_MAX } from "../contract.ts";
import type { Member, NodeId } from "../../model/identifiers.ts";
import { Channel } from "./channel.ts";
import { deliverHeader, encodeMembers, Frame, frame, MalformedFrame } from "./frames.ts";
import type { Credentials, Peer } from "./handshake.ts";
import { answer, HANDSHAKE_BODY_BYTES_MAX, refuse, Refusal, Role, welcome } from "./handshake.ts";
import { GRACE_MS, MEMBER_QUEUE_BYTES_MAX, PauseMeter, STREAM_BYTES_MAX } from "./timing.ts";
import type { Timing } from "./timing.ts";

/**
 * Puts the messages of all members into one order: whoever binds the name is the sequencer of its generation
 * (PROTOCOL part 1, rule 16). Everybody gets the same stream: messages and, in their place, memberships.
 */

export interface SequencerOptions {
  readonly socketName: string;
  readonly credentials: Credentials;
  readonly timing: Timing;
  /** Members that were here before and are awaited, so that they come back together; null = unknown. */
  readonly expected: readonly Member[] | null;
  /** It stood still for too long, or can no longer listen: it has closed itself. */
  readonly onClosed: (reason: string) => void;
}

/** More connections than this that have not proved themselves: the oldest goes. */
const STRANGERS_MAX = 64;

interface Connection {
  readonly member: Member;
  readonly channel: Channel;
  heardAt: number;
}

export class Sequencer {
  readonly #options: SequencerOptions;
  readonly #server: Server;
  readonly #strangers = new Set<Channel>();
  /** Authenticated, not yet in a membership that was published. */
  readonly #arrived = new Map<NodeId, Connection>();
  readonly #members = new Map<NodeId, Connection>();
  readonly #pause: PauseMeter;
  /** The stream since the last flush, for all members alike. */
  #stream: Uint8Array[] = [];
  #streamBytes = 0;
  #isFlushScheduled = false;
  #gathering: NodeJS.Timeout | null;
  #publishing: NodeJS.Immediate | null = null;
  readonly #pinging: NodeJS.Timeout;
  #isClosed = false;

  /** @returns null when the name is taken */
  static bind(options: SequencerOptions): Promise<Sequencer | null> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(null) : reject(error)));
      server.listen({ path: options.socketName }, () => resolve(new Sequencer(options, server)));
    });
  }

  private constructor(options: SequencerOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.#pause = new PauseMeter(options.timing.pingMs);
    this.#gathering = setTimeout(() => this.#endGathering(), options.timing.gatherMs);
    this.#pinging = setInterval(() => this.#ping(), options.timing.pingMs);
    server.removeAllListeners("error");
    server.on("error", (error) => this.#closeItself(error.message));
    server.on("connection", (socket) => this.#receive(socket));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Gives up the name, sends what waits and closes. Resolves when nothing is left. */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#flush();
      this.#isClosed = true;
      if (this.#gathering !== null) clearTimeout(this.#gathering);
      if (this.#publishing !== null) clearImmediate(this.#publishing);
      clearInterval(this.#pinging);
    }
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const channel of this.#strangers) channel.close("the sequencer ends");
    for (const { channel } of [...this.#arrived.values(), ...this.#members.values()]) void channel.finish(GRACE_MS);
    return closed;
  }

  #closeItself(reason: string): void {
    if (this.#isClosed) return;
    void this.close();
    this.#options.onClosed(reason);
  }

  #receive(socket: Socket): void {
    if (this.#isClosed) return void socket.destroy();
    const channel = new Channel(socket, HANDSHAKE_BODY_BYTES_MAX);
    this.#strangers.add(channel);
    const [oldest] = this.#strangers;
    if (this.#strangers.size > STRANGERS_MAX) oldest?.close("too many strangers");
    const timer = setTimeout(() => channel.close("the handshake took too long"), this.#options.timing.handshakeMs);
    channel.onClose = () => {
      clearTimeout(timer);
      this.#strangers.delete(channel);
    };
    answer(channel, this.#options.socketName, this.#options.credentials, (peer) => {
      clearTimeout(timer);
      this.#strangers.delete(channel);
      this.#admit(channel, peer);
    });
  }

  #admit(channel: Channel, peer: Peer): void {
    if (this.#isClosed) return channel.close("the sequencer ends");
    if (peer.role === Role.probe) {
      welcome(channel);
      return void channel.finish(GRACE_MS);
    }
    if (peer.role !== Role.member) return channel.close("not a member");
    const { member } = peer;
    for (const older of [this.#arrived.get(member.node), this.#members.get(member.node)]) {
      if (older === undefined) continue;
      if (older.member.incarnation > member.incarnation) return refuse(channel, Refusal.replaced);
      if (older.member.incarnation < member.incarnation) older.channel.send(frame(Frame.Replaced));
      this.#remove(older);
      void older.channel.finish(GRACE_MS);
    }
    const connection: Connection = { member, channel, heardAt: performance.now() };
    channel.reader.bodyBytesMax = MESSAGE_BYTES_MAX;
    channel.onFrame = (type, body) => this.#handle(connection, type, body);
    channel.onClose = () => this.#remove(connection);
    this.#arrived.set(member.node, connection);
    welcome(channel);
    if (this.#gathering === null) this.#schedulePublishing();
    else if (this.#isComplete()) this.#endGathering();
  }

  #handle(connection: Connection, type: number, body: Buffer): void {
    if (this.#pause.peek() > this.#options.timing.silenceMs) return this.#closeItself("it stood still");
    connection.heardAt = performance.now();
    switch (type) {
      case Frame.Multicast:
        // Before its first membership a member has nothing to say.
        if (this.#members.get(connection.member.node) !== connection) return;
        return this.#append(deliverHeader(connection.member, body.length), body);
      case Frame.Pong:
        return;
      case Frame.Leave:
        return connection.channel.close("it left");
      default:
        throw new MalformedFrame(`frame ${type} from a member`);
    }
  }

  #remove(connection: Connection): void {
    const { node } = connection.member;
    if (this.#arrived.get(node) === connection) this.#arrived.delete(node);
    if (this.#members.get(node) !== connection) return;
    this.#members.delete(node);
    this.#schedulePublishing();
  }

  #isComplete(): boolean {
    const { expected } = this.#options;
    return expected !== null && expected.every((member) => this.#arrived.has(member.node));
  }

  #endGathering(): void {
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    this.#gathering = null;
    this.#schedulePublishing();
  }

  /** Changes of one turn of the event loop make one membership. */
  #schedulePublishing(): void {
    if (this.#gathering !== null || this.#isClosed) return;
    this.#publishing ??= setImmediate(() => this.#publish());
  }

  #publish(): void {
    this.#publishing = null;
    this.#flush(); // what came before belongs to those who were there before
    for (const [node, connection] of this.#arrived) this.#members.set(node, connection);
    this.#arrived.clear();
    const members = [...this.#members.values()].map((connection) => connection.member).sort((a, b) => a.node - b.node);
    if (members.length === 0) return;
    this.#append(encodeMembers(members));
    this.#flush();
  }

  #append(...parts: Uint8Array[]): void {
    for (const part of parts) {
      this.#stream.push(part);
      this.#streamBytes += part.length;
    }
    if (this.#streamBytes > STREAM_BYTES_MAX) return this.#flush();
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushScheduled = false;
    if (this.#stream.length === 0 || this.#isClosed) return;
    const bytes = Buffer.concat(this.#stream, this.#streamBytes);
    this.#stream = [];
    this.#streamBytes = 0;
    for (const { channel } of this.#members.values()) {
      if (channel.waitingBytes + bytes.length > MEMBER_QUEUE_BYTES_MAX) {
        channel.close("it does not drain");
        continue;
      }
      channel.send(bytes);
      channel.flush();
    }
  }

  #ping(): void {
    const { silenceMs, pingMs } = this.#options.timing;
    const pausedMs = this.#pause.turn();
    if (pausedMs > silenceMs) return this.#closeItself("it stood still");
    const now = performance.now();
    for (const connection of [...this.#members.values(), ...this.#arrived.values()]) {
      // After a pause of our own everybody gets the time to be read first.
      if (pausedMs > pingMs) connection.heardAt = now;
      if (now - connection.heardAt > silenceMs) connection.channel.close("it does not answer");
    }
    this.#append(frame(Frame.Ping));
  }
}
