import type { Generation, NodeId, ResourceId } from "../model/identifiers.ts";
import type { GroupRecord, ResourceRecord } from "../model/objects.ts";
import type { StepContext } from "./context.ts";
import { endCopy, leftoverOf, unknownResource } from "./leftovers.ts";

/** A node runs a copy it should not have: it is told to end it (PROTOCOL rule 15 "otherwise terminated"). */
export function endStray(context: StepContext, id: ResourceId, generation: Generation, node: NodeId): void {
  const { resources, groups } = context.state.tables;
  const left = leftoverOf(context, id);
  const resource: ResourceRecord = resources.get(id) ?? left?.resource ?? unknownResource(id);
  const group: GroupRecord | undefined = groups.get(resource.group);
  const known = left?.places.some((place) => place.node === node && place.generation >= generation) === true;
  const why = resources.has(id) ? explain(context, resource, node) : "it is not configured any more";
  if (!known) {
    context.event("ResourceStray", {
      node,
      group: group?.name ?? left?.groupName ?? null,
      resource: resource.name,
      text: `A leftover of the resource '${resource.name}' on ${context.nodeName(node)} is ended: ${why}.`,
    });
  }
  endCopy(context, { resource, group: resource.group, groupName: group?.name ?? left?.groupName ?? "", generation }, node, `A leftover is ended: ${why}.`);
}

function explain(context: StepContext, resource: ResourceRecord, node: NodeId): string {
  const { owner } = context.group(resource.group);
  if (owner === node) return "it is from an earlier time";
  return owner === null ? "its role belongs to nobody now" : `its role belongs to ${context.nodeName(owner)}`;
}
