import { MusterError } from "../model/errors.ts";
import type { GroupId, ResourceId } from "../model/identifiers.ts";
import type { ResourceRecord } from "../model/objects.ts";
import { DEPENDENCY_LENGTH_MAX } from "./limits.ts";
import type { ClusterState } from "./state.ts";

/**
 * Dependency expressions (reference 2.8):
 * `clause { and clause }`, a clause being `[a]` or `([a] or [b])`. Every clause needs a provider online.
 */
export type Dependencies = readonly (readonly ResourceId[])[];

/** @returns the names as written, clause by clause; an empty text depends on nothing */
export function parseDependency(text: string): string[][] {
  if (text.length > DEPENDENCY_LENGTH_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The length of a dependency expression", limit: DEPENDENCY_LENGTH_MAX });
  const tokens = tokenize(text);
  let position = 0;
  const peek = (): Token | undefined => tokens[position];
  const problem = (expected: string): never => {
    const found = peek();
    throw syntax(found === undefined ? `${expected} is missing at the end` : `${expected} expected at character ${found.at + 1}, found '${found.text}'`);
  };
  const accept = (kind: TokenKind): Token | undefined => (peek()?.kind === kind ? tokens[position++] : undefined);
  const reference = (): string => (accept("reference") ?? problem("a name in brackets")).text.slice(1, -1).trim();

  const clauses: string[][] = [];
  if (tokens.length === 0) return clauses;
  do {
    if (accept("open") === undefined) {
      clauses.push([reference()]);
      continue;
    }
    const clause = [reference()];
    while (accept("or") !== undefined) clause.push(reference());
    if (accept("close") === undefined) problem("'or' or ')'");
    clauses.push(clause);
  } while (accept("and") !== undefined);
  if (peek() !== undefined) problem("'and'");
  return clauses;
}

type TokenKind = "open" | "close" | "and" | "or" | "reference";

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly at: number;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:(\()|(\))|(\[[^\][]*\])|([A-Za-z]+)|(\S))/y;
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const match = pattern.exec(text);
    if (match === null) break;
    const [whole, open, close, reference, word, other] = match;
    const found = whole.trim();
    const at = pattern.lastIndex - found.length;
    const folded = word?.toLowerCase();
    if (open !== undefined) tokens.push({ kind: "open", text: found, at });
    else if (close !== undefined) tokens.push({ kind: "close", text: found, at });
    else if (reference !== undefined && reference.slice(1, -1).trim() !== "") tokens.push({ kind: "reference", text: found, at });
    else if (folded === "and" || folded === "or") tokens.push({ kind: folded, text: found, at });
    else throw syntax(`'${reference ?? word ?? other ?? ""}' at character ${at + 1} is not understood`);
  }
  return tokens;
}

function syntax(problem: string): MusterError {
  return new MusterError("MUSTER_DEPENDENCY_SYNTAX", { field: "dependency", problem });
}

/** The expression as people write it. */
export function printDependency(state: ClusterState, dependencies: Dependencies): string {
  const name = (id: ResourceId): string => `[${state.tables.resources.get(id)?.name ?? id}]`;
  return dependencies.map((clause) => (clause.length === 1 ? name(clause[0] as ResourceId) : `(${clause.map(name).join(" or ")})`)).join(" and ");
}

/**
 * From the text to the ids of providers in the dependent's group.
 * @param dependent null for a resource that is being created: nothing can depend on it yet
 */
export function resolveDependency(state: ClusterState, text: string, group: GroupId, dependent: ResourceRecord | null): Dependencies {
  const clauses: ResourceId[][] = [];
  for (const names of parseDependency(text)) {
    const clause: ResourceId[] = [];
    for (const name of names) {
      const id = state.resourceIdNamed(name) ?? name;
      const provider = state.tables.resources.get(id);
      if (provider === undefined) throw new MusterError("MUSTER_RESOURCE_NOT_FOUND", { field: "dependency", name });
      if (provider.group !== group) {
        throw new MusterError("MUSTER_DEPENDENCY_OUTSIDE_GROUP", { field: "dependency", provider: provider.name, group: state.tables.groups.get(group)?.name ?? group });
      }
      if (!clause.includes(provider.id)) clause.push(provider.id);
    }
    if (!clauses.some((other) => other.length === clause.length && other.every((id) => clause.includes(id)))) clauses.push(clause);
  }
  if (dependent !== null) refuseCycle(state, dependent, clauses);
  return clauses;
}

function refuseCycle(state: ClusterState, dependent: ResourceRecord, clauses: Dependencies): void {
  const visited = new Set<ResourceId>();
  const search = (id: ResourceId, path: readonly string[]): void => {
    const resource = state.tables.resources.get(id);
    const extended = [...path, resource?.name ?? id];
    if (id === dependent.id) throw new MusterError("MUSTER_DEPENDENCY_CYCLE", { field: "dependency", path: extended.join(" → ") });
    if (visited.has(id)) return;
    visited.add(id);
    for (const provider of resource?.dependencies.flat() ?? []) search(provider, extended);
  };
  for (const provider of clauses.flat()) search(provider, [dependent.name]);
}

/** Providers before dependents; otherwise by id. */
export function providersFirst(resources: readonly ResourceRecord[]): ResourceRecord[] {
  const byId = new Map(resources.map((resource) => [resource.id, resource]));
  const ordered: ResourceRecord[] = [];
  const visited = new Set<ResourceId>();
  const visit = (resource: ResourceRecord): void => {
    if (visited.has(resource.id)) return;
    visited.add(resource.id);
    for (const provider of resource.dependencies.flat()) {
      const found = byId.get(provider);
      if (found !== undefined) visit(found);
    }
    ordered.push(resource);
  };
  for (const resource of resources) visit(resource);
  return ordered;
}

/** Everything the resource needs, directly or not, without itself. */
export function allProviders(state: ClusterState, resource: ResourceRecord): ResourceRecord[] {
  const found = new Map<ResourceId, ResourceRecord>();
  const visit = (current: ResourceRecord): void => {
    for (const id of current.dependencies.flat()) {
      const provider = state.tables.resources.get(id);
      if (provider === undefined || found.has(id)) continue;
      found.set(id, provider);
      visit(provider);
    }
  };
  visit(resource);
  return [...found.values()];
}
