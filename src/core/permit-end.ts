import type { ResourceRecord } from "../model/objects.ts";
import type { StepContext } from "./context.ts";

/**
 * The node was without a quorum for longer than its permit, and what it ran was ended. Nothing was wrong with the resource:
 * no failure is counted, and it is started again where its role is (PROTOCOL part 2; reference 2.9 counts failures alone).
 */
export function endedWithPermit(context: StepContext, resource: ResourceRecord): void {
  const { owner, cause } = context.group(resource.group);
  const where = owner === null ? "its node" : context.nodeName(owner);
  context.setResource(resource.id, { state: "Offline", status: 0, pendingEffect: null, processId: null, restartAtMs: null, waitsFor: null, reason: context.reason("permit", `It was ended because ${where} had no quorum for a while.`) });
  context.event("ResourceOffline", {
    node: owner,
    group: context.state.tables.groups.get(resource.group)?.name ?? null,
    resource: resource.name,
    text: `The resource '${resource.name}' was ended because ${where} had no quorum for a while; that is no failure.`,
    cause,
  });
  context.touched.add(resource.group);
}
