import { copyMessage, CpgConnection } from "./cpg.ts";
import { CorosyncCallError, Result } from "./native.ts";

/**
 * How the ticks of the lease travel (PROTOCOL part 2): a closed process group of their own, over a connection of the
 * lease worker's own, so that nothing else holds them up. Ticks may be lost and need no members: who has answered what
 * stands in them. When corosync hangs, these calls hang with it, and the gate closes.
 */
export interface CorosyncLeaseChannel {
  start(onMessage: (bytes: Uint8Array) => void): void;
  send(bytes: Uint8Array): void;
  close(): void;
}

const RECONNECT_MS = 250;
/** Longer than any tick. */
const MESSAGE_BYTES_MAX = 4_096;

/** @param description `group` is the name of the process group, the same on all nodes */
export function openLeaseChannel(description: { readonly group: string }): CorosyncLeaseChannel {
  return new Channel(description.group);
}

class Channel implements CorosyncLeaseChannel {
  readonly #group: string;
  readonly #buffer = new Uint8Array(MESSAGE_BYTES_MAX);
  #onMessage: (bytes: Uint8Array) => void = () => undefined;
  #connection: CpgConnection | null = null;
  #isJoined = false;
  #retry: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(group: string) {
    this.#group = group;
  }

  start(onMessage: (bytes: Uint8Array) => void): void {
    this.#onMessage = onMessage;
    this.#connect();
  }

  /** A tick that corosync does not take now is worth nothing a moment later: the next one follows. */
  send(bytes: Uint8Array): void {
    if (!this.#isJoined) return;
    try {
      this.#connection?.multicast(bytes);
    } catch (error) {
      this.#lose(error);
    }
  }

  close(): void {
    this.#isClosed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#isJoined = false;
    this.#connection?.close();
    this.#connection = null;
  }

  #connect(): void {
    this.#retry = null;
    if (this.#isClosed) return;
    try {
      this.#connection ??= CpgConnection.connect({
        onMessage: (_node, _process, source, bytes) => this.#receive(source, bytes),
        onChange: () => undefined,
        onRound: () => undefined,
        onLost: (problem) => this.#lose(new Error(problem)),
      });
      this.#connection.join(this.#group);
      this.#isJoined = true;
    } catch (error) {
      if (!(error instanceof CorosyncCallError)) throw error;
      // Joining has to wait while a membership forms; everything else needs a new connection.
      if (error.result === Result.tryAgain || error.result === Result.exist) this.#later();
      else this.#lose(error);
    }
  }

  #receive(source: unknown, bytes: number): void {
    if (bytes === 0 || bytes > MESSAGE_BYTES_MAX) return;
    copyMessage(this.#buffer, source, bytes);
    this.#onMessage(this.#buffer.subarray(0, bytes));
  }

  #lose(error: unknown): void {
    if (!(error instanceof Error)) throw error;
    this.#isJoined = false;
    this.#connection?.close();
    this.#connection = null;
    this.#later();
  }

  #later(): void {
    if (!this.#isClosed && this.#retry === null) this.#retry = setTimeout(() => this.#connect(), RECONNECT_MS);
  }
}
