import type { ProviderRecord, ResourceRecord } from "../model/objects.ts";
import { initialResourceRow } from "./records.ts";
import type { ClusterState } from "./state.ts";

/**
 * What the resource names in its dependency, each once and in the order of the expression, with how it is now. A type
 * that publishes what its providers have (reference 10.3) cannot learn it elsewhere.
 */
export function providersOf(state: ClusterState, resource: ResourceRecord): ProviderRecord[] {
  const providers: ProviderRecord[] = [];
  for (const id of new Set(resource.dependencies.flat())) {
    const provider = state.tables.resources.get(id);
    const row = state.tables.resourceRuntime.get(id) ?? initialResourceRow(id);
    if (provider !== undefined) providers.push({ resource: provider, isOnline: row.state === "Online" });
  }
  return providers;
}

/** For an order to start: nothing at all where there are no providers, as it always was. */
export function withProviders(state: ClusterState, resource: ResourceRecord): { readonly providers?: readonly ProviderRecord[] } {
  return resource.dependencies.length === 0 ? {} : { providers: providersOf(state, resource) };
}
