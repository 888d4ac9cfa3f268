import { StepContext } from "./context.ts";
import { nowOf } from "./describe.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";

/** For questions that decisions ask of a step: one that never ends and changes nothing. */
export function contextOf(state: ClusterState): StepContext {
  const position = state.tables.position.get(ONLY);
  return new StepContext(state, { epoch: position?.epoch ?? 0, index: position?.index ?? 0, clusterTimeMs: nowOf(state), wallTimeMs: position?.wallTimeMs ?? 0 });
}
