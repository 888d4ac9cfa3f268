import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Lab } from "../../src/lab/lab.ts";
import { processesOfLab } from "../../src/lab/processes.ts";
import { labPaths, readRecord } from "../../src/lab/record.ts";
import { CANNOT, until } from "../unit/network/lab.ts";

const MAIN = fileURLToPath(new URL("../../bin/muster.js", import.meta.url));
const NAME = `nlb-${process.pid}`;

function muster(words: readonly string[]): { readonly code: number | null; readonly out: string; readonly error: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...words], { encoding: "utf8", timeout: 60_000, killSignal: "SIGKILL" });
  return { code: status, out: stdout, error: stderr };
}

describe("muster lab nlb", { skip: CANNOT }, () => {
  test("makes hosts that balance; every command that it prints works; `down` leaves nothing", async () => {
    const made = muster(["lab", "nlb", "--name", NAME, "--hosts", "2", "--mode", "multicast"]);
    try {
      assert.equal(made.code, 0, made.error);
      assert.match(made.out, /multicast/);
      const { id } = readRecord(NAME);
      const printed = made.error.slice(made.error.indexOf("Try:")).split("\n").map((line) => line.trim()).filter((line) => line.startsWith("muster "));
      assert.ok(printed.length >= 8, made.error);
      for (const line of printed) {
        const { code, out, error } = muster(line.split(" ").slice(1));
        assert.equal(code, 0, `${line}: ${error}`);
        if (line.includes("ask.mjs")) assert.match(out, /^n1 +\d+\nn2 +\d+\n$/, line);
      }
      assert.match(printed.at(-1)!, /lab down/);
      await until("its processes are gone", () => processesOfLab(id).length === 0);
      assert.ok(!existsSync(labPaths.record(NAME)));
    } finally {
      await Lab.open(NAME).then((lab) => lab.down(), () => undefined);
    }
  });

  test("a mode that there is not: it says so, and leaves nothing", () => {
    const { code, error } = muster(["lab", "nlb", "--name", NAME, "--hosts", "1", "--mode", "broadcast"]);
    assert.notEqual(code, 0);
    assert.match(error, /mode/i);
    assert.ok(!existsSync(labPaths.record(NAME)));
  });
});
