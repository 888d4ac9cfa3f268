import type { Member } from "../../src/model/identifiers.ts";
import { sameMember } from "../../src/model/identifiers.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

const SENT_KEPT = 2_000;

/** A process on the network. */
export interface Station {
  readonly member: Member;
  /** Runs something in the process, later if it is paused, never if it has died. */
  run(action: () => void): void;
  onMembers(members: readonly Member[]): void;
  onMessage(from: Member, payload: Uint8Array): void;
  onDatagram(from: Member, payload: Uint8Array): void;
  serveFetch(request: Uint8Array): Uint8Array;
}

interface Attached {
  readonly station: Station;
  /** What the station was last told. */
  known: readonly Member[] | null;
}

/**
 * The engine contract and nothing more: FIFO per sender, self delivery. Memberships reach
 * each node at its own time and step by step; around a change messages are lost one by
 * one (a suffix with holes), others arrive in the next membership.
 */
export class SimulatedNetwork {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #attached = new Map<number, Attached>();
  /** Cut directions, "from>to". */
  readonly #cuts = new Set<string>();
  /** Directions that lose messages although the membership stays. */
  readonly #lossy = new Map<string, number>();
  readonly #lastDeliveryMs = new Map<string, number>();
  delayMaxMs = 3;
  /** Share of datagrams that are lost. */
  datagramLoss = 0;
  /** Longest time until a node hears of a change. */
  membershipDelayMaxMs = 150;
  /** Longest way of a fetch there, and back. */
  fetchDelayMaxMs = 20;
  /** Until then nothing is delivered to others: what carries the messages stands still, and nobody notices. */
  stalledUntilMs = 0;
  /** What was sent, for {@link deliverLate}. */
  readonly #sent: { readonly from: Member; readonly payload: Uint8Array }[] = [];

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  attach(station: Station): void {
    this.#attached.set(station.member.node, { station, known: null });
    this.#changed();
  }

  detach(member: Member): void {
    const attached = this.#attached.get(member.node);
    if (attached === undefined || !sameMember(attached.station.member, member)) return;
    this.#attached.delete(member.node);
    this.#changed();
  }

  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
    this.#changed();
  }

  lose(from: number, to: number, share = 0.5): void {
    this.#lossy.set(`${from}>${to}`, share);
  }

  heal(): void {
    this.#cuts.clear();
    this.#lossy.clear();
    this.#changed();
  }

  /** The engine of a node makes its connections anew; the membership is the same. */
  reconnect(node: number): void {
    const attached = this.#attached.get(node);
    if (attached === undefined) return;
    attached.known = null;
    this.#changed();
  }

  /** Something from long ago arrives, in an epoch that knows nothing of it. `isOld` says whether it is of an earlier one. */
  deliverLate(to: number, isOld: (payload: Uint8Array) => boolean): void {
    const station = this.#attached.get(to)?.station;
    const late = this.#sent.length === 0 ? undefined : this.#random.pick(this.#sent);
    if (station === undefined || late === undefined || !isOld(late.payload)) return;
    station.run(() => station.onMessage(late.from, late.payload));
  }

  multicast(from: Member, payload: Uint8Array): void {
    this.#sent.push({ from, payload });
    if (this.#sent.length > SENT_KEPT) this.#sent.splice(0, SENT_KEPT / 2);
    for (const { station } of this.#attached.values()) {
      const self = sameMember(station.member, from);
      const pair = `${from.node}>${station.member.node}`;
      const delayMs = self ? 0.05 : 0.05 + this.#random.next() * this.delayMaxMs;
      const atMs = Math.max(this.#scheduler.nowMs + delayMs, self ? 0 : this.stalledUntilMs, this.#lastDeliveryMs.get(pair) ?? 0);
      this.#lastDeliveryMs.set(pair, atMs);
      this.#scheduler.after(atMs - this.#scheduler.nowMs, () => this.#deliver(from, station, payload, pair));
    }
  }

  /** In no order, with some twice and some long after; no membership holds them up. */
  datagram(from: Member, payload: Uint8Array): void {
    for (const { station } of this.#attached.values()) {
      const self = sameMember(station.member, from);
      for (let copy = 0; copy === 0 || this.#random.chance(0.02); copy++) {
        if (!self && this.#random.chance(this.datagramLoss)) continue;
        const delayMs = self ? 0.05 : 0.05 + this.#random.next() * this.#random.pick([this.delayMaxMs, this.delayMaxMs, 20, this.#random.chance(0.05) ? 5_000 : 1]);
        this.#scheduler.after(delayMs, () => {
          if (this.#attached.get(station.member.node)?.station === station && (self || !this.#cuts.has(`${from.node}>${station.member.node}`))) station.run(() => station.onDatagram(from, payload));
        });
      }
    }
  }

  fetch(from: Member, of: Member, request: Uint8Array, done: (reply: Uint8Array | null) => void): void {
    this.#scheduler.after(1 + this.#random.next() * this.fetchDelayMaxMs, () => {
      const target = this.#attached.get(of.node);
      if (target === undefined || !sameMember(target.station.member, of) || !this.#linked(from.node, of.node) || this.#random.chance(0.05)) {
        this.#scheduler.after(100, () => done(null));
        return;
      }
      target.station.run(() => {
        const reply = target.station.serveFetch(request);
        this.#scheduler.after(1 + this.#random.next() * this.fetchDelayMaxMs, () => done(this.#linked(from.node, of.node) ? reply : null));
      });
    });
  }

  #deliver(from: Member, station: Station, payload: Uint8Array, pair: string): void {
    const attached = this.#attached.get(station.member.node);
    if (attached === undefined || attached.station !== station) return;
    if (!sameMember(station.member, from)) {
      const lost = this.#lossy.get(pair);
      if (lost !== undefined && this.#random.chance(lost)) return;
      const sender = this.#attached.get(from.node);
      const gone = sender === undefined || !sameMember(sender.station.member, from) || this.#cuts.has(pair);
      const told = attached.known === null || !attached.known.some((member) => sameMember(member, from));
      // Cut off but not yet told: a hole here, a message there.
      if (gone && (told || this.#random.chance(0.5))) return;
    }
    station.run(() => station.onMessage(from, payload));
  }

  #linked(a: number, b: number): boolean {
    return a === b || (!this.#cuts.has(`${a}>${b}`) && !this.#cuts.has(`${b}>${a}`));
  }

  #changed(): void {
    for (const node of this.#attached.keys()) this.#scheduler.after(1 + this.#random.next() * this.#random.pick([5, 20, this.membershipDelayMaxMs]), () => this.#refresh(node));
  }

  #refresh(node: number): void {
    const attached = this.#attached.get(node);
    if (attached === undefined) return;
    const reachable = [...this.#attached.values()]
      .map((other) => other.station.member)
      .filter((member) => this.#linked(node, member.node))
      .sort((a, b) => a.node - b.node);
    const known = attached.known;
    if (known !== null && known.length === reachable.length && known.every((member, position) => sameMember(member, reachable[position]!))) return;
    let next = reachable;
    if (this.#random.chance(0.5)) {
      // One step on the way: some of those who left are gone, some of those who joined are in.
      const steps = new Map<number, Member>();
      for (const member of known ?? [attached.station.member]) if (sameMember(member, attached.station.member) || reachable.some((other) => sameMember(other, member)) || this.#random.chance(0.5)) steps.set(member.node, member);
      for (const member of reachable) if (!steps.has(member.node) && this.#random.chance(0.5)) steps.set(member.node, member);
      next = [...steps.values()].sort((a, b) => a.node - b.node);
      this.#scheduler.after(1 + this.#random.next() * 20, () => this.#refresh(node));
    }
    attached.known = next;
    attached.station.run(() => attached.station.onMembers(next));
  }
}
