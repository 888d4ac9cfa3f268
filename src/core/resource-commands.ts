import { MusterError } from "../model/errors.ts";
import type { GroupRecord, PropertyBag, ResourceRecord, ResourceTypeRecord } from "../model/objects.ts";
import { numberPropertyOf, requireProperties, resourceProperties, resourceTypeProperties } from "../model/properties.ts";
import type { PropertyTable } from "../model/properties.ts";
import { builtInResourceTypes } from "../model/resource-types.ts";
import { ProtectionClasses, UNSET } from "../model/states.ts";
import type { ProtectionClass } from "../model/states.ts";
import { checkAddressNetwork, oddAddressNetwork } from "./address-network.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import type { StepContext } from "./context.ts";
import { allProviders, printDependency, resolveDependency } from "./dependency.ts";
import { failResource } from "./failure.ts";
import { forgetResource, sayChanged } from "./group-commands.ts";
import { endCopy } from "./leftovers.ts";
import { RESOURCES_PER_GROUP_MAX, RESOURCE_TYPES_MAX, TYPE_PROPERTIES_MAX } from "./limits.ts";
import { quote, startMove } from "./moving.ts";
import { foldName } from "./order.ts";
import { bestNode, whyNeverOn } from "./placement.ts";
import { checkName, checkNodes, findGroup, findResource, findType, invalid, mergeProperties, requireBag, requireText, withProperty } from "./resolve.ts";
import { askForStart } from "./start-order.ts";
import type { ClusterState } from "./state.ts";
import { groupWantedOnline, resourceWantedOnline } from "./wanted.ts";

/** Commands on resources and their types (reference 2.6, 2.8, 2.9 "Manual operations"). */

export function createResource({ state, stamp }: Configuring, command: CommandOf<"resource.create">): Reaction {
  const name = freeResourceName(state, command.name, null);
  const group = findGroup(state, command.group);
  const type = findType(state, command.type);
  if (state.resourceCountOf(group.id) >= RESOURCES_PER_GROUP_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of resources in a role", limit: RESOURCES_PER_GROUP_MAX });
  const given = mergeProperties(resourceProperties, {}, command.properties, "properties", "a resource");
  checkPeriods(given);
  const privateProperties = mergeProperties(type.privateProperties, {}, command.privateProperties, "privateProperties", `the type ${type.name}`);
  requireProperties(type.privateProperties, privateProperties, type.name);
  checkAddressNetwork(state, { type: type.name, privateProperties });
  const resource: ResourceRecord = {
    id: `r${stamp.epoch}.${stamp.index}`,
    name,
    group: group.id,
    type: type.name,
    dependencies: command.dependency === undefined ? [] : resolveDependency(state, requireText(command.dependency, "dependency"), group.id, null),
    possibleOwners: checkPossibleOwners(state, command.possibleOwners),
    // A new resource is offline, even in a role that is online: who made it may not be done yet.
    properties: groupWantedOnline(group) ? withProperty(resourceProperties, given, "PersistentState", 0) : given,
    privateProperties,
  };
  state.tables.resources.put(resource.id, resource);
  return (context) => {
    const cause = sayChanged(context, group.name, `The resource '${resource.name}' was created in the role '${group.name}'.`, resource.name);
    leaveForbiddenNode(context, group, cause);
    context.touched.add(group.id);
    const start = groupWantedOnline(group) ? `The resource is offline; bring it online with: muster resource online ${quote(resource.name)}` : null;
    return joined(start, oddAddressNetwork(context.state, resource));
  };
}

export function deleteResource({ state }: Configuring, command: CommandOf<"resource.delete">): Reaction {
  const resource = findResource(state, command.resource);
  const group = groupOf(state, resource);
  const dependents = state.dependentIdsOf(resource.id).map((id) => `'${state.tables.resources.get(id)?.name ?? id}'`);
  if (dependents.length > 0) throw new MusterError("MUSTER_RESOURCE_HAS_DEPENDENTS", { field: "resource", name: resource.name, dependents: dependents.join(", ") });
  if (command.force !== true && resourceWantedOnline(group, resource)) throw new MusterError("MUSTER_RESOURCE_NOT_OFFLINE", { field: "resource", name: resource.name });
  state.tables.resources.remove(resource.id);
  return (context) => {
    forgetResource(context, group, resource);
    sayChanged(context, group.name, `The resource '${resource.name}' was deleted.`, resource.name);
    context.touched.add(group.id);
    return null;
  };
}

export function setResource({ state }: Configuring, command: CommandOf<"resource.set">): Reaction {
  const before = findResource(state, command.resource);
  const group = groupOf(state, before);
  const type = findType(state, before.type);
  const properties = mergeProperties(resourceProperties, before.properties, command.properties, "properties", "a resource");
  checkPeriods(properties);
  const privateProperties = mergeProperties(type.privateProperties, before.privateProperties, command.privateProperties, "privateProperties", `the type ${type.name}`);
  requireProperties(type.privateProperties, privateProperties, type.name);
  checkAddressNetwork(state, { type: type.name, privateProperties });
  const resource: ResourceRecord = {
    ...before,
    name: command.name === undefined ? before.name : freeResourceName(state, command.name, before),
    possibleOwners: command.possibleOwners === undefined ? before.possibleOwners : checkPossibleOwners(state, command.possibleOwners),
    properties,
    privateProperties,
  };
  state.tables.resources.put(resource.id, resource);
  return (context) => {
    const renamed = resource.name === before.name ? "" : ` Its name is now '${resource.name}'.`;
    const cause = sayChanged(context, group.name, `The resource '${before.name}' was changed.${renamed}`, resource.name);
    leaveForbiddenNode(context, group, cause);
    context.touched.add(group.id);
    const running = context.resource(resource.id).state !== "Offline" && JSON.stringify(privateProperties) !== JSON.stringify(before.privateProperties);
    const later = running ? "Health checks use the new values from now on; how it is started, the next time it is brought online." : null;
    return joined(later, command.privateProperties === undefined ? null : oddAddressNetwork(context.state, resource));
  };
}

function joined(...sentences: readonly (string | null)[]): string | null {
  return sentences.filter((sentence) => sentence !== null).join(" ") || null;
}

/** The owner is no possible owner any more: the group goes where it may be. */
export function leaveForbiddenNode(context: StepContext, group: GroupRecord, cause: string): void {
  const { owner, movingTo } = context.group(group.id);
  if (owner === null || movingTo !== null) return;
  const problem = whyNeverOn(context, group, owner);
  const to = problem === null ? null : bestNode(context, group, owner);
  if (to === null) return;
  const text = `moves from ${context.nodeName(owner)} to ${context.nodeName(to)}: ${context.nodeName(owner)} ${problem}.`;
  const event = context.event("GroupMoving", { node: to, group: group.name, text: `The role '${group.name}' ${text}`, cause });
  context.setGroup(group.id, { reason: context.reason("moving", `It ${text}`) });
  startMove(context, group, to, "move", event);
}

export function dependResource({ state }: Configuring, command: CommandOf<"resource.depend">): Reaction {
  const before = findResource(state, command.resource);
  const group = groupOf(state, before);
  const dependencies = resolveDependency(state, requireText(command.dependency, "dependency"), group.id, before);
  refuseIfItWouldStop(state, group, before, dependencies);
  state.tables.resources.put(before.id, { ...before, dependencies });
  return (context) => {
    const text = dependencies.length === 0 ? "depends on nothing now" : `depends on ${printDependency(state, dependencies)} now`;
    sayChanged(context, group.name, `The resource '${before.name}' ${text}.`, before.name);
    context.touched.add(group.id);
    return null;
  };
}

/** A resource that shall be online cannot begin to depend on what shall be offline: it would stop at once. */
function refuseIfItWouldStop(state: ClusterState, group: GroupRecord, dependent: ResourceRecord, dependencies: ResourceRecord["dependencies"]): void {
  if (!resourceWantedOnline(group, dependent)) return;
  for (const clause of dependencies) {
    const providers = clause.map((id) => state.tables.resources.get(id) as ResourceRecord);
    if (providers.some((provider) => resourceWantedOnline(group, provider))) continue;
    const names = providers.map((provider) => `'${provider.name}'`).join(" and ");
    throw invalid("dependency", `${names} shall be offline, and '${dependent.name}' shall be online; bring ${names} online first`);
  }
}

/** Wanted online, with all it needs; the role's own wish stays. */
export function resourceOnline({ state }: Configuring, command: CommandOf<"resource.online">): Reaction {
  const resource = findResource(state, command.resource);
  const group = groupOf(state, resource);
  const all = [...allProviders(state, resource), resource];
  for (const wanted of all) setWish(state, group, wanted, 1);
  return (context) => {
    askForStart(context, group);
    if (context.resource(resource.id).state === "Online") return `The resource '${resource.name}' is online already.`;
    const cause = sayChanged(context, group.name, `The resource '${resource.name}' shall be online.`, resource.name);
    for (const { id } of all) {
      const row = context.resource(id);
      if (row.state === "Failed" || row.failuresMs.length > 0) {
        context.setResource(id, { failuresMs: [], restartAtMs: null, waitsFor: null, ...(row.state === "Failed" ? { state: "Offline" as const } : {}), reason: context.reason("new attempt", "A new attempt was ordered.") });
      }
    }
    context.setGroup(group.id, { cause, reason: context.reason("asked online", `An administrator asked for '${resource.name}' to be online.`) });
    context.touched.add(group.id);
    return null;
  };
}

/** Wanted offline; what depends on it goes offline too and comes back with it. */
export function resourceOffline({ state }: Configuring, command: CommandOf<"resource.offline">): Reaction {
  const resource = findResource(state, command.resource);
  const group = groupOf(state, resource);
  setWish(state, group, resource, 0);
  return (context) => {
    if (context.resource(resource.id).state === "Offline") return `The resource '${resource.name}' is offline already.`;
    const cause = sayChanged(context, group.name, `The resource '${resource.name}' shall be offline.`, resource.name);
    context.setGroup(group.id, { cause, ignoreLocked: command.ignoreLocked === true, reason: context.reason("asked offline", `An administrator asked for '${resource.name}' to be offline.`, `muster resource online ${quote(resource.name)}`) });
    context.touched.add(group.id);
    return null;
  };
}

/** A wish that equals the group's is no wish of its own (reference 2.5). */
function setWish(state: ClusterState, group: GroupRecord, resource: ResourceRecord, value: 0 | 1): void {
  const own = groupWantedOnline(group) === (value === 1) ? undefined : value;
  if (resource.properties["PersistentState"] === own) return;
  state.tables.resources.put(resource.id, { ...resource, properties: withProperty(resourceProperties, resource.properties, "PersistentState", own) });
}

/** A simulated failure counts as a real one; unlike after a real one, its monitor has yet to end it. */
export function failByHand({ state }: Configuring, command: CommandOf<"resource.fail">): Reaction {
  const resource = findResource(state, command.resource);
  const group = groupOf(state, resource);
  return (context) => {
    const { owner, generation } = context.group(group.id);
    if (owner === null || context.resource(resource.id).state !== "Online") throw new MusterError("MUSTER_RESOURCE_NOT_ONLINE", { field: "resource", name: resource.name });
    const effect = endCopy(context, { resource, group: group.id, groupName: group.name, generation }, owner, "A failure is simulated.");
    context.setResource(resource.id, { lastEffect: effect });
    failResource(context, resource.id, "an administrator simulated a failure");
    return null;
  };
}

/** Services send it for the modules they find; what is built in stays as it is. */
export function registerType({ state }: Configuring, command: CommandOf<"type.register">): Reaction {
  const type = requireBag(command.type, "type") as unknown as ResourceTypeRecord;
  const name = checkName(type.name, "type.name");
  const key = foldName(name);
  if (builtInResourceTypes.some((builtIn) => foldName(builtIn.name) === key)) throw new MusterError("MUSTER_NAME_IN_USE", { field: "type.name", name });
  const known = state.tables.resourceTypes.get(key);
  if (known === undefined && state.tables.resourceTypes.size >= RESOURCE_TYPES_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of resource types", limit: RESOURCE_TYPES_MAX });
  const record: ResourceTypeRecord = {
    name,
    description: requireText(type.description ?? "", "type.description"),
    properties: mergeProperties(resourceTypeProperties, {}, type.properties ?? {}, "type.properties", "a resource type"),
    privateProperties: checkDefinitions(type.privateProperties ?? []),
    ...(type.protection === undefined ? {} : { protection: checkProtection(type.protection) }),
  };
  const same = JSON.stringify(known) === JSON.stringify(record);
  if (!same) state.tables.resourceTypes.put(key, record);
  return (context) => {
    if (same) return `The type '${name}' is registered already.`;
    sayChanged(context, null, `The resource type '${name}' was ${known === undefined ? "registered" : "changed"}.`);
    return null;
  };
}

function checkDefinitions(table: unknown): PropertyTable {
  const field = "type.privateProperties";
  if (!Array.isArray(table)) throw invalid(field, "a list of property definitions is required");
  if (table.length > TYPE_PROPERTIES_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of properties of a type", limit: TYPE_PROPERTIES_MAX });
  const names = new Set<string>();
  for (const [position, value] of (table as unknown[]).entries()) {
    const definition = requireBag(value, `${field}[${position}]`);
    const name = requireText(definition["name"], `${field}[${position}].name`);
    if (!/^[A-Za-z][A-Za-z0-9]{0,63}$/.test(name)) throw invalid(`${field}[${position}].name`, "1 to 64 letters and digits, a letter first");
    if (names.has(name)) throw invalid(`${field}[${position}].name`, `'${name}' is defined twice`);
    names.add(name);
    const kinds: Readonly<Record<string, (value: unknown) => boolean>> = {
      string: (given) => typeof given === "string",
      number: (given) => Number.isSafeInteger(given),
      boolean: (given) => typeof given === "boolean",
      stringList: (given) => Array.isArray(given) && given.every((item) => typeof item === "string"),
    };
    const fits = kinds[String(definition["type"])];
    if (fits === undefined) throw invalid(`${field}[${position}].type`, `one of ${Object.keys(kinds).join(", ")}`);
    if (!fits(definition["default"])) throw invalid(`${field}[${position}].default`, `a value of the type ${String(definition["type"])} is required`);
    requireText(definition["description"], `${field}[${position}].description`);
  }
  return table as PropertyTable;
}

function checkProtection(value: unknown): ProtectionClass {
  const found = ProtectionClasses.find((known) => known === value);
  if (found === undefined) throw invalid("type.protection", `one of ${ProtectionClasses.join(", ")}`);
  return found;
}

function checkPossibleOwners(state: ClusterState, names: readonly string[] | null | undefined): readonly number[] | null {
  if (names === undefined || names === null) return null;
  const ids = checkNodes(state, names, "possibleOwners");
  if (ids.length === 0) throw invalid("possibleOwners", "at least one node is required; null stands for all");
  return ids.sort((left, right) => left - right);
}

/** Reference 2.6: the retry comes after the window of the restarts. */
function checkPeriods(properties: PropertyBag): void {
  const period = numberPropertyOf(resourceProperties, properties, "RestartPeriod");
  const retry = numberPropertyOf(resourceProperties, properties, "RetryPeriodOnFailure");
  if (retry < period) {
    throw new MusterError("MUSTER_PROPERTY_RANGE", { field: "RetryPeriodOnFailure", value: retry, range: `a whole number from RestartPeriod (${period}) to ${UNSET} (ms; ${UNSET} = never)` });
  }
}

function groupOf(state: ClusterState, resource: ResourceRecord): GroupRecord {
  return state.tables.groups.get(resource.group) as GroupRecord;
}

function freeResourceName(state: ClusterState, value: unknown, own: ResourceRecord | null): string {
  const name = checkName(value);
  const taken = state.resourceIdNamed(name);
  if (taken !== undefined && taken !== own?.id) throw new MusterError("MUSTER_NAME_IN_USE", { field: "name", name });
  return name;
}
