import { randomUUID } from "node:crypto";
import type { RecordStore } from "./record-store.ts";
import { createAsk } from "./s3.ts";
import type { Answer, BucketAddress } from "./s3.ts";

/**
 * Cloud Witness (reference 4.4): records as objects of a bucket, in any store that speaks the protocol of S3 and honours
 * `If-None-Match: *` on writing, so that a name is created once and for all.
 */

/** A listing has a thousand names at a time; a witness keeps some dozens. */
const LIST_PAGES_MAX = 8;
/** So many write one name at one moment, to see whether one alone can. */
const RACERS = 8;

/** @param folder of this cluster and this configuration of the witness in the bucket */
export function cloudStore(bucket: BucketAddress, folder: string): RecordStore {
  const ask = createAsk(bucket);
  const place = `${folder}/`;
  const store: RecordStore = {
    readsAtOnce: 16,
    async list() {
      const names: string[] = [];
      let next: string | null = null;
      for (let page = 0; page < LIST_PAGES_MAX; page++) {
        const answer: Answer = await ask("GET", "", { query: { "list-type": "2", prefix: place, ...(next === null ? {} : { "continuation-token": next }) } });
        if (answer.status !== 200) throw answer.refusal();
        names.push(...textsOf(answer.body, "Key").filter((key) => key.startsWith(place)).map((key) => key.slice(place.length)));
        if (textsOf(answer.body, "IsTruncated")[0] !== "true") return names;
        next = textsOf(answer.body, "NextContinuationToken")[0] ?? null;
        if (next === null) break;
      }
      throw new Error(`${bucket.endpoint} lists ${place} without an end`);
    },
    async read(name) {
      const answer = await ask("GET", place + name);
      if (answer.status === 200) return answer.body;
      // That there is no such bucket is said with the same number, and is no answer to whether there is a record.
      if (answer.code === "NoSuchKey") return null;
      throw answer.refusal();
    },
    async create(name, content) {
      if (await put(ask, place + name, content)) return true;
      // A write that was sent twice on its way is refused although it is our own that is there.
      const found = await store.read(name);
      if (found === null) throw new Error(`${bucket.endpoint} refuses ${name}, and has none`);
      return found === content;
    },
    async remove(name) {
      const { status, code, refusal } = await ask("DELETE", place + name);
      if (status !== 200 && status !== 204 && code !== "NoSuchKey") throw refusal();
    },
  };
  return store;
}

/**
 * Whether this bucket can be a witness at all: writes a name twice, then another one several times at once. Leaves nothing
 * behind.
 * @throws Error naming what is wrong: it cannot be asked, or lets a name be written more than once
 */
export async function proveCloud(bucket: BucketAddress, folder: string): Promise<void> {
  const ask = createAsk(bucket);
  const [twice, race] = [`${folder}/probe-${randomUUID()}`, `${folder}/probe-${randomUUID()}`];
  try {
    if (!(await put(ask, twice, "first"))) throw new Error(`${bucket.endpoint} says that ${twice} exists, which it cannot`);
    const second = await put(ask, twice, "second");
    const racers = await Promise.allSettled(Array.from({ length: RACERS }, (_one, number) => put(ask, race, String(number))));
    const winners = racers.filter((racer) => racer.status === "fulfilled" && racer.value).length;
    if (second || winners > 1) throw new Error(`${bucket.endpoint} lets a name be written ${second ? "a second time" : `by ${winners} at once`} (it does not honour If-None-Match): both halves of a cluster would get its vote, so it must not be a witness`);
    const answer = await ask("GET", twice);
    if (answer.status !== 200) throw answer.refusal();
    if (answer.body !== "first") throw new Error(`${bucket.endpoint} does not give back what was written`);
  } finally {
    await Promise.allSettled([twice, race].map((name) => ask("DELETE", name)));
  }
}

/** @returns false when the store says that the name exists, or that another one is creating it. @throws Error when it may or may not have been written */
async function put(ask: ReturnType<typeof createAsk>, name: string, content: string): Promise<boolean> {
  const answer = await ask("PUT", name, { content, headers: { "if-none-match": "*", "content-type": "application/json" } });
  if (answer.status === 200 || answer.status === 201) return true;
  if (answer.status === 412 || answer.status === 409) return false;
  throw answer.refusal();
}

/** What stands in all elements of a name; the answers of a store are flat enough for it. */
function textsOf(xml: string, element: string): string[] {
  return [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, "g"))].map((match) => unescape(match[1]!));
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replaceAll(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}
