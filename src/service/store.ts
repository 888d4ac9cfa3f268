import { renameSync, rmSync, statSync } from "node:fs";
import { createState, durableRows } from "../core/index.ts";
import type { Database, DurableState } from "../database/contract.ts";
import { createSqliteDatabase } from "../database/sqlite.ts";
import { MusterError } from "../model/errors.ts";
import { clusterPaths, forgetInitialStore, readInitialStore } from "./cluster-files.ts";
import type { Member } from "../model/identifiers.ts";
import { ACCEPTED_MEMBERS_KEY } from "./recovery.ts";
import type { ClusterConfiguration } from "./cluster-files.ts";

const STORE_KEY = "node.store";
/** How epochs and indices make a generation (`model/identifiers.ts`); absent = as in the first release. */
const NUMBERING_KEY = "log.numbering";
const NUMBERING = "2";
/** The first release had room for four times as many entries in an epoch: an epoch of then counts as four of now. */
const OLD_EPOCHS = 4;

export interface OpenedStore {
  readonly database: Database;
  readonly durable: DurableState;
  /** Names this copy; a vote belongs to a node and its copy. */
  readonly store: string;
}

/**
 * Opens the node's copy of the Cluster Database. A new one is given the first state of the
 * cluster, and the vote of the node if it is the very first; a damaged one has been set
 * aside and its successor has no vote until it has caught up.
 * @throws MusterError MUSTER_DATABASE_CORRUPT_ALONE when there is nobody to catch up from
 */
export async function openStore(directory: string, configuration: ClusterConfiguration, node: string): Promise<OpenedStore> {
  const path = clusterPaths.database(directory, node);
  const database = createSqliteDatabase({ path });
  try {
    return await useStore(database, directory, configuration, node);
  } catch (error) {
    // Its lock would keep out every later attempt of this process.
    await database.close().catch(() => undefined);
    throw error;
  }
}

async function useStore(database: Database, directory: string, configuration: ClusterConfiguration, node: string): Promise<OpenedStore> {
  const path = clusterPaths.database(directory, node);
  const found = await database.open();
  if (found.damage !== null && configuration.nodes.length === 1) {
    await database.close();
    putBack(path, found.damage.aside);
    throw new MusterError("MUSTER_DATABASE_CORRUPT_ALONE", { path, problem: found.damage.problem });
  }
  const named = found.metadata[STORE_KEY];
  if (named !== undefined) {
    forgetInitialStore(directory, node);
    const promised = found.metadata[NUMBERING_KEY] === NUMBERING ? found.promised : await renumber(database, found.promised);
    return { database, durable: { ...found, promised }, store: named };
  }
  const initial = found.damage === null ? readInitialStore(directory, node) : null;
  const store = initial ?? found.storeId;
  const genesis = createState({ clusterId: configuration.clusterId, clusterName: configuration.clusterName, nodes: configuration.nodes });
  const rows = durableRows(genesis);
  await new Promise<void>((resolve, reject) => {
    database.write({ replace: { upTo: 0, epoch: 0, rows }, metadata: { [STORE_KEY]: store, [NUMBERING_KEY]: NUMBERING } }, (error) => (error === null ? resolve() : reject(error)));
  });
  // The name is on the disk: a copy made after this one is another copy.
  forgetInitialStore(directory, node);
  return { database, durable: { ...found, rows, metadata: { ...found.metadata, [STORE_KEY]: store } }, store };
}

/** Later generations must be higher than those in the locks of roles that an earlier release started. */
async function renumber(database: Database, before: number): Promise<number> {
  // Also above the last entry that the newest epoch had room for.
  const promised = OLD_EPOCHS * (before + 1) - 1;
  await new Promise<void>((resolve, reject) => {
    database.write({ promised, metadata: { [NUMBERING_KEY]: NUMBERING } }, (error) => (error === null ? resolve() : reject(error)));
  });
  return promised;
}

/**
 * The newest life of a node that asked for something or was to be in a view, as far as its own copy knows; 0 = none. A life
 * with a lower number than one that served would be taken for one whose end is known, when the clock was set back.
 */
export function lastIncarnation({ rows, metadata }: Pick<DurableState, "rows" | "metadata">, node: number): number {
  const row = rows.find(({ table, key }) => table === "requests" && key === String(node));
  const asked = row === undefined ? 0 : (JSON.parse(row.value) as { readonly incarnation: number }).incarnation;
  const accepted = JSON.parse(metadata[ACCEPTED_MEMBERS_KEY] ?? "[]") as readonly Member[];
  return Math.max(asked, ...accepted.filter((member) => member.node === node).map(({ incarnation }) => incarnation));
}

function putBack(path: string, aside: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
  for (const suffix of ["", "-wal", "-shm"]) {
    try {
      // An empty log was made by the look at the file, not found with it.
      if (suffix !== "" && statSync(`${aside}${suffix}`).size === 0) rmSync(`${aside}${suffix}`);
      else renameSync(`${aside}${suffix}`, `${path}${suffix}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
