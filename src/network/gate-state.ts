import { SLOTS } from "./lease-slots.ts";

/** The gate as the kernel shows it, for people: pure. */
export interface GateState {
  readonly table: string;
  /** null = closed. */
  readonly pointed: number | null;
  /** What is left of each slot, ms; 0 = never armed, or run out. */
  readonly slotsMs: readonly number[];
  readonly isOpen: boolean;
  readonly clustered: readonly string[];
  readonly owned: readonly string[];
  /** Packets of clustered addresses that did not pass, since the tables were made. */
  readonly droppedPackets: number;
  readonly droppedArp: number;
  /** Whether ARP is in the same state as everything else; anything else means that somebody changed the tables. */
  readonly consistent: boolean;
}

/** @param inet @param arp what `nft list table` printed */
export function parseGateState(table: string, inet: string, arp: string): GateState {
  const sets = elementsBySet(inet);
  const arpSets = elementsBySet(arp);
  const pointed = pointedSlot(sets.get("pointed") ?? []);
  const slotsMs = Array.from({ length: SLOTS }, (_, slot) => slotLeftMs(sets.get(`slot${slot}`) ?? []));
  const arpPointed = pointedSlot(arpSets.get("pointed") ?? []);
  return {
    table,
    pointed,
    slotsMs,
    isOpen: pointed !== null && (slotsMs[pointed] ?? 0) > 0,
    clustered: [...(sets.get("clustered4") ?? []), ...(sets.get("clustered6") ?? [])].sort(),
    owned: [...(sets.get("owned4") ?? []), ...(sets.get("owned6") ?? [])].sort(),
    droppedPackets: droppedIn(inet),
    droppedArp: droppedIn(arp),
    consistent: arpPointed === pointed && sameElements(sets, arpSets, "clustered4") && sameElements(sets, arpSets, "owned4"),
  };
}

function elementsBySet(listed: string): Map<string, string[]> {
  const sets = new Map<string, string[]>();
  for (const [, name = "", body = ""] of listed.matchAll(/^\t(?:set|map) (\w+) \{\n([\s\S]*?)^\t\}/gm)) {
    const elements = /elements = \{([\s\S]*?)\}/.exec(body)?.[1] ?? "";
    sets.set(name, elements.split(",").map((element) => element.trim()).filter((element) => element !== ""));
  }
  return sets;
}

function pointedSlot(elements: readonly string[]): number | null {
  const slots = new Set(elements.map((element) => /goto slot([0-9]+)$/.exec(element)?.[1]));
  const [slot] = slots;
  return slots.size === 1 && slot !== undefined ? Number(slot) : null;
}

/** The shortest of the families: what is shown as open is open for all. */
function slotLeftMs(elements: readonly string[]): number {
  const left = elements.map((element) => durationMs(/expires (\S+)/.exec(element)?.[1] ?? ""));
  return left.length === 0 ? 0 : Math.min(...left);
}

const UNITS_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** `1m2s340ms` as nft prints it. */
export function durationMs(text: string): number {
  let totalMs = 0;
  for (const [, count, unit = ""] of text.matchAll(/([0-9]+)(ms|[dhms])/g)) totalMs += Number(count) * (UNITS_MS[unit] ?? 0);
  return totalMs;
}

function droppedIn(listed: string): number {
  let packets = 0;
  for (const [, count] of listed.matchAll(/counter packets ([0-9]+) bytes [0-9]+ drop/g)) packets += Number(count);
  return packets;
}

function sameElements(left: ReadonlyMap<string, readonly string[]>, right: ReadonlyMap<string, readonly string[]>, name: string): boolean {
  return [...(left.get(name) ?? [])].sort().join() === [...(right.get(name) ?? [])].sort().join();
}
