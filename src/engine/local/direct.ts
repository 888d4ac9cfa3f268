import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { FETCH_BYTES_MAX, MESSAGE_BYTES_MAX } from "../contract.ts";
import { MusterError } from "../../model/errors.ts";
import type { Member } from "../../model/identifiers.ts";
import { sameMember } from "../../model/identifiers.ts";
import { Channel } from "./channel.ts";
import { Frame, frame, frameHeader } from "./frames.ts";
import type { Credentials } from "./handshake.ts";
import { answer, call, HANDSHAKE_BODY_BYTES_MAX, refuse, Refusal, Role, welcome } from "./handshake.ts";
import { directName } from "./names.ts";
import { GRACE_MS } from "./timing.ts";
import type { Timing } from "./timing.ts";

/** Bulk transfer past the sequencer: one connection, one request, one reply. */

/** So many requests are served at once, and so many callers may be in their handshake. */
const SERVED_MAX = 8;
/** A caller that takes nothing of its reply for so long is dropped. */
const IDLE_MS = 10_000;
const FAILURE_CHARACTERS_MAX = 1_000;

export interface DirectOptions {
  readonly clusterId: string;
  readonly credentials: Credentials;
  readonly timing: Timing;
  readonly onFetch: (from: Member, request: Uint8Array) => Promise<Uint8Array>;
}

/** Answers the fetches of others. */
export class DirectServer {
  readonly #options: DirectOptions;
  readonly #server: Server;
  readonly #name: string;
  readonly #channels = new Set<Channel>();
  #served = 0;

  /** @throws MusterError MUSTER_NODE_IN_USE when another process has this node and incarnation */
  static listen(options: DirectOptions): Promise<DirectServer> {
    return new Promise((resolve, reject) => {
      const { self } = options.credentials;
      const server = createServer();
      server.once("error", (error: NodeJS.ErrnoException) => {
        if (error.code !== "EADDRINUSE") return reject(MusterError.from(error));
        reject(new MusterError("MUSTER_NODE_IN_USE", { node: self.node, problem: "the same incarnation has been started twice" }));
      });
      server.listen({ path: directName(options.clusterId, self) }, () => resolve(new DirectServer(options, server)));
    });
  }

  private constructor(options: DirectOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.#name = directName(options.clusterId, options.credentials.self);
    server.on("connection", (socket) => this.#receive(socket));
  }

  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const channel of this.#channels) channel.close("the node stops");
    return closed;
  }

  #receive(socket: Socket): void {
    const channel = new Channel(socket, HANDSHAKE_BODY_BYTES_MAX);
    this.#channels.add(channel);
    const [oldest] = this.#channels;
    if (this.#channels.size > SERVED_MAX * 4) oldest?.close("too many callers");
    const timer = setTimeout(() => channel.close("the handshake took too long"), this.#options.timing.handshakeMs);
    channel.onClose = () => {
      clearTimeout(timer);
      this.#channels.delete(channel);
    };
    answer(channel, this.#name, this.#options.credentials, (peer) => {
      clearTimeout(timer);
      if (peer.role !== Role.direct) return channel.close("not a fetch");
      if (this.#served >= SERVED_MAX) return refuse(channel, Refusal.busy);
      socket.setTimeout(IDLE_MS, () => channel.close("nothing moves"));
      channel.reader.bodyBytesMax = MESSAGE_BYTES_MAX;
      channel.onFrame = (type, body) => {
        if (type !== Frame.Request) return channel.close("not a request");
        channel.onFrame = () => channel.close("one request only");
        socket.setTimeout(0);
        void this.#serve(channel, peer.member, body);
      };
      welcome(channel);
    });
  }

  async #serve(channel: Channel, from: Member, request: Buffer): Promise<void> {
    this.#served++;
    try {
      const reply = await this.#options.onFetch(from, request);
      if (reply.length > FETCH_BYTES_MAX) throw new Error(`the reply has ${reply.length} bytes, more than ${FETCH_BYTES_MAX}`);
      channel.flush();
      channel.socket.setTimeout(IDLE_MS, () => channel.close("nothing moves"));
      if (!channel.isClosed) {
        // Written as it is, not joined with its header: it may be large.
        channel.socket.write(frameHeader(Frame.Reply, reply.length));
        channel.socket.end(reply);
        await new Promise((resolve) => channel.socket.once("close", resolve));
      }
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      channel.send(frame(Frame.Failure, Buffer.from(problem.slice(0, FAILURE_CHARACTERS_MAX))));
      void channel.finish(GRACE_MS);
    } finally {
      this.#served--;
    }
  }
}

/**
 * Asks another member.
 * @param onOpen hands over what ends the attempt early
 * @throws MusterError MUSTER_LIMIT, MUSTER_NOT_REACHABLE, MUSTER_TIMEOUT, MUSTER_BUSY, MUSTER_VERSION_MISMATCH
 */
export function fetchFrom(
  options: Omit<DirectOptions, "onFetch">,
  from: Member,
  request: Uint8Array,
  timeoutMs: number,
  onOpen: (cancel: (problem: string) => void) => void,
): Promise<Uint8Array> {
  if (request.length > MESSAGE_BYTES_MAX) {
    return Promise.reject(new MusterError("MUSTER_LIMIT", { what: "The request of a fetch", limit: `${MESSAGE_BYTES_MAX} bytes` }));
  }
  const { credentials } = options;
  const name = directName(options.clusterId, from);
  const notReachable = (problem: string): MusterError => new MusterError("MUSTER_NOT_REACHABLE", { address: `node ${from.node}`, problem });
  return new Promise((resolve, reject) => {
    const socket = connect({ path: name });
    const channel = new Channel(socket, HANDSHAKE_BODY_BYTES_MAX);
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      channel.onClose = () => {};
      channel.close("done");
      settle();
    };
    const fail = (error: MusterError): void => finish(() => reject(error));
    const timer = setTimeout(() => fail(new MusterError("MUSTER_TIMEOUT", { timeoutMs })), timeoutMs);
    channel.onClose = (problem) => fail(notReachable(problem));
    onOpen((problem) => fail(notReachable(problem)));
    socket.once("connect", () =>
      call(
        channel,
        name,
        Role.direct,
        credentials,
        (peer) => {
          if (!sameMember(peer.member, from)) return fail(notReachable("another member answers"));
          channel.reader.bodyBytesMax = FETCH_BYTES_MAX;
          channel.onFrame = (type, body) => {
            if (type === Frame.Reply) return finish(() => resolve(body));
            fail(notReachable(type === Frame.Failure ? body.toString() : "not a reply"));
          };
          channel.send(frame(Frame.Request, request));
        },
        (failure) => {
          switch (failure.kind) {
            case "version":
              return fail(new MusterError("MUSTER_VERSION_MISMATCH", { node: failure.node, theirs: failure.theirs, ours: credentials.protocolVersion }));
            case "busy":
              return fail(new MusterError("MUSTER_BUSY", { what: `The direct connection of node ${from.node}`, limit: `${SERVED_MAX} at once` }));
            default:
              return fail(notReachable("it does not hold the key of this cluster"));
          }
        },
      ),
    );
  });
}
