import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { noteLife, readLife, writeLife } from "../../../src/nlb-host/files.ts";

test("what a host does is kept for its next start; where it cannot be, the host goes on and says so", () => {
  const directory = mkdtempSync(join(tmpdir(), "muster-nlb-"));
  const gone = join(directory, "none");
  const logged: string[] = [];
  try {
    noteLife(directory, { incarnation: 7, mode: "stopped" }, (line) => logged.push(line));
    assert.deepEqual(readLife(directory), { incarnation: 7, mode: "stopped" });
    assert.equal(logged.length, 0);
    noteLife(gone, { incarnation: 7, mode: "started" }, (line) => logged.push(line));
    assert.match(logged[0]!, /^that this host is started could not be kept for its next start: ENOENT/);
    // A life that begins must be on the disk.
    assert.throws(() => writeLife(gone, { incarnation: 8, mode: null }), { code: "ENOENT" });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
