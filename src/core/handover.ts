import type { Effect } from "../model/inputs.ts";
import type { StepContext } from "./context.ts";
import type { ResourceRow } from "./records.ts";

/** What has just been online here or elsewhere is the cluster's: what it uses needs no long look at who else may have it. */
const HANDOVER_MS = 60_000;

export function handoverOf(context: StepContext, { servedUntilMs }: ResourceRow): Pick<Effect, "handover"> {
  return servedUntilMs !== null && context.now - servedUntilMs < HANDOVER_MS ? { handover: true } : {};
}
