import type { Member, NodeId } from "../model/identifiers.ts";
import { sameMember } from "../model/identifiers.ts";
import { newestEvidence } from "./evidence.ts";
import { LeaseLengths } from "./lengths.ts";
import { TickPace } from "./pace.ts";
import { GATE_SLOTS } from "./parameters.ts";
import type { LeaseParameters } from "./parameters.ts";
import { OWN, weightsNumber } from "./steps.ts";
import type { LeaseMember, LeaseProgram, LeaseTerms, LeaseTick } from "./steps.ts";

/**
 * The lease worker (PROTOCOL part 2): arm, tick, evidence, confirm. Each method is a program of
 * separate steps; the thread runs one program after the other, never two at once.
 */
export class LeaseWorker {
  readonly #self: Member;
  readonly #parameters: LeaseParameters;
  readonly #lengths: LeaseLengths;
  readonly #pace = new TickPace();
  #terms: LeaseTerms | null = null;
  /** The tick armed last. */
  #number = 0;
  /** The newest own tick that this node echoes itself, by the rule for all echoes. */
  #vouched = 0;
  /** The first tick of these terms: an older one is nobody's evidence under them. */
  #firstOfTerms = 1;
  /** The newest tick for which evidence was gathered. */
  #evidenced = 0;
  #pointedSlot: number | null = null;
  /** When the tick of each slot was armed. */
  readonly #armedAtMs: number[] = [];
  /** Until when each tick would permit, by a clock reading from before it was armed; as long as a permit could come of it. */
  readonly #permitUntilMs = new Map<number, number>();
  /** By node, under the present terms: the newest tick of the peer heard, and the newest of it echoed. */
  readonly #heard = new Map<NodeId, { heard: number; echoed: number }>();
  /** By node, under the present terms: the newest own tick that the peer echoed. */
  readonly #echoedByPeer = new Map<NodeId, number>();
  #ended = false;

  /** @param parameters for weights that carry no token */
  constructor(self: Member, parameters: LeaseParameters) {
    this.#self = self;
    this.#parameters = parameters;
    this.#lengths = new LeaseLengths(parameters);
  }

  /** P, as it is now: it changes with the terms. */
  get tickMs(): number {
    return this.#lengths.sending(this.#terms?.weights ?? []).tickMs;
  }

  /** How long after the last tick, or after it was called last, {@link timer} is to be called. */
  get beatMs(): number {
    return this.#pace.beatMs(this.tickMs);
  }

  /** Nothing more will be done. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Slots of a former life must open nothing: before anything else. */
  *begin(): LeaseProgram {
    yield { do: "close" };
    yield { do: "own", addresses: [] };
  }

  /** Every {@link beatMs}: when a tick is due, 1. arm, 2. then send TICK. */
  *timer(): LeaseProgram {
    if (this.#ended) return;
    const nowMs = yield { do: "readClock" };
    const aliveMs = yield { do: "load", cell: "mainAlive", node: OWN };
    if (nowMs - aliveMs > this.#parameters.mainLoopLimitMs) return yield* this.end("the main loop stands still");
    const terms = this.#terms;
    if (terms !== null && this.#pace.isDue(nowMs, this.tickMs)) yield* this.#round(terms);
  }

  *#round(terms: LeaseTerms): LeaseProgram {
    yield* this.#arm(terms);
    const heard = yield* this.#echoes(terms);
    yield* this.#say(terms, heard);
    yield* this.#confirm();
  }

  *#say(terms: LeaseTerms, heard: LeaseTick["heard"]): LeaseProgram {
    const nowMs = yield { do: "readClock" };
    this.#pace.sent(nowMs);
    yield { do: "sendTick", tick: { from: this.#self, epoch: terms.epoch, weights: weightsNumber(terms), number: this.#number, heard } };
  }

  /** A tick of a peer: it is to be echoed, and it brings echoes. */
  *tick(tick: LeaseTick): LeaseProgram {
    const terms = this.#terms;
    if (this.#ended || terms === null || sameMember(tick.from, this.#self)) return;
    if (tick.epoch !== terms.epoch || tick.weights !== weightsNumber(terms)) return;
    if (!terms.members.some((member) => sameMember(member, tick.from))) return;
    const { node } = tick.from;
    const known = this.#heard.get(node);
    const isNew = tick.number > (known?.heard ?? 0);
    if (known === undefined) this.#heard.set(node, { heard: tick.number, echoed: 0 });
    else known.heard = Math.max(known.heard, tick.number);
    const echo = tick.heard.find(([of]) => of === this.#self.node);
    if (echo !== undefined && echo[1] <= this.#number) this.#echoedByPeer.set(node, Math.max(this.#echoedByPeer.get(node) ?? 0, echo[1]));
    yield* this.#confirm();
    if (isNew) yield* this.#reply(terms);
  }

  /** A message that says the last tick's number again is that tick, doubled, with newer echoes: nobody answers it. */
  *#reply(terms: LeaseTerms): LeaseProgram {
    const nowMs = yield { do: "readClock" };
    const answer = this.#pace.answer(nowMs, this.tickMs);
    // A number from before these terms is nobody's evidence under them.
    if (answer === "tick" || (answer === "echoes" && this.#number < this.#firstOfTerms)) yield* this.#round(terms);
    else if (answer === "echoes") {
      const heard = yield* this.#echoes(terms);
      if (heard.length > 0) yield* this.#say(terms, heard);
    }
  }

  /** From the main thread: ACTIVE was delivered, WEIGHTS was appended, or is known to be committed. */
  *changeTerms(terms: LeaseTerms): LeaseProgram {
    if (this.#ended) return;
    if (terms.number !== this.#terms?.number) {
      // Echoes given and heard under other terms are worth nothing under these; a gate that is open stays so until its slot runs out.
      this.#heard.clear();
      this.#echoedByPeer.clear();
      this.#firstOfTerms = this.#number + 1;
      const nowMs = yield { do: "readClock" };
      this.#pace.press(nowMs, this.#lengths.acting(terms.weights).leaseMs);
    }
    this.#terms = terms;
    yield* this.#confirm();
  }

  /** From the main thread: the addresses this node owns now. Answered when the kernel has them. */
  *changeOwned(addresses: readonly string[], order: number): LeaseProgram {
    if (this.#ended) return;
    this.#pace.own(addresses.length > 0);
    yield { do: "own", addresses };
    yield { do: "answer", order };
  }

  /** Closes the gate for good. */
  *end(reason: string): LeaseProgram {
    if (this.#ended) return;
    this.#ended = true;
    yield { do: "close" };
    yield { do: "exit", reason };
  }

  *#arm(terms: LeaseTerms): LeaseProgram {
    const number = this.#number + 1;
    const slot = number % GATE_SLOTS;
    if (slot === this.#pointedSlot) {
      // To arm the slot that the gate points at would open it without evidence.
      this.#pointedSlot = null;
      yield { do: "close" };
    }
    const { leaseMs, permitMs } = this.#lengths.acting(terms.weights);
    const nowMs = yield { do: "readClock" };
    this.#permitUntilMs.set(number, nowMs + permitMs);
    this.#forgetPermits(nowMs);
    this.#number = number;
    this.#armedAtMs[slot] = nowMs;
    this.#pace.armed(nowMs);
    yield { do: "arm", slot, timeoutMs: leaseMs };
  }

  /** The echo rule. What passes the checks after `lastEcho` was stored may be sent at any later time: who accepts has seen the store. */
  *#echoes(terms: LeaseTerms): LeaseProgram<readonly (readonly [NodeId, number])[]> {
    const echoes: (readonly [NodeId, number])[] = [];
    for (const [node, known] of [...this.#heard].sort((a, b) => a[0] - b[0])) {
      // Not needed for safety; without it the hold of an excluded node would grow.
      if (yield* this.#isExcluded(node, terms)) continue;
      const { heard } = known;
      if (heard > known.echoed) {
        const nowMs = yield { do: "readClock" };
        yield { do: "store", cell: "lastEcho", node, value: nowMs };
        if (yield* this.#isExcluded(node, terms)) continue;
        known.echoed = heard;
      }
      echoes.push([node, heard]);
    }
    // The main thread has moved on to other terms, and may have acknowledged something under them.
    const newest = yield { do: "load", cell: "terms", node: OWN };
    if (newest !== terms.number) return [];
    this.#vouched = this.#number;
    return echoes;
  }

  *#isExcluded(node: NodeId, terms: LeaseTerms): LeaseProgram<boolean> {
    const excludedAt = yield { do: "load", cell: "excludedAt", node };
    return excludedAt > terms.epoch;
  }

  /** 3. evidence, 4. confirm: point the gate at the slot of the newest evidenced tick. */
  *#confirm(): LeaseProgram {
    const terms = this.#terms;
    if (terms === null || this.#number < this.#firstOfTerms) return;
    const number = newestEvidence(terms, this.#self.node, this.#vouched, this.#echoedByPeer);
    if (number <= this.#evidenced || number < this.#firstOfTerms) return;
    this.#evidenced = number;
    this.#pace.evidenced(number > this.#number - GATE_SLOTS ? this.#armedAtMs[number % GATE_SLOTS]! : null, number === this.#number);
    // Otherwise the slot belongs to a later tick, for which there is no evidence.
    if (number > this.#number - GATE_SLOTS) {
      const slot = number % GATE_SLOTS;
      this.#pointedSlot = slot;
      yield { do: "point", slot };
    }
    const untilMs = this.#permitUntilMs.get(number);
    if (untilMs !== undefined) yield { do: "permit", untilMs };
  }

  /** Those that are over, of ticks that are not pointed at any more. */
  #forgetPermits(nowMs: number): void {
    for (const [number, untilMs] of this.#permitUntilMs) {
      if (untilMs > nowMs || number > this.#number - GATE_SLOTS) return;
      this.#permitUntilMs.delete(number);
    }
  }
}

/** The members that terms list, and the stores they hold. */
export function leaseMembers(members: readonly Member[], stores: readonly string[]): LeaseMember[] {
  return members.map((member, position) => ({ ...member, store: stores[position] ?? "" }));
}
