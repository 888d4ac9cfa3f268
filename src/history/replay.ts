import { restore, step } from "../core/index.ts";
import type { ClusterState } from "../core/index.ts";
import type { CoreInput } from "../model/inputs.ts";
import type { Replayable } from "./contract.ts";

/** The state of the cluster at a moment of the past, as the node knew it: by the code that decided then, if it is the same release. */
export function replay(from: Replayable): ClusterState {
  const state = restore(from.snapshot, true);
  for (const { stamp, input } of from.entries) step(state, stamp, JSON.parse(input) as CoreInput);
  return state;
}
