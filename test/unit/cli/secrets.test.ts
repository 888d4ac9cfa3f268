import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { MusterError } from "../../../src/model/errors.ts";
import { readSecret } from "../../../src/cli/secrets.ts";

const MODULE = new URL("../../../src/cli/secrets.ts", import.meta.url).href;

describe("secrets that stand in no command line", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "muster-secrets-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  function file(text: string): string {
    const path = join(directory, "secret");
    writeFileSync(path, text);
    return path;
  }

  test("the first line counts, without what stands around it", () => {
    assert.equal(readSecret(file(" a key \r\nanother line\n"), "--key"), "a key");
    assert.equal(readSecret(file("without an end"), "--key"), "without an end");
  });

  test("the standard input", () => {
    const program = `import { readSecret } from ${JSON.stringify(MODULE)}; process.stdout.write(readSecret("-", "token"));`;
    assert.equal(execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program], { input: "a token\n", encoding: "utf8" }), "a token");
  });

  for (const [what, path] of [["nothing in it", () => file("\nsecond\n")], ["too much", () => file("x".repeat(70_000))], ["no file", () => join(directory, "none")], ["a directory", () => directory]] as const) {
    test(`${what}: refused, and the option is named`, () => {
      const place = path();
      assert.throws(() => readSecret(place, "--key"), (error) => error instanceof MusterError && error.code === "MUSTER_INVALID_ARGUMENT" && /--key/.test(error.message));
    });
  }
});
