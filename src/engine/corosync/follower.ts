/** The first pause after a refusal; each further one is twice as long. */
const PAUSE_FIRST_MS = 1_000;
const PAUSE_LAST_MS = 60_000;

export interface FollowerOptions {
  /** Makes corosync take a configuration; rejects with why it did not. */
  readonly apply: (configuration: string) => Promise<void>;
  /** A whole sentence, once for each reason. */
  readonly onNotice: (text: string) => void;
}

/**
 * Has corosync take the newest configuration: one that is refused, or not answered, is tried again with growing pauses
 * until it is taken or a newer one takes its place. Meanwhile corosync runs with its former one.
 */
export class ConfigurationFollower {
  readonly #options: FollowerOptions;
  #wanted: string | null = null;
  #problem: string | null = null;
  #isFollowing = false;
  #endPause: (() => void) | null = null;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Why corosync does not have the newest configuration, a whole sentence; null = it has, or is about to. */
  get problem(): string | null {
    return this.#problem;
  }

  follow(configuration: string): void {
    this.#wanted = configuration;
    this.#endPause?.();
    if (!this.#isFollowing) void this.#follow();
  }

  /** What was not taken so far is not tried any more. */
  stop(): void {
    this.#wanted = null;
    this.#problem = null;
    this.#endPause?.();
  }

  async #follow(): Promise<void> {
    this.#isFollowing = true;
    let pauseMs = PAUSE_FIRST_MS;
    for (let last: string | null = null; this.#wanted !== null; ) {
      const wanted: string = this.#wanted;
      if (wanted !== last) pauseMs = PAUSE_FIRST_MS;
      last = wanted;
      try {
        await this.#options.apply(wanted);
        if (this.#wanted === wanted) this.#wanted = null;
        this.#problem = null;
      } catch (error) {
        if (this.#wanted !== wanted) continue;
        this.#tell(`corosync did not take its new configuration and runs with the former one: ${error instanceof Error ? error.message : String(error)}. It is asked again by itself; if this stays, start the service of this node again.`);
        await this.#pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, PAUSE_LAST_MS);
      }
    }
    this.#isFollowing = false;
  }

  #tell(problem: string): void {
    if (problem !== this.#problem) this.#options.onNotice(problem);
    this.#problem = problem;
  }

  #pause(timeMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#endPause?.(), timeMs);
      this.#endPause = () => {
        this.#endPause = null;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
