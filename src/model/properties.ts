import { UNSET } from "./states.ts";
import type { PropertyBag, PropertyValue } from "./objects.ts";
import { MusterError } from "./errors.ts";

/**
 * The properties of every kind of object: one table that validation, the command line,
 * the API and the documentation are made from (reference 1.10, 2.5-2.7; where the
 * developer page and the product differ, the product's value).
 */
export interface PropertyDefinition {
  readonly name: string;
  readonly type: "number" | "string" | "boolean" | "stringList";
  readonly default: PropertyValue;
  /** Inclusive, for numbers. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** A number outside the range that is allowed as well: "unset". */
  readonly unset?: number;
  /** Allowed strings. */
  readonly oneOf?: readonly string[];
  readonly readOnly?: boolean;
  /** For private properties: must be given when a resource of the type is made. */
  readonly required?: boolean;
  /** The record keeps the value even when it equals the default, because "absent" means something else. */
  readonly keepDefault?: boolean;
  readonly unit?: string;
  readonly description: string;
}

export type PropertyTable = readonly PropertyDefinition[];

export const clusterProperties: PropertyTable = [
  { name: "Description", type: "string", default: "", description: "Free text." },
];

export const nodeProperties: PropertyTable = [
  { name: "Description", type: "string", default: "", description: "Free text." },
];

export const groupProperties: PropertyTable = [
  { name: "Description", type: "string", default: "", description: "Free text." },
  { name: "PersistentState", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = the group shall be online; set by online, cleared by offline, untouched by a failover." },
  { name: "FailoverThreshold", type: "number", default: UNSET, minimum: 0, maximum: UNSET, description: "Failovers allowed inside FailoverPeriod; 4294967295 stands for number of nodes - 1." },
  { name: "FailoverPeriod", type: "number", default: 6, minimum: 0, maximum: 1193, unit: "hours", description: "The window in which failovers are counted." },
];

export const resourceProperties: PropertyTable = [
  { name: "Description", type: "string", default: "", description: "Free text." },
  { name: "PersistentState", type: "number", default: 0, minimum: 0, maximum: 1, readOnly: true, keepDefault: true, description: "Set by online and offline of this resource alone; absent = it follows its group." },
  { name: "RestartAction", type: "number", default: 2, minimum: 0, maximum: 2, description: "0 stay failed, 1 restart on this node only, 2 restart, then fail the group over." },
  { name: "RestartThreshold", type: "number", default: 1, minimum: 0, maximum: UNSET, description: "Restarts allowed inside RestartPeriod." },
  { name: "RestartPeriod", type: "number", default: 900_000, minimum: 0, maximum: UNSET, unit: "ms", description: "The sliding window in which restarts are counted." },
  { name: "RestartDelay", type: "number", default: 500, minimum: 0, maximum: UNSET, unit: "ms", description: "Wait before a restart." },
  { name: "RetryPeriodOnFailure", type: "number", default: 3_600_000, minimum: 0, maximum: UNSET, unit: "ms", description: "A failed resource is tried once more after this time; 4294967295 = never; at least RestartPeriod." },
  { name: "PendingTimeout", type: "number", default: 180_000, minimum: 10, maximum: UNSET, unit: "ms", description: "Longest time in a pending state without progress." },
  { name: "DeadlockTimeout", type: "number", default: 300_000, minimum: 1000, maximum: UNSET, unit: "ms", description: "Longest time one call of a resource type may take before its monitor is ended." },
  { name: "LooksAlivePollInterval", type: "number", default: UNSET, minimum: 10, maximum: UNSET, unit: "ms", description: "Cheap health check; 4294967295 = the type's value." },
  { name: "IsAlivePollInterval", type: "number", default: UNSET, minimum: 10, maximum: UNSET, unit: "ms", description: "Thorough health check; 4294967295 = the type's value." },
];

export const resourceTypeProperties: PropertyTable = [
  { name: "LooksAlivePollInterval", type: "number", default: 5_000, minimum: 10, maximum: UNSET, unit: "ms", description: "Cheap health check of resources that do not set their own." },
  { name: "IsAlivePollInterval", type: "number", default: 60_000, minimum: 10, maximum: UNSET, unit: "ms", description: "Thorough health check of resources that do not set their own." },
];

export type PropertyOwner = "cluster" | "node" | "group" | "resource" | "resourceType";

export const commonProperties: Readonly<Record<PropertyOwner, PropertyTable>> = {
  cluster: clusterProperties,
  node: nodeProperties,
  group: groupProperties,
  resource: resourceProperties,
  resourceType: resourceTypeProperties,
};

/** The value in force: the record's own or the default. */
export function propertyOf(table: PropertyTable, bag: PropertyBag, name: string): PropertyValue {
  const own = bag[name];
  if (own !== undefined) return own;
  const definition = table.find((property) => property.name === name);
  if (definition === undefined) throw new MusterError("MUSTER_INTERNAL", { problem: `no property ${name}` });
  return definition.default;
}

export function numberPropertyOf(table: PropertyTable, bag: PropertyBag, name: string): number {
  return Number(propertyOf(table, bag, name));
}

/**
 * Checks a bag of new values against a table; nothing is changed.
 * @param object what the properties belong to, for the message
 * @throws MusterError naming the field: unknown, read-only, of another type or out of range
 */
export function validateProperties(table: PropertyTable, bag: PropertyBag, object: string): void {
  for (const [name, value] of Object.entries(bag)) {
    const definition = table.find((property) => property.name === name);
    if (definition === undefined) {
      throw new MusterError("MUSTER_UNKNOWN_PROPERTY", { field: name, object, known: table.map((property) => property.name).join(", ") });
    }
    if (definition.readOnly) throw new MusterError("MUSTER_READ_ONLY_PROPERTY", { field: name });
    if (!allows(definition, value)) {
      throw new MusterError("MUSTER_PROPERTY_RANGE", { field: name, value: JSON.stringify(value), range: describeRange(definition) });
    }
  }
}

/** Checks that every required property has a value. @throws MusterError MUSTER_MISSING_PROPERTY */
export function requireProperties(table: PropertyTable, bag: PropertyBag, type: string): void {
  for (const definition of table) {
    if (definition.required && bag[definition.name] === undefined) {
      throw new MusterError("MUSTER_MISSING_PROPERTY", { field: definition.name, type });
    }
  }
}

function allows(definition: PropertyDefinition, value: PropertyValue): boolean {
  switch (definition.type) {
    case "boolean":
      return typeof value === "boolean";
    case "stringList":
      return Array.isArray(value) && value.every((item) => typeof item === "string" && item.length <= 4096);
    case "string":
      return typeof value === "string" && value.length <= 8192 && (definition.oneOf === undefined || definition.oneOf.includes(value));
    case "number":
      if (typeof value !== "number" || !Number.isInteger(value)) return false;
      if (value === definition.unset) return true;
      return value >= (definition.minimum ?? 0) && value <= (definition.maximum ?? Number.MAX_SAFE_INTEGER);
  }
}

/** The allowed values in words. */
export function describeRange(definition: PropertyDefinition): string {
  switch (definition.type) {
    case "boolean":
      return "true or false";
    case "stringList":
      return "a list of strings";
    case "string":
      return definition.oneOf === undefined ? "a string of at most 8192 characters" : `one of ${definition.oneOf.join(", ")}`;
    case "number":
      return `a whole number from ${definition.minimum ?? 0} to ${definition.maximum ?? Number.MAX_SAFE_INTEGER}${definition.unit === undefined ? "" : ` (${definition.unit})`}`;
  }
}
