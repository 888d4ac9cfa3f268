import { MusterError } from "../model/errors.ts";
import { NODES_MAX } from "../model/identifiers.ts";
import type { NodeId } from "../model/identifiers.ts";
import { printHash } from "./hash.ts";
import { ClusterState, ONLY, tableKinds, tableNames } from "./state.ts";
import type { TableName } from "./state.ts";

/** How a state is made, stored, copied and compared. */

/** What a cluster begins with: every node is given the same. */
export interface Genesis {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly nodes: readonly { readonly id: NodeId; readonly name: string; readonly addresses?: readonly string[] }[];
}

/** One durable record as the database keeps it. */
export interface DurableRow {
  readonly table: string;
  readonly key: string;
  /** JSON. */
  readonly value: string;
}

const SNAPSHOT_VERSION = 1;

export function createState(genesis: Genesis): ClusterState {
  if (genesis.nodes.length > NODES_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of nodes", limit: NODES_MAX });
  const state = ClusterState.empty();
  state.tables.cluster.load([[ONLY, { id: genesis.clusterId, name: genesis.clusterName, properties: {} }]]);
  state.tables.nodes.load(genesis.nodes.map(({ id, name, addresses }) => [String(id), { id, name, paused: false, properties: {}, ...(addresses === undefined ? {} : { addresses }) }]));
  return state;
}

/** The state of a node that starts: the configuration from its database, nothing known of what runs. */
export function loadState(rows: readonly DurableRow[]): ClusterState {
  const state = ClusterState.empty();
  for (const row of rows) {
    const name = tableNames.find((candidate) => candidate === row.table && tableKinds[candidate] === "durable");
    if (name === undefined) throw new MusterError("MUSTER_INTERNAL", { problem: `the database holds an unknown table "${row.table}"` });
    state.table(name).load([[row.key, JSON.parse(row.value) as object]]);
  }
  return state;
}

export function durableRows(state: ClusterState): DurableRow[] {
  return tableNames
    .filter((name) => tableKinds[name] === "durable")
    .flatMap((name) => state.table(name).keys().map((key) => ({ table: name, key, value: JSON.stringify(state.table(name).get(key)) })));
}

/** Everything, run-time state and events included; {@link restore} makes a state that goes on exactly like this one. */
export function snapshot(state: ClusterState): string {
  const tables: Partial<Record<TableName, [string, object][]>> = {};
  for (const name of tableNames) {
    const table = state.table(name);
    tables[name] = table.keys().map((key) => [key, table.get(key) as object]);
  }
  return JSON.stringify({ version: SNAPSHOT_VERSION, tables });
}

/** @param rehearses for a state that is looked at and thrown away: it keeps no hash, which is half of the work */
export function restore(text: string, rehearses = false): ClusterState {
  const stored = JSON.parse(text) as { version: number; tables: Record<string, [string, object][]> };
  if (stored.version !== SNAPSHOT_VERSION) throw new MusterError("MUSTER_INTERNAL", { problem: `a snapshot of version ${stored.version} cannot be read` });
  const state = ClusterState.empty(rehearses);
  for (const name of tableNames) state.table(name).load(stored.tables[name] ?? []);
  return state;
}

/** A copy for "what if": costs little, and neither side sees what the other does. */
export function fork(state: ClusterState): ClusterState {
  return state.fork();
}

/** Equal on all nodes that handled the same entries; covers the configuration and what runs. */
export function stateHash(state: ClusterState): string {
  return printHash(state.hash("all"));
}

export function durableHash(state: ClusterState): string {
  return printHash(state.hash("durable"));
}

/** The hashes made from all records again: they must equal the ones kept step by step. */
export function recomputedHashes(state: ClusterState): { readonly state: string; readonly durable: string } {
  return { state: printHash(state.recomputeHash("all")), durable: printHash(state.recomputeHash("durable")) };
}
