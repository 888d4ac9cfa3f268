import type { Socket } from "node:net";
import { FrameReader, MalformedFrame } from "./frames.ts";

/** A socket that speaks frames. Whoever holds it sets `onFrame` and `onClose`. */
export class Channel {
  readonly socket: Socket;
  readonly reader: FrameReader;
  /** Takes a frame; MalformedFrame closes the channel. */
  onFrame: (type: number, body: Buffer) => void = ignore;
  /** Called once, when nothing more will come; the socket is destroyed by then. */
  onClose: (problem: string) => void = ignore;
  #isClosed = false;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;

  constructor(socket: Socket, bodyBytesMax: number) {
    this.socket = socket;
    this.reader = new FrameReader(bodyBytesMax);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("end", () => this.close("the other side closed"));
    socket.on("error", (error) => this.close(error.message));
    socket.on("close", () => this.close("closed"));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes that wait here or in the socket. */
  get waitingBytes(): number {
    return this.#unsentBytes + this.socket.writableLength;
  }

  /** Sends at the end of this turn of the event loop, together with what else is sent in it. */
  send(...parts: Uint8Array[]): void {
    if (this.#isClosed) return;
    if (this.#unsent.length === 0) setImmediate(() => this.flush());
    for (const part of parts) {
      this.#unsent.push(part);
      this.#unsentBytes += part.length;
    }
  }

  flush(): void {
    if (this.#unsent.length === 0 || this.#isClosed) return;
    const parts = this.#unsent;
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.socket.write(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts));
  }

  /** Closes at once; what waits is lost. */
  close(problem: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.socket.destroy();
    this.onClose(problem);
  }

  /**
   * Sends what waits, then closes; at once when the other side does not take it within `graceMs`.
   * @returns when nothing is left of the connection
   */
  finish(graceMs: number): Promise<void> {
    if (this.socket.closed) return Promise.resolve();
    const closed = new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
    if (this.#isClosed) return closed;
    this.flush();
    this.onFrame = ignore;
    this.socket.end();
    const timer = setTimeout(() => this.close("closed"), graceMs);
    return closed.then(() => clearTimeout(timer));
  }

  #read(chunk: Buffer): void {
    try {
      this.reader.push(chunk, (type, body) => {
        this.onFrame(type, body);
        return !this.#isClosed;
      });
    } catch (error) {
      // Anything else is a mistake of this side and must not look like a lost connection.
      if (!(error instanceof MalformedFrame)) throw error;
      this.close(error.message);
    }
  }
}

function ignore(): void {
  // set by the holder
}
