import type { ProtectionClass } from "../model/states.ts";
import type { Hold } from "../model/votes.ts";

/**
 * Protection classes (PROTOCOL part 2): what a start waits for after the old holder was left out,
 * and what ends the old copy when its service no longer can.
 */
export interface Protection {
  /** The hold that a start waits for. */
  readonly waitsFor: "lease" | "permit" | "nothing";
  /** What the taker does before it starts, whatever it has waited for. */
  readonly before: "preempt" | "lock" | null;
  /** What ends, or cuts off, the copy on a node that was left out. */
  readonly endedBy: string;
  /** Where it does not protect. */
  readonly notCovered: string;
}

export const PROTECTION: Readonly<Record<ProtectionClass, Protection>> = {
  gatedNetwork: {
    waitsFor: "lease",
    before: null,
    endedBy: "the kernel's gate, which closes when the lease runs out",
    notCovered: "a guest frozen as a whole: its clocks stand still, and the gate may be open for up to the rest of the lease after it goes on",
  },
  diskReservation: {
    waitsFor: "nothing",
    before: "preempt",
    endedBy: "the disk, which refuses writes of a node whose reservation was pre-empted",
    notCovered: "a disk that does not keep to its reservations",
  },
  process: {
    waitsFor: "permit",
    before: null,
    endedBy: "the monitor, which kills the processes when their permit runs out",
    notCovered: "a monitor that is frozen too: only a watchdog or fencing ends the copy then",
  },
  machineLock: {
    waitsFor: "nothing",
    before: "lock",
    endedBy: "the taker on the same machine, which kills what is left and starts when the lock is free",
    notCovered: "another machine",
  },
};

/** How long a start waits for a node that was left out: a role waits for the slowest of its resources. 0 = no longer. */
export function waitForHold(classes: readonly ProtectionClass[], hold: Hold | null): number {
  if (hold === null) return 0;
  return classes.reduce((longestMs, one) => Math.max(longestMs, waitOf(one, hold)), 0);
}

/** The class of the resource that makes a role wait longest, for `why`; null = nothing to wait for. */
export function slowestProtection(classes: readonly ProtectionClass[], hold: Hold | null): ProtectionClass | null {
  const waitMs = waitForHold(classes, hold);
  if (hold === null || waitMs === 0) return null;
  return classes.find((one) => waitOf(one, hold) === waitMs) ?? null;
}

function waitOf(one: ProtectionClass, hold: Hold): number {
  switch (PROTECTION[one].waitsFor) {
    case "lease":
      return hold.leaseMs;
    case "permit":
      return hold.permitMs;
    case "nothing":
      return 0;
  }
}
