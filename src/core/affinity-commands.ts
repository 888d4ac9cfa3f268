import { MusterError } from "../model/errors.ts";
import type { GroupId } from "../model/identifiers.ts";
import type { AffinityRuleRecord } from "../model/objects.ts";
import { AffinityRuleType } from "../model/states.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { sayChanged } from "./group-commands.ts";
import { AFFINITY_GROUPS_MAX, AFFINITY_RULES_MAX } from "./limits.ts";
import { foldName } from "./order.ts";
import { checkName, findGroup, invalid, requireText } from "./resolve.ts";
import type { ClusterState } from "./state.ts";

/** Commands on affinity rules (reference 2.10). A change affects later placements only: nothing that runs is moved by it. */

export function createAffinityRule({ state, stamp }: Configuring, command: CommandOf<"affinity.create">): Reaction {
  if (state.tables.affinityRules.size >= AFFINITY_RULES_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of affinity rules", limit: AFFINITY_RULES_MAX });
  const rule: AffinityRuleRecord = {
    id: `a${stamp.epoch}.${stamp.index}`,
    name: freeName(state, command.name, null),
    type: checkType(command.type),
    groups: checkGroups(state, command.groups ?? []),
    enabled: checkFlag(command.enabled ?? true, "enabled"),
    soft: checkFlag(command.soft ?? false, "soft"),
  };
  state.tables.affinityRules.put(rule.id, rule);
  return said(`The affinity rule '${rule.name}' was created.`);
}

export function setAffinityRule({ state }: Configuring, command: CommandOf<"affinity.set">): Reaction {
  const before = findAffinityRule(state, command.rule);
  const rule: AffinityRuleRecord = {
    ...before,
    name: command.name === undefined ? before.name : freeName(state, command.name, before),
    type: command.type === undefined ? before.type : checkType(command.type),
    groups: command.groups === undefined ? before.groups : checkGroups(state, command.groups),
    enabled: checkFlag(command.enabled ?? before.enabled, "enabled"),
    soft: checkFlag(command.soft ?? before.soft, "soft"),
  };
  state.tables.affinityRules.put(rule.id, rule);
  return said(`The affinity rule '${before.name}' was changed.${rule.name === before.name ? "" : ` Its name is now '${rule.name}'.`}`);
}

export function deleteAffinityRule({ state }: Configuring, command: CommandOf<"affinity.delete">): Reaction {
  const rule = findAffinityRule(state, command.rule);
  state.tables.affinityRules.remove(rule.id);
  return said(`The affinity rule '${rule.name}' was deleted.`);
}

/** A group that is deleted leaves its rules; the rules stay, also empty ones. */
export function leaveAffinityRules(state: ClusterState, group: GroupId): void {
  for (const id of state.placement.rulesByGroup.of(group)) {
    const rule = state.tables.affinityRules.get(id) as AffinityRuleRecord;
    state.tables.affinityRules.put(id, { ...rule, groups: rule.groups.filter((other) => other !== group) });
  }
}

export function findAffinityRule(state: ClusterState, name: unknown, field = "rule"): AffinityRuleRecord {
  const text = requireText(name, field);
  const found = named(state, text) ?? state.tables.affinityRules.get(text);
  if (found === undefined) throw new MusterError("MUSTER_AFFINITY_RULE_NOT_FOUND", { field, name: text });
  return found;
}

function named(state: ClusterState, name: string): AffinityRuleRecord | undefined {
  const folded = foldName(name);
  for (const id of state.tables.affinityRules.keys()) {
    const rule = state.tables.affinityRules.get(id);
    if (rule !== undefined && foldName(rule.name) === folded) return rule;
  }
  return undefined;
}

function freeName(state: ClusterState, value: unknown, own: AffinityRuleRecord | null): string {
  const name = checkName(value);
  const taken = named(state, name);
  if (taken !== undefined && taken.id !== own?.id) throw new MusterError("MUSTER_NAME_IN_USE", { field: "name", name });
  return name;
}

function checkType(value: unknown): AffinityRuleType {
  const text = requireText(value, "type");
  const found = (Object.keys(AffinityRuleType) as AffinityRuleType[]).find((type) => foldName(type) === foldName(text));
  if (found === undefined) throw invalid("type", `one of ${Object.keys(AffinityRuleType).join(", ")}`);
  return found;
}

function checkGroups(state: ClusterState, names: unknown): GroupId[] {
  if (!Array.isArray(names)) throw invalid("groups", "a list of role names is required");
  if (names.length > AFFINITY_GROUPS_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of roles in an affinity rule", limit: AFFINITY_GROUPS_MAX });
  const ids = names.map((name) => findGroup(state, name, "groups").id);
  if (new Set(ids).size !== ids.length) throw invalid("groups", "a role is named twice");
  return ids;
}

function checkFlag(value: unknown, field: string): boolean {
  if (typeof value !== "boolean") throw invalid(field, "true or false is required");
  return value;
}

/** What waited because of a rule may be able to start now. */
function said(text: string): Reaction {
  return (context) => {
    sayChanged(context, null, text);
    context.touchWaiting();
    return null;
  };
}
