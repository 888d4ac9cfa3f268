import type { StepContext } from "./context.ts";
import { failBackDue } from "./failback.ts";
import { endOwnerWait } from "./owner-wait.ts";
import { placementDeadline } from "./placement-indices.ts";
import { quarantineOver } from "./quarantine.ts";
import { ONLY } from "./state.ts";

/** Carries out a deadline of placement; false = it is somebody else's. */
export function placementDue(context: StepContext, key: string): boolean {
  const deadline = placementDeadline(key);
  switch (deadline?.kind) {
    case undefined:
      return false;
    case "ownerWait":
      endOwnerWait(context, deadline.id);
      context.touched.add(deadline.id);
      return true;
    case "failback":
      failBackDue(context, deadline.id);
      return true;
    case "quarantine":
      quarantineOver(context, Number(deadline.id));
      return true;
  }
}

/**
 * Hours of the day (failback windows) are the orderer's local time. Only it can know: time zones change with laws and
 * seasons. So its offset comes with each deadline it stamps, and is the same for every node that handles the entry.
 */
export function noteLocalTime(context: StepContext, utcOffsetMinutes: number | undefined): void {
  const { localTime } = context.state.tables;
  if (utcOffsetMinutes === undefined || localTime.get(ONLY)?.utcOffsetMinutes === utcOffsetMinutes) return;
  localTime.put(ONLY, { utcOffsetMinutes });
}
