import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { RoleOutput, outputPath, outputSize } from "../../../src/monitor/role-output.ts";
import { Workbench, runs, until } from "./helpers.ts";

describe("the output file of a role", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "muster-monitor-test-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test("lines of ours are marked, and are never the last line of the role", () => {
    const output = new RoleOutput(directory, "a/b c", "node1");
    assert.equal(output.path, outputPath(directory, "a/b c"));
    assert.equal(output.lastLine(), null);
    output.log("two\nlines");
    assert.equal(output.lastLine(), null);
    appendFileSync(output.path, "first\n\u001b[31mred\u001b[0m\tend \n\n");
    output.log("after");
    assert.equal(output.lastLine(), "red end");
    const size = output.size();
    assert.equal(output.lastLine(size), null, "only what came after");
    assert.match(readFileSync(output.path, "utf8"), /^\[muster [^\]]+Z node1\] two lines\n/);
    output.close();
    output.log("nobody hears this");
    assert.equal(outputSize(directory, "a/b c"), size);
    assert.equal(outputSize(directory, "unknown"), 0);
  });

  test("only the owner can read it", () => {
    const output = new RoleOutput(directory, "private", "node1");
    assert.equal(statSync(output.path).mode & 0o777, 0o600);
    output.close();
  });

  test("rotation keeps this file and one older one, whoever writes, and loses no line in between", () => {
    const output = new RoleOutput(directory, "long", "node1", 10_000);
    // As a role's process would: through a descriptor it inherited.
    const line = (number: number): string => `line ${String(number).padStart(6, "0")}\n`;
    let number = 0;
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 300; index++) writeSync(output.descriptor, line(number++));
      output.rotate();
      assert.ok(output.size() <= 10_000);
    }
    const kept = (readFileSync(`${output.path}.1`, "utf8") + readFileSync(output.path, "utf8")).trim().split("\n").filter((text) => /^line \d{6}$/.test(text));
    assert.equal(kept.at(-1), line(number - 1).trim());
    kept.forEach((text, index) => assert.equal(text, line(number - kept.length + index).trim()));
    assert.ok(statSync(`${output.path}.1`).size <= 10_000 + 4096);
    output.close();
  });
});

describe("output of a role that runs", () => {
  const bench = new Workbench();
  after(() => bench.close());

  test("is emptied while it runs and goes on", async () => {
    const node = await bench.host().start();
    const online = await node.bringOnline(bench.online(bench.application("o1", `sh -c 'head -c 9000000 /dev/zero | tr "\\0" x; echo; echo behind; while :; do echo tick; sleep 0.05; done'`)));
    const path = outputPath(bench.directory, "o1");
    await until("the rotation", () => outputSize(bench.directory, "o1") < 1_000_000 && statSync(`${path}.1`, { throwIfNoEntry: false }));
    await until("new output", () => readFileSync(path, "utf8").startsWith("tick\n"));
    assert.ok(readFileSync(`${path}.1`, "utf8").includes("x\nbehind\n"));
    assert.ok(runs(online.processId ?? 0));
  });
});
