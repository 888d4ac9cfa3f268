import { MESSAGE_BYTES_MAX } from "../contract.ts";
import type { Engine, EngineListener } from "../contract.ts";
import { MusterError } from "../../model/errors.ts";
import type { Member } from "../../model/identifiers.ts";
import { NODES_MAX, sameMember } from "../../model/identifiers.ts";
import { DirectServer, fetchFrom } from "./direct.ts";
import type { Credentials } from "./handshake.ts";
import { Role } from "./handshake.ts";
import { Link } from "./link.ts";
import type { LinkEnd } from "./link.ts";
import { Generations, sequencerName, STRIKES_MAX } from "./names.ts";
import { Sequencer } from "./sequencer.ts";
import { timingOf } from "./timing.ts";
import type { Timing } from "./timing.ts";

export interface LocalEngineOptions {
  /** Names the sockets: letters, digits, `_`, `.` and `-`, at most 48. */
  readonly clusterId: string;
  /** The cluster's directory. Abstract sockets need no file, so nothing is kept there. */
  readonly directory?: string;
  /** 32 secret bytes that every node of the cluster holds. */
  readonly key: Buffer;
  readonly self: Member;
  /** Nodes of different versions refuse each other. */
  readonly protocolVersion: number;
  /** A process that stands still for so long is out. Default 1500 ms. */
  readonly hangTimeoutMs?: number;
  /** Default: a sixth of the hang time-out. */
  readonly pingIntervalMs?: number;
  /** Told what an operator may want to know: strangers on our names, a sequencer that moved. */
  readonly onNotice?: (text: string) => void;
}

/**
 * The embedded engine: node processes on one machine, joined by a sequencer on an abstract Unix socket
 * (PROTOCOL part 1, rule 16). When the node that holds it dies another takes its name (the same generation);
 * when it hangs the others go to the next generation. The highest generation wins.
 */
export function createLocalEngine(options: LocalEngineOptions): Engine {
  if (!/^[\w.-]{1,48}$/.test(options.clusterId)) invalid("clusterId", "letters, digits, _ . - only, at most 48");
  if (options.key.length !== 32) invalid("key", "32 bytes are needed");
  const { node, incarnation } = options.self;
  if (!Number.isInteger(node) || node < 1 || node > NODES_MAX) invalid("self", `a node has a number from 1 to ${NODES_MAX}`);
  if (!Number.isSafeInteger(incarnation) || incarnation < 0) invalid("self", "an incarnation is a whole number");
  if (!Number.isInteger(options.protocolVersion) || options.protocolVersion < 0 || options.protocolVersion > 0xffffffff) {
    invalid("protocolVersion", "it is a 32-bit number");
  }
  return new LocalEngine(options);
}

function invalid(field: string, problem: string): never {
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}

function stoppedEarly(): MusterError {
  return new MusterError("MUSTER_INTERNAL", { problem: "the engine was stopped while it started" });
}

/** Between two rounds of looking for a sequencer; doubled from round to round. */
const RETRY_FIRST_MS = 1;
const RETRY_LAST_MS = 16;

class LocalEngine implements Engine {
  readonly self: Member;
  readonly #options: LocalEngineOptions;
  readonly #credentials: Credentials;
  readonly #timing: Timing;
  readonly #generations: Generations;
  readonly #fetches = new Set<(problem: string) => void>();
  #listener: EngineListener | null = null;
  #started: { resolve: () => void; reject: (error: MusterError) => void } | null = null;
  #isOver = false;
  #direct: DirectServer | null = null;
  #sequencer: Sequencer | null = null;
  #watching: NodeJS.Timeout | null = null;
  #link: Link | null = null;
  /** Ends connections that are being tried. */
  readonly #attempts = new Set<() => Promise<void>>();
  #seeking: Promise<void> = Promise.resolve();
  /** Set with the first membership of a connection: before, nothing can be sent. */
  #isMember = false;
  /** Lower generations are behind us. */
  #floor = 1;
  /** Who is awaited when this node becomes the sequencer: the last members without the last sequencer. */
  #expected: readonly Member[] | null = null;
  #lastSequencer: Member | null = null;
  #wake: (() => void) | null = null;

  constructor(options: LocalEngineOptions) {
    this.#options = options;
    this.self = { node: options.self.node, incarnation: options.self.incarnation };
    this.#credentials = { key: Buffer.from(options.key), self: this.self, protocolVersion: options.protocolVersion };
    this.#timing = timingOf(options.hangTimeoutMs ?? 1_500, options.pingIntervalMs);
    this.#generations = new Generations(options.clusterId);
  }

  /**
   * Resolves after the first membership has been told.
   * @throws MusterError MUSTER_VERSION_MISMATCH, MUSTER_NODE_IN_USE
   */
  async start(listener: EngineListener): Promise<void> {
    if (this.#listener !== null) throw new MusterError("MUSTER_INTERNAL", { problem: "the engine is started twice" });
    this.#listener = listener;
    this.#direct = await DirectServer.listen({ ...this.#directOptions, onFetch: (from, request) => listener.onFetch(from, request) });
    if (this.#isOver) {
      await this.#end();
      throw stoppedEarly();
    }
    await new Promise<void>((resolve, reject) => {
      this.#started = { resolve, reject };
      this.#seek();
    });
  }

  multicast(payload: Uint8Array): void {
    if (payload.length > MESSAGE_BYTES_MAX) {
      throw new MusterError("MUSTER_LIMIT", { what: "A message of the engine", limit: `${MESSAGE_BYTES_MAX} bytes` });
    }
    if (this.#isMember) this.#link?.multicast(payload);
  }

  async fetch(from: Member, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#isOver || this.#listener === null) {
      throw new MusterError("MUSTER_NOT_REACHABLE", { address: `node ${from.node}`, problem: "this node's engine is not running" });
    }
    let cancel: ((problem: string) => void) | null = null;
    try {
      return await fetchFrom(this.#directOptions, from, request, timeoutMs, (given) => {
        cancel = given;
        this.#fetches.add(given);
      });
    } finally {
      if (cancel !== null) this.#fetches.delete(cancel);
    }
  }

  async stop(): Promise<void> {
    this.#started?.reject(stoppedEarly());
    this.#started = null;
    await this.#end();
  }

  get #directOptions() {
    return { clusterId: this.#options.clusterId, credentials: this.#credentials, timing: this.#timing };
  }

  async #end(): Promise<void> {
    this.#isOver = true;
    this.#isMember = false;
    if (this.#watching !== null) clearInterval(this.#watching);
    this.#wake?.();
    for (const cancel of this.#fetches) cancel("this node stops");
    const link = this.#link;
    this.#link = null;
    await Promise.all([link?.leave(), ...[...this.#attempts].map((cancel) => cancel()), this.#seeking, this.#direct?.close()]);
    await this.#closeSequencer();
    this.#direct = null;
  }

  /** The engine cannot go on. */
  #lose(error: MusterError): void {
    if (this.#isOver) return;
    const started = this.#started;
    this.#started = null;
    void this.#end().then(() => {
      if (started !== null) started.reject(error);
      else this.#listener?.onLost(error.message);
    });
  }

  /** Looks for a sequencer until one has welcomed us, or becomes it. */
  #seek(): void {
    const seek = async (): Promise<void> => {
      let taken = 0;
      for (let waitMs = RETRY_FIRST_MS; !this.#isOver; waitMs = Math.min(waitMs * 2, RETRY_LAST_MS)) {
        const { candidates, next } = this.#generations.look(this.#floor);
        for (const generation of candidates) {
          if (await this.#join(generation)) return;
          if (this.#isOver) return;
        }
        // While somebody listens nothing is bound: a sequencer that is just dying is still listed for a moment,
        // and those who look later than we do would want another number.
        if (candidates.length === 0) {
          await this.#closeSequencer(); // one of ours that could not be joined is of no use
          const isOurs = await this.#become(next);
          if (this.#isOver) return;
          if (await this.#join(next)) return;
          // Bound by somebody who does not listen.
          if (!isOurs && ++taken >= STRIKES_MAX) this.#floor = next + 1;
        }
        if (!this.#isOver) await this.#pause(waitMs * (0.5 + Math.random()));
      }
    };
    this.#seeking = seek().catch((error: unknown) => this.#lose(MusterError.from(error)));
  }

  async #pause(timeMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  /** @returns whether this node now holds the name */
  async #become(generation: number): Promise<boolean> {
    const sequencer = await Sequencer.bind({
      socketName: sequencerName(this.#options.clusterId, generation),
      credentials: this.#credentials,
      timing: this.#timing,
      expected: this.#expected,
      onClosed: (reason) => this.#notice(`generation ${generation}: this node's sequencer ended: ${reason}`),
    });
    if (sequencer === null) return false;
    if (this.#isOver) {
      await sequencer.close();
      return false;
    }
    this.#sequencer = sequencer;
    this.#watching ??= setInterval(() => this.#lookForHigher(), this.#timing.lookMs);
    return true;
  }

  async #closeSequencer(): Promise<void> {
    const sequencer = this.#sequencer;
    this.#sequencer = null;
    await sequencer?.close();
  }

  /** Tries one generation. @returns true when its sequencer has welcomed this node */
  #join(generation: number): Promise<boolean> {
    return new Promise((resolve) => {
      let isWelcome = false;
      const cancel = (): Promise<void> => {
        resolve(false);
        return link.leave();
      };
      const link = new Link({
        socketName: sequencerName(this.#options.clusterId, generation),
        credentials: this.#credentials,
        timing: this.#timing,
        role: Role.member,
        onWelcome: (sequencer) => {
          isWelcome = true;
          this.#attempts.delete(cancel);
          this.#floor = generation;
          this.#link = link;
          this.#lastSequencer = sequencer;
          resolve(true);
        },
        onMembers: (members) => this.#onMembers(members),
        onMessage: (from, payload) => this.#listener?.onMessage(from, payload),
        onEnd: (end) => {
          this.#attempts.delete(cancel);
          if (!isWelcome) {
            this.#onRefusal(generation, end);
            resolve(false);
          } else {
            this.#onDisconnect(generation, end);
          }
        },
      });
      this.#attempts.add(cancel);
    });
  }

  #onMembers(members: readonly Member[]): void {
    if (this.#isOver) return;
    this.#isMember = true;
    const sequencer = this.#lastSequencer;
    this.#expected = members.filter((member) => sequencer === null || !sameMember(member, sequencer));
    // A sequencer of ours that we do not follow ourselves has nobody to serve.
    if (this.#sequencer !== null && (sequencer === null || !sameMember(sequencer, this.self))) void this.#closeSequencer();
    this.#listener?.onMembers(members);
    this.#started?.resolve();
    this.#started = null;
  }

  /** A generation could not be joined. */
  #onRefusal(generation: number, end: LinkEnd): void {
    if (this.#isOver) return;
    switch (end.kind) {
      case "version":
        return this.#lose(new MusterError("MUSTER_VERSION_MISMATCH", { node: end.node, theirs: end.theirs, ours: this.#credentials.protocolVersion }));
      case "replaced":
        return this.#lose(this.#replacedError());
      case "unproven":
        this.#notice(`generation ${generation}: who listens there does not hold the key of this cluster`);
        return this.#generations.distrust(generation);
      case "busy":
      case "silent":
      case "hung":
        this.#notice(`generation ${generation}: who listens there does not answer`);
        return this.#generations.silent(generation);
      case "gone":
        return this.#generations.strike(generation);
    }
  }

  /** The connection that made this node a member ended. */
  #onDisconnect(generation: number, end: LinkEnd): void {
    this.#link = null;
    this.#isMember = false;
    if (this.#isOver) return;
    if (end.kind === "replaced") return this.#lose(this.#replacedError());
    if (end.kind === "hung") {
      this.#notice(`generation ${generation}: the sequencer hangs`);
      this.#floor = generation + 1;
    }
    this.#seek();
  }

  #replacedError(): MusterError {
    return new MusterError("MUSTER_NODE_IN_USE", { node: this.self.node, problem: "a newer incarnation of it has joined" });
  }

  /** A sequencer gives way to one of a higher generation: after a pause its members may have gone on. */
  #lookForHigher(): void {
    const sequencer = this.#sequencer;
    if (sequencer === null || sequencer.isClosed || this.#link === null) return;
    const highest = this.#generations.look(this.#floor + 1).candidates[0];
    if (highest === undefined) return;
    const cancel = (): Promise<void> => probe.leave();
    const probe = new Link({
      socketName: sequencerName(this.#options.clusterId, highest),
      credentials: this.#credentials,
      timing: this.#timing,
      role: Role.probe,
      onWelcome: () => {
        this.#attempts.delete(cancel);
        this.#notice(`generation ${highest} is there: this node's sequencer of generation ${this.#floor} ends`);
        if (this.#sequencer === sequencer) void this.#closeSequencer();
      },
      onMembers: () => {},
      onMessage: () => {},
      onEnd: (end) => {
        this.#attempts.delete(cancel);
        // Those of another version have their own cluster; they are not ours to follow.
        if (end.kind === "version") this.#generations.silent(highest);
        else this.#onRefusal(highest, end);
      },
    });
    this.#attempts.add(cancel);
  }

  #notice(text: string): void {
    this.#options.onNotice?.(text);
  }
}
