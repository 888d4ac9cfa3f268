import { providersOf } from "../core/providers.ts";
import type { ClusterState } from "../core/index.ts";
import type { NodeId, ResourceId } from "../model/identifiers.ts";
import type { MonitorOrder } from "../monitor/contract.ts";

/**
 * What a resource that runs on a node, or is about to, shall be told of what it depends on; null = nothing. Asked of the
 * state, not of the inventory: an order to start that was just given is in no inventory yet.
 */
export function providerNews(state: ClusterState, id: ResourceId, node: NodeId): Extract<MonitorOrder, { kind: "providers" }> | null {
  const resource = state.tables.resources.get(id);
  const runs = ["Online", "OnlinePending"].includes(state.tables.resourceRuntime.get(id)?.state ?? "");
  if (resource === undefined || resource.dependencies.length === 0 || !runs || state.tables.groupRuntime.get(resource.group)?.owner !== node) return null;
  return { kind: "providers", resource: id, providers: providersOf(state, resource) };
}
