import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import * as core from "../../src/core/index.ts";
import type { Genesis } from "../../src/core/index.ts";
import type { CoreInput, Stamp } from "../../src/model/inputs.ts";

/**
 * What an earlier release was told and what its database became: a log that was written by it must give the same
 * database here, or nodes of two releases would part in the middle of an upgrade. What *runs* may be decided
 * otherwise by a later release: that is what the functional level will be for, once a release has been given out.
 */

const directory = dirname(fileURLToPath(import.meta.url));

interface Line {
  readonly stamp: Stamp;
  readonly input: CoreInput;
  readonly durableHash: string;
}

for (const file of globSync(join(directory, "*.jsonl.gz")).sort()) {
  const [first = "", ...rest] = gunzipSync(readFileSync(file)).toString().split("\n");
  const { genesis } = JSON.parse(first) as { readonly genesis: Genesis };
  const lines = rest.map((line) => JSON.parse(line) as Line);

  test(`a log of release ${file.slice(directory.length + 1, -9)} gives the same database, entry by entry (${lines.length})`, () => {
    const state = core.createState(genesis);
    for (const { stamp, input, durableHash } of lines) {
      const { fault } = core.step(state, stamp, input);
      assert.equal(fault, null, `${stamp.epoch}.${stamp.index}: ${fault?.message}`);
      assert.equal(core.durableHash(state), durableHash, `the databases part at ${stamp.epoch}.${stamp.index}: ${JSON.stringify(input)}`);
    }
  });

  test("and so it does without the run-time state, as a node that catches up replays it", () => {
    const state = core.createState(genesis);
    for (const { stamp, input } of lines) if (input.kind === "command") core.step(state, stamp, input);
    assert.equal(core.durableHash(state), lines.at(-1)?.durableHash);
  });
}
