import { MusterError } from "../model/errors.ts";
import type { SetContent } from "./nftables-batch.ts";

/**
 * A lease in the kernel as nftables text: pure. Slots are sets with time-outs, which every look-up
 * compares with the clock: nobody has to do anything for an element to end. The map `pointed` leads
 * to the chain of one slot; replacing its elements is one transaction. What asks goes to the chain
 * `lease`; while no slot is pointed at that lives, it is dropped.
 */

/** As many as the leases of both kinds of cluster have; tests compare them. */
export const SLOTS = 8;

/** What the kernel has for the values of {@link SlotFamily}: families of addresses as one byte, protocols as two of the network's order. */
const KEYS: Readonly<Record<string, Uint8Array>> = { ipv4: Uint8Array.of(2), ipv6: Uint8Array.of(10), arp: Uint8Array.of(0x08, 0x06) };

/** The key under which a table of this family asks its slots: the same for every packet of a kind. */
export interface SlotFamily {
  readonly name: "inet" | "arp";
  readonly key: string;
  readonly values: readonly string[];
}

/** @param open the verdict for a packet whose slot lives */
export function slotLines({ key }: SlotFamily, open: string): string[] {
  const lines: string[] = [];
  for (let slot = 0; slot < SLOTS; slot++) lines.push(`set slot${slot} {`, `typeof ${key}`, "flags timeout", "}", `chain slot${slot} {`, `${key} @slot${slot} ${open}`, "counter drop", "}");
  return [...lines, "map pointed {", `typeof ${key} : verdict`, "}", "chain lease {", `${key} vmap @pointed`, "counter drop", "}"];
}

/** Emptied and filled in one transaction: a plain `add` would not prolong an element that is there (reference: NLB data plane 3.3). */
export function armSlots(families: readonly SlotFamily[], table: string, slot: number, timeoutMs: number): string {
  checkSlot(slot);
  checkTimeout(timeoutMs);
  return families.map(({ name, values }) => `flush set ${name} ${table} slot${slot}\nadd element ${name} ${table} slot${slot} { ${values.map((value) => `${value} timeout ${timeoutMs}ms`).join(", ")} }`).join("\n");
}

export function pointSlots(families: readonly SlotFamily[], table: string, slot: number): string {
  checkSlot(slot);
  return families.map(({ name, values }) => `flush map ${name} ${table} pointed\nadd element ${name} ${table} pointed { ${values.map((value) => `${value} : goto slot${slot}`).join(", ")} }`).join("\n");
}

/** What {@link armSlots} says in text, for {@link replaceBatch}. */
export function armedSlots(families: readonly SlotFamily[], table: string, slot: number, timeoutMs: number): SetContent[] {
  checkSlot(slot);
  checkTimeout(timeoutMs);
  return families.map(({ name, values }) => ({ family: name, table, set: `slot${slot}`, elements: values.map((value) => ({ key: keyOf(value), timeoutMs })) }));
}

/** What {@link pointSlots} says in text, for {@link replaceBatch}. */
export function pointedSlots(families: readonly SlotFamily[], table: string, slot: number): SetContent[] {
  checkSlot(slot);
  return families.map(({ name, values }) => ({ family: name, table, set: "pointed", elements: values.map((value) => ({ key: keyOf(value), goto: `slot${slot}` })) }));
}

export function closeSlots(families: readonly SlotFamily[], table: string): string {
  return families.map(({ name }) => `flush map ${name} ${table} pointed`).join("\n");
}

function checkSlot(slot: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS) throw new MusterError("MUSTER_PROPERTY_RANGE", { field: "slot", value: slot, range: `0 to ${SLOTS - 1}` });
}

function checkTimeout(timeoutMs: number): void {
  if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1) throw new MusterError("MUSTER_PROPERTY_RANGE", { field: "timeoutMs", value: timeoutMs, range: "whole numbers from 1" });
}

function keyOf(value: string): Uint8Array {
  const key = KEYS[value];
  if (key === undefined) throw new MusterError("MUSTER_INTERNAL", { problem: `'${value}' is no key of a slot` });
  return key;
}
