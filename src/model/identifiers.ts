/** Node number, 1 to 64. */
export type NodeId = number;

/** One life of a node's Cluster Service: a node that was left out of a view may come back only with a new one. */
export interface Member {
  readonly node: NodeId;
  readonly incarnation: number;
}

/** Groups and resources are named by a short id that never changes, and by a unique name that may. */
export type GroupId = string;
export type ResourceId = string;

/** Counts ownership changes of a group over all epochs: a later owner always has a higher one. */
export type Generation = number;

/**
 * Largest index of an entry inside one epoch; the orderer ends the epoch before it is passed. Forced epochs are 64 times
 * the minutes since 2020 (PROTOCOL rule 13): with 22 bits for the index a generation stays a safe integer until the year 2083.
 */
export const INDEX_MAX = 2 ** 22 - 1;
export const NODES_MAX = 64;

/** The place of an entry in the history of the cluster as one number: epochs order first, then indices. */
export function generationAt(epoch: number, index: number): Generation {
  return epoch * (INDEX_MAX + 1) + index;
}

/** `epoch.index.n`: effect n of the step that handled entry `index` of `epoch` (PROTOCOL part 1, rule 14). */
export type EffectId = string;
export type EventId = string;

export function ordinalId(epoch: number, index: number, n: number): string {
  return `${epoch}.${index}.${n}`;
}

/** Orders ids made by {@link ordinalId}; a malformed id sorts first. */
export function compareOrdinalIds(left: string, right: string): number {
  const a = left.split(".").map(Number);
  const b = right.split(".").map(Number);
  for (let position = 0; position < 3; position++) {
    const difference = (a[position] || 0) - (b[position] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function sameMember(a: Member, b: Member): boolean {
  return a.node === b.node && a.incarnation === b.incarnation;
}
