import { randomBytes } from "node:crypto";
import { MusterError } from "../../model/errors.ts";
import type { Member, NodeId } from "../../model/identifiers.ts";
import { Frame } from "../local/frames.ts";
import { Batch } from "./batch.ts";
import { copyMessage, CpgConnection } from "./cpg.ts";
import type { Address, CpgCallbacks } from "./cpg.ts";
import { CONNECTION_BYTES, decodeHello, encodeHello, HELLO_BYTES } from "./hello.ts";
import { CorosyncCallError, Result } from "./native.ts";
import { Roster } from "./roster.ts";
import type { Meaning } from "./roster.ts";

/** One connection to corosync, from joining the group until it is lost. */

export interface SessionOptions {
  readonly self: Member;
  readonly protocolVersion: number;
  readonly group: string;
  /** Frames for the engine; the first ones are the first membership. */
  readonly onFrames: (frames: Uint8Array<ArrayBuffer>) => void;
  /** Bytes of the engine's frames that are done with. */
  readonly onSent: (bytes: number) => void;
  /** A node is in the group and cannot be a member. */
  readonly onRefused: (node: NodeId, problem: string) => void;
  /** Called once; the session is closed by then. */
  readonly onLost: (problem: string) => void;
  /** This incarnation cannot go on. */
  readonly onOver: (error: MusterError) => void;
}

/** How long the first membership waits for those who have not said who they are. */
const WELCOME_MS = 300;
/** How long somebody's hello may be missing before it is asked for; doubled up to the second figure. */
const ASK_FIRST_MS = 500;
const ASK_LAST_MS = 8_000;
/** Between two attempts to join while corosync forms a membership, or has not yet noticed that we left. */
const JOIN_RETRY_MS = 50;
/** Between two attempts to send while corosync takes nothing. */
const SEND_RETRY_MS = 1;
const SENT_KEPT_MAX = 1_024;
/** So many messages are sent at one go, so that receiving is not starved. */
const SEND_MESSAGES_MAX = 256;
const BATCH_BYTES_MAX = 256 * 1024;
/** What waits for the first membership; beyond, it is told at once. */
const HELD_BYTES_MAX = 4 * 1024 * 1024;

export class Session implements CpgCallbacks {
  readonly #options: SessionOptions;
  readonly #roster: Roster;
  readonly #connectionId = randomBytes(CONNECTION_BYTES).toString("hex");
  readonly #batch = new Batch();
  readonly #cpg: CpgConnection;
  readonly #timers = new Set<NodeJS.Timeout>();
  #queue: Uint8Array[] = [];
  #queueHead = 0;
  #isPumping = false;
  #isPumpDue = false;
  #isJoined = false;
  /** Set when the engine has been told of a membership. */
  #isWelcome = false;
  /** Nobody is waited for any more. */
  #isLate = false;
  #isHelloDue = false;
  #wantsAnswer = false;
  /** The members have changed since the engine was told. */
  #isStale = false;
  #askMs = ASK_FIRST_MS;
  #isAsking = false;
  /** This incarnation cannot go on; nobody is told of anything more. */
  #isEnding = false;
  #isOver = false;

  /** @throws CorosyncCallError while there is no corosync; MusterError when it runs as another node */
  constructor(options: SessionOptions) {
    this.#options = options;
    const { self, protocolVersion } = options;
    this.#roster = new Roster(self, protocolVersion, this.#connectionId);
    this.#cpg = CpgConnection.connect(this);
    if (this.#cpg.nodeid !== self.node) {
      this.close();
      throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "self", problem: `corosync runs as node ${this.#cpg.nodeid} here, this is node ${self.node}` });
    }
  }

  /** What the kernel tells its events by. */
  get descriptor(): number {
    return this.#cpg.descriptor;
  }

  /** Waits for corosync's answer. */
  join(): void {
    if (this.#isOver) return;
    try {
      this.#cpg.join(this.#options.group);
    } catch (error) {
      if (!(error instanceof CorosyncCallError)) throw error;
      if (error.result === Result.tryAgain || error.result === Result.exist) return this.#later(JOIN_RETRY_MS, () => this.join());
      this.#lose(error.message);
    }
  }

  /** Takes frames of type Multicast. */
  send(frames: Uint8Array): void {
    const source = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
    for (let offset = 0; offset < source.length; ) {
      const end = offset + LENGTH_BYTES + source.readUInt32BE(offset);
      // Type and payload as they are: what corosync carries begins with the type.
      this.#queue.push(source.subarray(offset + LENGTH_BYTES, end));
      offset = end;
    }
    this.#pump();
  }

  /** Sends what corosync takes at once, leaves the group and closes. Waits for corosync's answer. */
  leave(): void {
    if (this.#isOver) return;
    this.#pump();
    try {
      if (this.#isJoined) this.#cpg.leave(this.#options.group);
    } catch {
      // It is gone, or does not know us any more: closing is leaving as well.
    }
    this.close();
  }

  /** Nothing is called any more. Whoever is connected still sees this as a departure at once. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#cpg?.close();
    this.#options.onSent(this.#queue.slice(this.#queueHead).reduce((sum, message) => sum + message.length + LENGTH_BYTES, 0));
    this.#queue = [];
    this.#queueHead = 0;
  }

  onMessage(nodeid: number, pid: number, source: unknown, bytes: number): void {
    if (this.#isOver || bytes === 0) return;
    const member = this.#roster.memberOf(nodeid, pid);
    // Who is not a member is only asked for its name.
    if (member === null && bytes > MESSAGE_OF_STRANGER_BYTES_MAX) return;
    if (member !== null && this.#isStale && this.#isWelcome) this.#tellMembers();
    const message = this.#batch.room(bytes);
    copyMessage(message, source, bytes);
    if (message[0] === Frame.Hello) return this.#hear(nodeid, pid, Buffer.from(message));
    if (member === null || message[0] !== Frame.Multicast) return;
    this.#batch.deliver(member, bytes);
    if (this.#batch.bytes > BATCH_BYTES_MAX) this.onRound();
  }

  onChange(members: readonly Address[], left: readonly Address[], joined: readonly Address[]): void {
    if (this.#isOver) return;
    const { isChanged, hasNew } = this.#roster.change(members, left, joined);
    if (!this.#isJoined) {
      this.#isJoined = true;
      this.#later(WELCOME_MS, () => {
        this.#isLate = true;
        this.onRound();
      });
    }
    if (isChanged) {
      this.#isStale = true;
      // What was held of somebody who is gone would come after the membership without it.
      if (!this.#isWelcome) this.#batch.clear();
    }
    if (!hasNew) return;
    this.#isHelloDue = true;
    this.#askMs = ASK_FIRST_MS;
    this.#askLater();
    this.#pump();
  }

  onRound(): void {
    if (this.#isOver || this.#isEnding) return;
    if (!this.#isWelcome) {
      const isWaiting = this.#roster.unknown > 0 && !this.#isLate && this.#batch.bytes < HELD_BYTES_MAX;
      if (!this.#roster.isHeard || isWaiting) return;
      this.#welcome();
    }
    if (this.#isStale) this.#tellMembers();
    if (this.#batch.bytes > 0) this.#options.onFrames(this.#batch.take());
    if (this.#queueHead < this.#queue.length || this.#isHelloDue) this.#pump();
  }

  onLost(problem: string): void {
    this.#lose(problem);
  }

  #welcome(): void {
    this.#isWelcome = true;
    this.#isStale = false;
    const first = new Batch();
    first.members(this.#roster.members);
    this.#options.onFrames(first.take());
    // From now on this process may send others away.
    this.#isHelloDue = true;
  }

  #tellMembers(): void {
    this.#isStale = false;
    // Without itself heard there is nobody; it is told when it has been.
    if (this.#roster.isHeard) this.#batch.members(this.#roster.members);
  }

  #hear(nodeid: number, pid: number, message: Buffer): void {
    const hello = decodeHello(message);
    if (hello === null) return;
    if (hello.wantsAnswer && hello.connection !== this.#connectionId) {
      this.#isHelloDue = true;
      this.#pump();
    }
    this.#act(this.#roster.hear(nodeid, pid, hello));
  }

  #act(meaning: Meaning): void {
    switch (meaning.kind) {
      case "nothing":
        return;
      case "members":
        this.#isStale = true;
        return;
      case "refused":
        return this.#options.onRefused(meaning.node, meaning.text);
      case "version":
        return this.#end(new MusterError("MUSTER_VERSION_MISMATCH", { node: meaning.node, theirs: meaning.theirs, ours: this.#options.protocolVersion }));
      case "replaced":
        return this.#end(new MusterError("MUSTER_NODE_IN_USE", { node: this.#options.self.node, problem: meaning.problem }));
    }
  }

  /** Outside of corosync's callback, which must not close its own connection. */
  #end(error: MusterError): void {
    this.#isEnding = true;
    this.#later(0, () => {
      this.close();
      this.#options.onOver(error);
    });
  }

  #lose(problem: string): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onLost(problem);
  }

  /** Sends until corosync takes no more; a hello goes before all that waits. */
  #pump(): void {
    if (this.#isPumping || this.#isOver || !this.#isJoined) return;
    this.#isPumping = true;
    let sentBytes = 0;
    try {
      for (let count = 0; this.#isHelloDue || this.#queueHead < this.#queue.length; count++) {
        if (count >= SEND_MESSAGES_MAX) {
          this.#pumpLater(0);
          break;
        }
        const message = this.#isHelloDue ? this.#hello() : this.#queue[this.#queueHead]!;
        if (!this.#cpg.multicast(message)) {
          this.#pumpLater(SEND_RETRY_MS);
          break;
        }
        if (this.#isHelloDue) {
          this.#isHelloDue = this.#wantsAnswer = false;
        } else {
          this.#queueHead++;
          sentBytes += message.length + LENGTH_BYTES;
        }
      }
    } catch (error) {
      if (!(error instanceof CorosyncCallError)) throw error;
      // May be inside of a callback: the connection is closed afterwards.
      this.#later(0, () => this.#lose(error.message));
    } finally {
      this.#isPumping = false;
      // What was sent is let go of, also when there is always more.
      if (this.#queueHead === this.#queue.length || this.#queueHead > SENT_KEPT_MAX) {
        this.#queue = this.#queue.slice(this.#queueHead);
        this.#queueHead = 0;
      }
      if (sentBytes > 0) this.#options.onSent(sentBytes);
    }
  }

  #pumpLater(timeMs: number): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#later(timeMs, () => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #hello(): Buffer {
    const { self, protocolVersion } = this.#options;
    return encodeHello({ member: self, protocolVersion, connection: this.#connectionId, isWelcome: this.#isWelcome, wantsAnswer: this.#wantsAnswer });
  }

  /** Somebody's hello may be lost with the membership it was sent in: it is asked for. */
  #askLater(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#later(this.#askMs, () => {
      this.#isAsking = false;
      if (this.#roster.unknown === 0) return;
      this.#isHelloDue = this.#wantsAnswer = true;
      this.#askMs = Math.min(this.#askMs * 2, ASK_LAST_MS);
      this.#askLater();
      this.#pump();
    });
  }

  #later(timeMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isOver) action();
    }, timeMs);
    this.#timers.add(timer);
  }
}

const LENGTH_BYTES = 4;
/** A hello of a later version may be longer than ours. */
const MESSAGE_OF_STRANGER_BYTES_MAX = HELLO_BYTES + 1_024;
