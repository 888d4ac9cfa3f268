import { MusterError } from "../model/errors.ts";
import type { GroupRecord, ResourceRecord } from "../model/objects.ts";
import { resourceProperties } from "../model/properties.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { providersFirst } from "./dependency.ts";
import { forgetResource, sayChanged } from "./group-commands.ts";
import { RESOURCES_PER_GROUP_MAX } from "./limits.ts";
import { leaveForbiddenNode } from "./resource-commands.ts";
import { findGroup, findResource, withProperty } from "./resolve.ts";
import type { ClusterState } from "./state.ts";
import { groupWantedOnline, resourceWantedOnline } from "./wanted.ts";

/**
 * Takes a resource, with all it depends on and all that depends on it, to another group (reference 2.8). They must be
 * offline: a running copy belongs to its group's generation, by which its node tells old orders from new ones.
 */
export function moveResource({ state }: Configuring, command: CommandOf<"resource.move">): Reaction {
  const resource = findResource(state, command.resource);
  const target = findGroup(state, command.group);
  const source = state.tables.groups.get(resource.group) as GroupRecord;
  const tree = wholeTree(state, resource);
  if (source.id === target.id) return () => `The resource '${resource.name}' is in the role '${target.name}' already.`;
  const running = tree.find((one) => resourceWantedOnline(source, one));
  if (running !== undefined) throw new MusterError("MUSTER_RESOURCE_NOT_OFFLINE", { field: "resource", name: running.name });
  if (state.resourceCountOf(target.id) + tree.length > RESOURCES_PER_GROUP_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of resources in a role", limit: RESOURCES_PER_GROUP_MAX });
  for (const one of tree) {
    // It stays offline, also in a role that is online.
    const wish = groupWantedOnline(target) ? 0 : undefined;
    state.tables.resources.put(one.id, { ...one, group: target.id, properties: withProperty(resourceProperties, one.properties, "PersistentState", wish) });
  }
  return (context) => {
    for (const one of [...tree].reverse()) forgetResource(context, source, one);
    const names = tree.map((one) => `'${one.name}'`).join(", ");
    const cause = sayChanged(context, target.name, `${names} ${tree.length === 1 ? "was" : "were"} taken from the role '${source.name}' to the role '${target.name}'.`, resource.name);
    leaveForbiddenNode(context, target, cause);
    context.touched.add(source.id);
    context.touched.add(target.id);
    return null;
  };
}

/** Everything that is connected with it by dependencies, providers first. */
function wholeTree(state: ClusterState, resource: ResourceRecord): ResourceRecord[] {
  const found = new Map<string, ResourceRecord>();
  const queue = [resource];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (found.has(next.id)) continue;
    found.set(next.id, next);
    for (const id of [...next.dependencies.flat(), ...state.dependentIdsOf(next.id)]) queue.push(state.tables.resources.get(id) as ResourceRecord);
  }
  return providersFirst([...found.keys()].sort().map((id) => found.get(id) as ResourceRecord));
}
