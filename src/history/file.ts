import { DatabaseSync } from "node:sqlite";
import { gunzipSync, gzipSync } from "node:zlib";
import type { HistoryEntry, HistoryLimits, HistoryLine, HistoryQuery, Replayable } from "./contract.ts";
import { sentenceOf } from "./sentence.ts";

/** The file of the history: entries in the order in which they were handled, and states to begin from. */

const SCHEMA = `
  PRAGMA auto_vacuum = INCREMENTAL;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, id TEXT NOT NULL, wall INTEGER NOT NULL, about TEXT NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS entriesById ON entries (id);
  CREATE INDEX IF NOT EXISTS entriesByWall ON entries (wall);
  CREATE TABLE IF NOT EXISTS states (after INTEGER PRIMARY KEY, wall INTEGER NOT NULL, state BLOB NOT NULL) STRICT;
`;
/** Looking at the size costs a little: not after every entry. */
const PRUNE_EVERY = 200;
/** The share of the entries that goes when the file is too large. */
const PRUNE_PART = 10;

export class HistoryFile {
  readonly #database: DatabaseSync;
  readonly #limits: HistoryLimits;
  #sincePrune = 0;

  constructor(path: string, limits: HistoryLimits) {
    this.#database = new DatabaseSync(path);
    this.#limits = limits;
    this.#database.exec(SCHEMA);
  }

  record(entries: readonly HistoryEntry[], snapshot: string | null): void {
    const insert = this.#database.prepare("INSERT INTO entries (id, wall, about, body) VALUES (?, ?, ?, ?)");
    this.#database.exec("BEGIN");
    for (const entry of entries) insert.run(entry.id, entry.stamp.wallTimeMs, aboutOf(entry), JSON.stringify(entry));
    if (snapshot !== null) this.#keepState(snapshot);
    this.#database.exec("COMMIT");
    this.#sincePrune += entries.length;
    if (this.#sincePrune >= PRUNE_EVERY) this.#prune(entries.at(-1)?.stamp.wallTimeMs ?? 0);
  }

  #keepState(snapshot: string): void {
    const last = this.#database.prepare("SELECT number, wall FROM entries ORDER BY number DESC LIMIT 1").get() as { number: number; wall: number } | undefined;
    const state = gzipSync(snapshot, { level: 1 });
    this.#database.prepare("INSERT OR REPLACE INTO states (after, wall, state) VALUES (?, ?, ?)").run(last?.number ?? 0, last?.wall ?? 0, state);
  }

  list(query: HistoryQuery): HistoryLine[] {
    const rows = this.#database
      .prepare("SELECT body FROM entries WHERE wall >= ? AND wall < ? AND (? = '' OR instr(about, ?) > 0) ORDER BY number DESC LIMIT ?")
      .all(query.sinceMs ?? 0, query.untilMs ?? Number.MAX_SAFE_INTEGER, query.about ?? "", marked(query.about ?? ""), query.limit) as { body: string }[];
    return rows.reverse().map(({ body }) => lineOf(JSON.parse(body) as HistoryEntry));
  }

  find(id: string): HistoryEntry | null {
    const row = this.#database.prepare("SELECT body FROM entries WHERE id = ? ORDER BY number DESC LIMIT 1").get(id) as { body: string } | undefined;
    return row === undefined ? null : (JSON.parse(row.body) as HistoryEntry);
  }

  replayable(atMs: number): Replayable | null {
    const last = this.#database.prepare("SELECT max(number) AS number FROM entries WHERE wall <= ?").get(atMs) as { number: number | null };
    if (last.number === null) return null;
    const state = this.#database.prepare("SELECT after, state FROM states WHERE after <= ? ORDER BY after DESC LIMIT 1").get(last.number) as { after: number; state: Uint8Array } | undefined;
    if (state === undefined) return null;
    const rows = this.#database.prepare("SELECT body FROM entries WHERE number > ? AND number <= ? ORDER BY number").all(state.after, last.number) as { body: string }[];
    const entries = rows.map(({ body }) => JSON.parse(body) as HistoryEntry).filter((entry) => entry.input !== "");
    return { snapshot: gunzipSync(state.state).toString(), entries: entries.map(({ stamp, input }) => ({ stamp, input })) };
  }

  /** The oldest goes: what is too old, and a part of the rest when the file is too large. A state stays as long as an entry after it does. */
  #prune(nowMs: number): void {
    this.#sincePrune = 0;
    this.#database.prepare("DELETE FROM entries WHERE wall < ?").run(nowMs - this.#limits.ageMsMax);
    this.#dropStates();
    while (this.#bytesUsed() > this.#limits.bytesMax) {
      const { first, last } = this.#database.prepare("SELECT min(number) AS first, max(number) AS last FROM entries").get() as { first: number | null; last: number | null };
      if (first === null || last === null || first === last) break;
      this.#database.prepare("DELETE FROM entries WHERE number < ?").run(first + Math.ceil((last - first) / PRUNE_PART));
      this.#dropStates();
    }
    this.#database.exec("PRAGMA incremental_vacuum");
  }

  #dropStates(): void {
    this.#database.exec("DELETE FROM states WHERE after < (SELECT coalesce(max(after), 0) FROM states WHERE after < (SELECT min(number) FROM entries))");
  }

  #bytesUsed(): number {
    const row = this.#database.prepare("SELECT (page_count - freelist_count) * page_size AS bytes FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()").get() as { bytes: number };
    return row.bytes;
  }

  close(): void {
    this.#database.close();
  }
}

function lineOf(entry: HistoryEntry): HistoryLine {
  const { events, orders, moves } = entry.decision;
  return { id: entry.id, wallTimeMs: entry.stamp.wallTimeMs, kind: entry.kind, text: sentenceOf(entry), events: events.length, orders: orders.length, moves: moves.length };
}

/** Names that the decision speaks of, each between bars: for a search that does not find "web" in "web-2". */
function aboutOf(entry: HistoryEntry): string {
  const names = new Set<string>();
  for (const event of entry.decision.events) for (const name of [event.node, event.group, event.resource]) if (name !== null) names.add(name);
  for (const order of entry.decision.orders) names.add(order.group).add(order.resource);
  return [...names].map(marked).join("");
}

function marked(name: string): string {
  return name === "" ? "" : `|${name}|`;
}
