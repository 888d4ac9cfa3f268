/** Times of the embedded engine, all derived from one. In milliseconds. */
export interface Timing {
  /** Between two pings, and between two looks at who has been silent. */
  readonly pingMs: number;
  /** Silence after which the other side counts as hung: noticed within `hangTimeoutMs`. */
  readonly silenceMs: number;
  /** Longest time of a handshake. */
  readonly handshakeMs: number;
  /** How long a new sequencer waits for the members of the last one. */
  readonly gatherMs: number;
  /** Between two looks of a sequencer for one of a higher generation. */
  readonly lookMs: number;
}

export function timingOf(hangTimeoutMs: number, pingIntervalMs?: number): Timing {
  const pingMs = pingIntervalMs ?? Math.max(10, Math.floor(hangTimeoutMs / 6));
  return { pingMs, silenceMs: Math.max(pingMs * 2, hangTimeoutMs - pingMs), handshakeMs: hangTimeoutMs, gatherMs: 20, lookMs: 1_000 };
}

/**
 * Looks at the clock at every turn and tells how long this process itself stood still, so that it does not
 * take its own pause for the silence of others.
 */
export class PauseMeter {
  readonly #expectedMs: number;
  #last = performance.now();

  constructor(expectedMs: number) {
    this.#expectedMs = expectedMs;
  }

  /** Time beyond the expected since the last turn, without beginning a new one. */
  peek(): number {
    return Math.max(0, performance.now() - this.#last - this.#expectedMs);
  }

  /** Begins a new turn. @returns what {@link peek} would have said */
  turn(): number {
    const pausedMs = this.peek();
    this.#last = performance.now();
    return pausedMs;
  }
}

/**
 * Most bytes that wait in the sequencer for one member; who is further behind is dropped. Generous, because a
 * process that the machine does not run for a few hundredths of a second in a flood is not slow: it waits its turn.
 */
export const MEMBER_QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** Most bytes that wait in a member for the sequencer; beyond, it gives its connection up. */
export const SENDER_QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** The common stream is passed on when it has this size, at the latest. */
export const STREAM_BYTES_MAX = 1024 * 1024;
/** How long the last bytes of a connection that ends may take, in milliseconds. */
export const GRACE_MS = 100;
