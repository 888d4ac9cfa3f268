import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import * as core from "../../src/core/index.ts";
import type { Genesis } from "../../src/core/index.ts";
import { MusterError } from "../../src/model/errors.ts";
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

/**
 * A refusal is durable with its words, and these name the properties that a type has. Since then types got more of
 * them: here the refusal says again what it said, so that everything else can be compared.
 */
const PROPERTIES_THEN: Readonly<Record<string, string>> = {
  "the type IP Address": "Address",
  "the type Generic Application": "CommandLine, CurrentDirectory, Environment, HealthCheckUrl, HealthCheckCommand, HealthCheckTimeout, HealthCheckDelay, StopTimeout",
};

function sayAsThen(state: core.ClusterState): void {
  const { requests } = state.tables;
  for (const key of requests.keys()) {
    const row = requests.get(key)!;
    const last = row.failures.at(-1);
    const known = PROPERTIES_THEN[String(last?.[1].details["object"])];
    if (last === undefined || known === undefined || last[1].details["known"] === known) continue;
    const [number, { code, details }] = last;
    state.begin("configure");
    requests.put(key, { ...row, failures: [...row.failures.slice(0, -1), [number, new MusterError(code, { ...details, known }).toBody()]] });
    state.commit();
  }
}

for (const file of globSync(join(directory, "*.jsonl.gz")).sort()) {
  const [first = "", ...rest] = gunzipSync(readFileSync(file)).toString().split("\n");
  const { genesis } = JSON.parse(first) as { readonly genesis: Genesis };
  const lines = rest.map((line) => JSON.parse(line) as Line);

  test(`a log of release ${file.slice(directory.length + 1, -9)} gives the same database, entry by entry (${lines.length})`, () => {
    const state = core.createState(genesis);
    for (const { stamp, input, durableHash } of lines) {
      const { fault } = core.step(state, stamp, input);
      sayAsThen(state);
      assert.equal(fault, null, `${stamp.epoch}.${stamp.index}: ${fault?.message}`);
      assert.equal(core.durableHash(state), durableHash, `the databases part at ${stamp.epoch}.${stamp.index}: ${JSON.stringify(input)}`);
    }
  });

  test("and so it does without the run-time state, as a node that catches up replays it", () => {
    const state = core.createState(genesis);
    for (const { stamp, input } of lines) {
      if (input.kind !== "command") continue;
      core.step(state, stamp, input);
      sayAsThen(state);
    }
    assert.equal(core.durableHash(state), lines.at(-1)?.durableHash);
  });
}
