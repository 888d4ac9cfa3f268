import { connect } from "node:net";
import { MESSAGE_BYTES_MAX } from "../contract.ts";
import type { Member } from "../../model/identifiers.ts";
import { Channel } from "./channel.ts";
import { decodeMembers, Frame, frame, frameHeader, MalformedFrame, MEMBER_BYTES, readMember } from "./frames.ts";
import type { CallFailure, Credentials } from "./handshake.ts";
import { call, HANDSHAKE_BODY_BYTES_MAX, Role } from "./handshake.ts";
import { GRACE_MS, PauseMeter, SENDER_QUEUE_BYTES_MAX } from "./timing.ts";
import type { Timing } from "./timing.ts";

/** A member's connection to the sequencer. */

export type LinkEnd =
  | CallFailure
  /** Nobody listens, or the connection ended. */
  | { readonly kind: "gone" }
  /** Connected, but no handshake in time. */
  | { readonly kind: "silent" }
  /** The sequencer stopped pinging. */
  | { readonly kind: "hung" };

export interface LinkOptions {
  readonly socketName: string;
  readonly credentials: Credentials;
  readonly timing: Timing;
  /** `probe` only finds out whether a sequencer of ours listens: it is welcomed and ends. */
  readonly role: typeof Role.member | typeof Role.probe;
  readonly onWelcome: (sequencer: Member) => void;
  readonly onMembers: (members: readonly Member[]) => void;
  readonly onMessage: (from: Member, payload: Uint8Array) => void;
  /** Called once. */
  readonly onEnd: (end: LinkEnd) => void;
}

/** Members: at most 64. */
const STREAM_BODY_BYTES_MAX = MESSAGE_BYTES_MAX + 64 * MEMBER_BYTES;

export class Link {
  readonly #options: LinkOptions;
  readonly #channel: Channel;
  #timer: NodeJS.Timeout;
  #heardAt = 0;
  #isWelcome = false;
  #isEnded = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    const socket = connect({ path: options.socketName });
    this.#channel = new Channel(socket, HANDSHAKE_BODY_BYTES_MAX);
    this.#channel.onClose = () => this.#end({ kind: "gone" });
    const pause = new PauseMeter(options.timing.handshakeMs);
    // If this process stood still meanwhile, the other side is not to blame.
    this.#timer = setTimeout(() => this.#end({ kind: pause.peek() > options.timing.pingMs ? "gone" : "silent" }), options.timing.handshakeMs);
    socket.once("connect", () => {
      const { credentials, role } = this.#options;
      call(this.#channel, options.socketName, role, credentials, (peer) => this.#begin(peer.member), (failure) => this.#end(failure));
    });
  }

  /** Never blocks: when the sequencer does not take it the connection is dropped. */
  multicast(payload: Uint8Array): void {
    if (this.#isEnded) return;
    if (this.#channel.waitingBytes > SENDER_QUEUE_BYTES_MAX) {
      // The caller is in the middle of its work: it hears of it afterwards.
      setImmediate(() => this.#end({ kind: "gone" }));
      return;
    }
    this.#channel.send(frameHeader(Frame.Multicast, payload.length), payload);
  }

  /**
   * Tells the sequencer and closes; nothing is called any more.
   * @returns when nothing is left of the connection
   */
  leave(): Promise<void> {
    if (!this.#isEnded) {
      this.#isEnded = true;
      clearTimeout(this.#timer);
      this.#channel.onClose = nothing;
      // Before the handshake is done the other side knows nothing of us.
      if (this.#isWelcome) this.#channel.send(frame(Frame.Leave));
      else this.#channel.close("not needed any more");
    }
    return this.#channel.finish(GRACE_MS);
  }

  #begin(sequencer: Member): void {
    const { timing, role } = this.#options;
    this.#isWelcome = true;
    clearTimeout(this.#timer);
    this.#options.onWelcome(sequencer);
    if (role === Role.probe) return void this.leave();
    this.#channel.reader.bodyBytesMax = STREAM_BODY_BYTES_MAX;
    this.#channel.onFrame = (type, body) => this.#handle(type, body);
    this.#heardAt = performance.now();
    const pause = new PauseMeter(timing.pingMs);
    this.#timer = setInterval(() => {
      // What came while we stood still ourselves has not been read yet.
      if (pause.turn() > timing.pingMs) this.#heardAt = performance.now();
      if (performance.now() - this.#heardAt > timing.silenceMs) this.#end({ kind: "hung" });
    }, timing.pingMs);
  }

  #handle(type: number, body: Buffer): void {
    if (this.#isEnded) return;
    this.#heardAt = performance.now();
    switch (type) {
      case Frame.Deliver:
        return this.#options.onMessage(readMember(body, 0), body.subarray(MEMBER_BYTES));
      case Frame.Members:
        return this.#options.onMembers(decodeMembers(body));
      case Frame.Ping:
        return this.#channel.send(frame(Frame.Pong));
      case Frame.Replaced:
        return this.#end({ kind: "replaced" });
      default:
        throw new MalformedFrame(`frame ${type} from the sequencer`);
    }
  }

  #end(end: LinkEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#channel.onClose = nothing;
    this.#channel.close(end.kind);
    this.#options.onEnd(end);
  }
}

function nothing(): void {
  // the end has been told
}
