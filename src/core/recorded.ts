import type { ErrorBody } from "../model/errors.ts";
import type { RequestId } from "../model/inputs.ts";
import type { ClusterState } from "./state.ts";

/** The failure that was recorded for a request that has been handled; null = it succeeded, or it is too long ago to know. */
export function recordedFailure(state: ClusterState, requestId: RequestId): ErrorBody | null {
  const key = String(requestId.node);
  for (const row of [state.tables.requests.get(key), state.tables.refusals.get(key)]) {
    if (row === undefined || row.incarnation !== requestId.incarnation) continue;
    const failure = row.failures.find(([number]) => number === requestId.number);
    if (failure !== undefined) return failure[1];
  }
  return null;
}
