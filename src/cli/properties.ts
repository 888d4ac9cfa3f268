import type { ApiClient } from "../api/client.ts";
import { MusterError } from "../model/errors.ts";
import type { PropertyValue } from "../model/objects.ts";
import { commonProperties } from "../model/properties.ts";
import type { PropertyTable } from "../model/properties.ts";
import type { ResourceTypeView } from "../model/views.ts";

/** NAME=VALUE words of the command line as property bags. */

export type Bag = Record<string, PropertyValue>;

export function parsePairs(words: readonly string[], table: PropertyTable): Bag {
  return Object.fromEntries(
    words.map((word) => {
      const { name, text } = split(word);
      return [name, parseValue(name, text, table)];
    }),
  );
}

/** Common and private properties may be mixed on the command line; the type tells which is which. */
export async function parseResourcePairs(client: ApiClient, type: string, words: readonly string[]): Promise<{ properties: Bag; privateProperties: Bag }> {
  if (words.length === 0) return { properties: {}, privateProperties: {} };
  const types = await client.get<ResourceTypeView[]>("/v1/resource-types");
  const privateTable = types.find((known) => known.name.toLowerCase() === type.toLowerCase())?.privateProperties ?? [];
  const isPrivate = (word: string): boolean => {
    const { name } = split(word);
    return privateTable.some((property) => property.name === name) || !commonProperties.resource.some((property) => property.name === name);
  };
  return {
    properties: parsePairs(words.filter((word) => !isPrivate(word)), commonProperties.resource),
    privateProperties: parsePairs(words.filter(isPrivate), privateTable),
  };
}

function split(word: string): { readonly name: string; readonly text: string } {
  const at = word.indexOf("=");
  if (at < 1) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: word, problem: "write properties as NAME=VALUE" });
  return { name: word.slice(0, at), text: word.slice(at + 1) };
}

function parseValue(name: string, text: string, table: PropertyTable): PropertyValue {
  const type = table.find((property) => property.name === name)?.type;
  switch (type) {
    case "number":
      // What is not a number goes on as text: the cluster answers with the allowed range.
      return /^-?\d+$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "stringList":
      return text === "" ? [] : text.split(",");
    default:
      return text;
  }
}
