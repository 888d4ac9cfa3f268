import { rmSync, writeFileSync } from "node:fs";
import { createSqliteDatabase } from "../../../src/database/sqlite.ts";
import { MusterError } from "../../../src/model/errors.ts";
import { update, write } from "./fixture.ts";

/**
 * A process that opens a store and prints how it went; with `fill` it writes until the disk is full, looks at what
 * is there then, and goes on after something else was removed.
 */

const [path = "", mode = ""] = process.argv.slice(2);

async function tryOpening(): Promise<string> {
  const database = createSqliteDatabase({ path });
  try {
    await database.open();
    return "opened";
  } catch (error) {
    return MusterError.from(error).code;
  } finally {
    await database.close();
  }
}

async function fill(): Promise<Record<string, unknown>> {
  // Something else that can be removed later: half of the disk.
  const ballast = `${path}-ballast`;
  writeFileSync(ballast, Buffer.alloc(400 * 1024));
  const database = createSqliteDatabase({ path });
  await database.open();
  let written = 0;
  let code = "";
  while (code === "") {
    // Several at a time, so that one group is cut in the middle.
    const answers = await Promise.allSettled([1, 2, 3].map((n) => write(database, update(written + n))));
    written += answers.filter((answer) => answer.status === "fulfilled").length;
    for (const answer of answers) if (answer.status === "rejected") code = MusterError.from(answer.reason).code;
  }
  await database.close();
  // Whatever closing gave back is taken, to the last byte.
  for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) {
    try {
      for (let n = 0; n < 100; n++) writeFileSync(`${ballast}-more`, Buffer.alloc(size), { flag: "a" });
    } catch {
      // full for this size
    }
  }
  const whileFull = await tryOpening();
  rmSync(`${ballast}-more`, { force: true });
  rmSync(ballast);
  const again = createSqliteDatabase({ path });
  const state = await again.open();
  await write(again, update(state.applied + 1));
  await again.close();
  return { code, written, applied: state.applied, entries: state.entries.length, whileFull, afterwards: "written" };
}

console.log(mode === "fill" ? JSON.stringify(await fill()) : await tryOpening());
