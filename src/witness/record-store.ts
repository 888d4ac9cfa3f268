import { CLAIMS_KEPT } from "../quorum/claims.ts";
import type { ClaimRecord } from "../quorum/claims.ts";
import type { Witness, WitnessAnswer, WitnessWrite } from "../quorum/witness.ts";

/**
 * What a place must be able to do to be a witness: create a name once and for all. Everything else may be old: a
 * listing may show what was there a moment ago.
 */
export interface RecordStore {
  /** So many records are read at the same time: a place far away answers late, and a claim has its time. */
  readonly readsAtOnce: number;
  /** Names that are there, perhaps as of a moment ago; null = the place of this witness was never made. */
  list(): Promise<readonly string[] | null>;
  /** null = there is none. */
  read(name: string): Promise<string | null>;
  /** @returns false when the name was created before, by whomever. @throws Error when it may or may not have been */
  create(name: string, content: string): Promise<boolean>;
  /** Nothing happens when there is none. */
  remove(name: string): Promise<void>;
}

const NAME = /^claim-(\d{12})$/;
/** A listing that is so far behind is none. */
const PROBES_MAX = 256;
const CONTENT_LENGTH_MAX = 64 * 1024;

/** A witness on a store of records, each under the name of its position. One question at a time, and one that waits for it; others are refused. */
export function createRecordWitness(store: RecordStore): Witness {
  let isAsked = false;
  // A claim that meets a look at the witness, or a look of a new view that of the former one, is no failure of the witness.
  let waiting: (() => void) | null = null;
  const ask = <Answer>(done: (answer: Answer) => void, failed: (reason: string) => Answer, question: () => Promise<Answer>): void => {
    // A place that does not answer must not be asked a second time before it did: it would hold one thread after the other.
    if (isAsked && waiting !== null) return done(failed("it has not answered the questions before"));
    if (isAsked) return void (waiting = () => ask(done, failed, question));
    isAsked = true;
    question()
      .catch((error: unknown) => failed(error instanceof Error ? error.message : String(error)))
      .then((answer) => {
        isAsked = false;
        done(answer);
        const next = waiting;
        waiting = null;
        next?.();
      });
  };
  return {
    initialise: (first, done) => ask<WitnessWrite>(done, (reason) => ({ kind: "unknown", reason }), () => append(store, first)),
    read: (done) => ask<WitnessAnswer>(done, (reason) => ({ kind: "unreachable", reason }), () => readAll(store)),
    append: (record, done) => ask<WitnessWrite>(done, (reason) => ({ kind: "unknown", reason }), () => append(store, record)),
  };
}

async function append(store: RecordStore, record: ClaimRecord): Promise<WitnessWrite> {
  const created = await store.create(nameOf(record.position), JSON.stringify(record));
  if (!created) return { kind: "exists" };
  // Late readers need not see these for the claim to count: what cannot be removed now is removed with the next one.
  for (const name of (await store.list().catch(() => null)) ?? []) {
    const position = positionOf(name);
    if (position !== null && position <= record.position - CLAIMS_KEPT) await store.remove(name).catch(() => undefined);
  }
  return { kind: "created" };
}

async function readAll(store: RecordStore): Promise<WitnessAnswer> {
  const names = await store.list();
  if (names === null) return { kind: "missing" };
  const positions = names.flatMap((name) => positionOf(name) ?? []).sort((a, b) => a - b);
  const records: ClaimRecord[] = [];
  for (let first = 0; first < positions.length; first += store.readsAtOnce) {
    const found = await Promise.all(positions.slice(first, first + store.readsAtOnce).map((position) => readOne(store, position)));
    // Removed since it was listed, because there are newer ones.
    records.push(...found.filter((record) => record !== null));
  }
  // What was created since the listing was made is found by its name.
  const next = (positions.at(-1) ?? -1) + 1;
  for (let position = next; position < next + PROBES_MAX; position++) {
    const record = await readOne(store, position);
    if (record === null) return records.length === 0 ? { kind: "missing" } : { kind: "records", records };
    records.push(record);
  }
  return { kind: "unreachable", reason: `what it lists is more than ${PROBES_MAX} records behind` };
}

/** @throws Error for a record that cannot be understood: what it says is not known, and nothing may be built on it */
async function readOne(store: RecordStore, position: number): Promise<ClaimRecord | null> {
  const text = await store.read(nameOf(position));
  if (text === null) return null;
  const record = parse(text);
  if (record === null || record.position !== position) throw new Error(`its record ${nameOf(position)} cannot be read; if that stays so, configure the witness again: muster quorum set`);
  return record;
}

function parse(text: string): ClaimRecord | null {
  if (text.length > CONTENT_LENGTH_MAX) return null;
  try {
    const record = JSON.parse(text) as ClaimRecord;
    const isWhole = [record.position, record.epoch, record.lineage, record.claimant.node, record.claimant.incarnation].every((value) => Number.isSafeInteger(value)) && Array.isArray(record.voters);
    return isWhole ? record : null;
  } catch {
    return null;
  }
}

export function nameOf(position: number): string {
  return `claim-${String(position).padStart(12, "0")}`;
}

export function positionOf(name: string): number | null {
  const match = NAME.exec(name);
  return match === null ? null : Number(match[1]);
}
