import { readFileSync } from "node:fs";
import type { Member } from "../../model/identifiers.ts";

/** Names of abstract sockets, and who listens on them. */

/** A higher number is not one of ours. */
export const GENERATION_MAX = 2 ** 31;
/** Somebody may bind many names; so many are tried. */
const CANDIDATES_MAX = 8;
/** How long a listener that did not answer in time is left alone. */
const SILENT_MS = 5_000;
/** A listener that closed on us so often without a word is a stranger (about a third of a second of trying). */
export const STRIKES_MAX = 25;
const MARKS_MAX = 256;

export function sequencerName(clusterId: string, generation: number): string {
  return `\0muster-${clusterId}-${generation}`;
}

export function directName(clusterId: string, member: Member): string {
  return `\0muster-${clusterId}-direct-${member.node}-${member.incarnation}`;
}

interface Listener {
  readonly generation: number;
  readonly inode: string;
}

/** The generations of sequencers that listen on this machine, and what we think of them. */
export class Generations {
  readonly #pattern: RegExp;
  /** Listeners that are not to be tried, by generation and inode, with the time (ms, monotonic) until when. */
  readonly #marks = new Map<string, number>();
  readonly #strikes = new Map<string, number>();

  constructor(clusterId: string) {
    this.#pattern = new RegExp(`@muster-${clusterId.replaceAll(/[^\w]/g, "\\$&")}-(\\d{1,10})$`);
  }

  /**
   * One look at who listens. Both answers come from the same look: whoever sees no sequencer must want the same
   * number as all others who saw none.
   * @param floor lower generations are of no interest
   * @returns the generations worth a try, the highest first, and the one a new sequencer takes
   */
  look(floor: number): { readonly candidates: readonly number[]; readonly next: number } {
    const now = performance.now();
    const listeners = this.#list();
    const candidates = listeners
      .filter((listener) => listener.generation >= floor && (this.#marks.get(keyOf(listener)) ?? 0) <= now)
      .map((listener) => listener.generation)
      .slice(0, CANDIDATES_MAX);
    const highest = listeners[0]?.generation ?? 0;
    if (highest < GENERATION_MAX) return { candidates, next: Math.max(floor, highest + 1) };
    // A stranger sits on the last number: take the lowest that is free.
    const taken = new Set(listeners.map((listener) => listener.generation));
    let next = floor;
    while (taken.has(next)) next++;
    return { candidates, next };
  }

  /** The listener could not prove that it is one of us: as long as it is there it is not tried again. */
  distrust(generation: number): void {
    this.#mark(generation, Number.POSITIVE_INFINITY);
  }

  /** The listener did not answer in time. */
  silent(generation: number): void {
    this.#mark(generation, performance.now() + SILENT_MS);
  }

  /** The listener closed before it said anything: it is ending, or a stranger. */
  strike(generation: number): void {
    const listener = this.#find(generation);
    if (listener === undefined) return;
    const strikes = (this.#strikes.get(keyOf(listener)) ?? 0) + 1;
    remember(this.#strikes, keyOf(listener), strikes);
    if (strikes >= STRIKES_MAX) this.#mark(generation, performance.now() + SILENT_MS);
  }

  #mark(generation: number, until: number): void {
    const listener = this.#find(generation);
    if (listener !== undefined) remember(this.#marks, keyOf(listener), until);
  }

  #find(generation: number): Listener | undefined {
    return this.#list().find((listener) => listener.generation === generation);
  }

  /** Highest generation first. Columns of the table: Num RefCount Protocol Flags Type St Inode Path. */
  #list(): Listener[] {
    const found: Listener[] = [];
    for (const line of readFileSync("/proc/net/unix", "latin1").split("\n")) {
      const match = this.#pattern.exec(line);
      if (match === null) continue;
      const [, , , flags = "", , , inode = ""] = line.trim().split(/\s+/);
      // A connection that was accepted carries the name as well; only listeners have this flag (__SO_ACCEPTCON).
      if ((Number.parseInt(flags, 16) & 0x10000) === 0) continue;
      const generation = Number(match[1]);
      if (generation >= 1 && generation <= GENERATION_MAX) found.push({ generation, inode });
    }
    return found.sort((a, b) => b.generation - a.generation);
  }
}

function keyOf(listener: Listener): string {
  return `${listener.generation}:${listener.inode}`;
}

function remember(map: Map<string, number>, key: string, value: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MARKS_MAX && oldest !== undefined) map.delete(oldest);
}
