import assert from "node:assert/strict";
import { test } from "node:test";
import { CANNOT } from "../unit/network/lab.ts";
import { describePlanned, formPlanned, plannedChanges } from "./support/planned.ts";

const SEED = 3;
/** `npm run soak:nlb` makes two hundred, of more kinds. */
const CHANGES = 20;

test(`${CHANGES} planned changes under load: nothing breaks, nobody is answered twice`, { skip: CANNOT }, async (context) => {
  const cluster = await formPlanned(false);
  try {
    const outcome = await plannedChanges(cluster, { seed: SEED, changes: CHANGES, isLong: false, talk: () => undefined });
    for (const line of describePlanned(outcome).split("\n")) context.diagnostic(line);
    assert.deepEqual(outcome.broken, []);
    assert.deepEqual(outcome.talks.problems, []);
    assert.deepEqual(outcome.doubles, []);
    assert.equal(outcome.datagrams.twice, 0);
    assert.ok(outcome.connections > 200 && outcome.talks.answers > 500, `${outcome.connections} connections, ${outcome.talks.answers} answers`);
  } finally {
    await cluster.close();
  }
});
