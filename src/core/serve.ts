import { MusterError } from "../model/errors.ts";
import type { GroupId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { groupProperties, numberPropertyOf } from "../model/properties.ts";
import { advanceGroup } from "./advance.ts";
import type { StepContext } from "./context.ts";
import { compareText } from "./order.ts";

/** A chain of groups that start each other in one step is at most as long as the sets that order them. */
const ROUNDS_MAX = 1_000;

/** Serves every group the step touched, and those that these touch in turn, until nothing more follows. */
export function serveTouched(context: StepContext): void {
  for (let round = 0; context.touched.size > 0; round++) {
    if (round === ROUNDS_MAX) throw new MusterError("MUSTER_INTERNAL", { problem: "the groups of a step do not come to rest" });
    const batch = inOrderOfStart(context, context.touched);
    context.touched.clear();
    for (const id of batch) {
      advanceGroup(context, id);
      // What it did to itself it has seen.
      context.touched.delete(id);
    }
  }
}

/** High priority first (reference 2.13), then by name: the order in which starts are given. */
export function inOrderOfStart(context: StepContext, ids: Iterable<GroupId>): GroupId[] {
  const groups = [...ids].map((id) => context.state.tables.groups.get(id)).filter((group) => group !== undefined);
  return groups.sort(compareStart).map((group) => group.id);
}

export function compareStart(left: GroupRecord, right: GroupRecord): number {
  return priorityOf(right) - priorityOf(left) || compareText(left.name, right.name) || compareText(left.id, right.id);
}

export function priorityOf(group: GroupRecord): number {
  return numberPropertyOf(groupProperties, group.properties, "Priority");
}
