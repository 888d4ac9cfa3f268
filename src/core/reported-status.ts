import type { Generation, NodeId } from "../model/identifiers.ts";
import type { ReportedStatus } from "../model/inputs.ts";
import type { ResourceRecord } from "../model/objects.ts";
import { numberPropertyOf, resourceProperties } from "../model/properties.ts";
import { EmbeddedFailureAction, ResourceStatus } from "../model/states.ts";
import type { StepContext } from "./context.ts";
import { failResource } from "./failure.ts";
import { endCopy } from "./leftovers.ts";
import { quote } from "./moving.ts";
import type { ResourceRow } from "./records.ts";
import { withReported } from "./status-bits.ts";

/** What a type says beside the state (reference 2.4, 2.9), by a report or, after a new view, by an inventory. */

export interface StatusSource {
  readonly node: NodeId;
  readonly generation: Generation;
  /** Why, for people; of interest when the application inside failed. */
  readonly reason: string;
}

/** Only what runs has a status; one that stopped has none any more. */
export function noteStatus(context: StepContext, resource: ResourceRecord, status: ReportedStatus, source: StatusSource): void {
  const row = context.resource(resource.id);
  if (!isPendingOrOnline(row)) return;
  const action = numberPropertyOf(resourceProperties, resource.properties, "EmbeddedFailureAction");
  const heeded = action === EmbeddedFailureAction.None ? { ...status, embeddedFailure: false } : status;
  const bits = withReported(row.status, heeded);
  if (bits === row.status) return;
  const failed = (bits & ~row.status & ResourceStatus.EmbeddedFailure) !== 0;
  context.setResource(row.id, { status: bits });
  context.touchWaiters(resource.group);
  if (failed) embeddedFailure(context, resource, source, action === EmbeddedFailureAction.Recover);
}

/** The application inside failed although the resource runs (reference 2.9): its monitor has ended nothing yet. */
function embeddedFailure(context: StepContext, resource: ResourceRecord, { node, generation, reason }: StatusSource, recover: boolean): void {
  const group = context.state.tables.groups.get(resource.group);
  const why = reason === "" ? "no reason was given" : trimEnd(reason);
  const text = `The application inside the resource '${resource.name}' failed: ${why}.`;
  context.event("EmbeddedFailure", { node, group: group?.name ?? null, resource: resource.name, text, next: `muster why ${quote(group?.name ?? "")}` });
  if (!recover || context.resource(resource.id).state !== "Online") return;
  const effect = endCopy(context, { resource, group: resource.group, groupName: group?.name ?? "", generation }, node, "The application inside failed.");
  context.setResource(resource.id, { lastEffect: effect });
  failResource(context, resource.id, `the application inside failed: ${why}`);
}

export function isPendingOrOnline(row: ResourceRow): boolean {
  return row.state === "Online" || row.state === "OnlinePending" || row.state === "OfflinePending";
}

/** Reasons become part of sentences: no full stop at their end. */
export function trimEnd(text: string): string {
  return text.trim().replace(/\.+$/, "");
}
