import { clusterProperties } from "./properties/cluster.ts";
import { groupProperties } from "./properties/group.ts";
import { groupSetProperties } from "./properties/group-set.ts";
import { networkProperties } from "./properties/network.ts";
import { networkInterfaceProperties } from "./properties/network-interface.ts";
import { nodeProperties } from "./properties/node.ts";
import { resourceProperties } from "./properties/resource.ts";
import { resourceTypeProperties } from "./properties/resource-type.ts";
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
  /** Not kept in the record: what it says follows from the state. */
  readonly computed?: boolean;
  /** Kept and shown, but nothing acts on it in this release. */
  readonly stored?: boolean;
  /** For private properties: must be given when a resource of the type is made. */
  readonly required?: boolean;
  /** The record keeps the value even when it equals the default, because "absent" means something else. */
  readonly keepDefault?: boolean;
  readonly unit?: string;
  readonly description: string;
}

export type PropertyTable = readonly PropertyDefinition[];

export { clusterProperties, groupProperties, groupSetProperties, networkInterfaceProperties, networkProperties, nodeProperties, resourceProperties, resourceTypeProperties };

export type PropertyOwner = "cluster" | "node" | "group" | "resource" | "resourceType" | "network" | "networkInterface" | "groupSet";

export const commonProperties: Readonly<Record<PropertyOwner, PropertyTable>> = {
  cluster: clusterProperties,
  node: nodeProperties,
  group: groupProperties,
  resource: resourceProperties,
  resourceType: resourceTypeProperties,
  network: networkProperties,
  networkInterface: networkInterfaceProperties,
  groupSet: groupSetProperties,
};

/** The value in force: the record's own or the default. */
export function propertyOf(table: PropertyTable, bag: PropertyBag, name: string): PropertyValue {
  const own = bag[name];
  if (own !== undefined) return own;
  const definition = definitionOf(table, name);
  if (definition === undefined) throw new MusterError("MUSTER_INTERNAL", { problem: `no property ${name}` });
  return definition.default;
}

const byName = new WeakMap<PropertyTable, ReadonlyMap<string, PropertyDefinition>>();

export function definitionOf(table: PropertyTable, name: string): PropertyDefinition | undefined {
  let index = byName.get(table);
  if (index === undefined) {
    index = new Map(table.map((property) => [property.name, property]));
    byName.set(table, index);
  }
  return index.get(name);
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
    const definition = definitionOf(table, name);
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
