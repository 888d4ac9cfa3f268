import { writeSync } from "node:fs";
import { createSqliteDatabase } from "../../../src/database/sqlite.ts";
import { write } from "./fixture.ts";

/**
 * A process that writes entry after entry and says of each that it was acknowledged, by a system call of its own:
 * `ack <sequence>`. It goes on until it is killed, or for a number of entries.
 */

const [path = "", outstanding = "1", bytes = "100", count = "Infinity"] = process.argv.slice(2);

const database = createSqliteDatabase({ path });
const state = await database.open();
let sequence = state.entries.at(-1)?.sequence ?? 0;
const end = sequence + Number(count);
writeSync(1, "ready 0\n");

async function stream(): Promise<void> {
  while (sequence < end) {
    const own = ++sequence;
    const payload = `<entry ${own}>${"x".repeat(Number(bytes))}`;
    await write(database, {
      accepted: 1,
      append: [{ sequence: own, epoch: 1, payload }],
      committed: own,
      apply: { upTo: own, changes: [{ table: "t", key: `${own % 10}`, value: `${own}` }] },
    });
    writeSync(1, `ack ${own}\n`);
  }
}

await Promise.all(Array.from({ length: Number(outstanding) }, stream));
await database.close();
