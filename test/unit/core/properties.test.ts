import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { ClusterState, StepResult } from "../../../src/core/index.ts";
import { World } from "./world.ts";

const SEEDS = Number(process.env["SEEDS"] ?? 40);
const FROM = Number(process.env["FROM"] ?? 1);
const TURNS = 600;

function forEachSeed(run: (seed: number) => void, count = SEEDS): void {
  for (let seed = FROM; seed < FROM + count; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}

function plain(result: StepResult): string {
  return JSON.stringify(result);
}

test("replay: the commands alone, on empty run-time state, make an equal database", () => {
  forEachSeed((seed) => {
    const world = new World(seed, 3);
    for (let turn = 0; turn < TURNS; turn++) world.turn();
    const replayed = core.createState(world.genesis());
    for (const { stamp, input } of world.log) if (input.kind === "command") core.step(replayed, stamp, input);
    assert.equal(core.durableHash(replayed), core.durableHash(world.state));
    assert.deepEqual(core.durableRows(replayed), core.durableRows(world.state));
    assert.equal(core.stateHash(replayed), core.durableHash(replayed), "a replay without a view leaves no run-time state");
    const loaded = core.loadState(core.durableRows(world.state));
    assert.equal(core.durableHash(loaded), core.durableHash(world.state));
  });
});

test("replay from the middle: rows of any moment and the later commands make the same", () => {
  forEachSeed((seed) => {
    let rows: core.DurableRow[] = [];
    let from = 0;
    const middle = 50 + seed * 7;
    const world = new World(seed, 3, (current) => {
      if (current.log.length !== middle) return;
      rows = core.durableRows(current.state);
      from = current.log.length;
    });
    while (world.log.length < middle + 200) world.turn();
    const replayed = core.loadState(rows);
    for (const { stamp, input } of world.log.slice(from)) if (input.kind === "command") core.step(replayed, stamp, input);
    assert.equal(core.durableHash(replayed), core.durableHash(world.state));
  }, 15);
});

test("the changes of the steps, applied to rows, are the database", () => {
  forEachSeed((seed) => {
    const rows = new Map<string, string>();
    const key = (table: string, name: string): string => `${table}\u0000${name}`;
    const world = new World(seed, 3, (_world, _before, _step, result) => {
      for (const change of result.changes) {
        if (change.value === null) rows.delete(key(change.table, change.key));
        else rows.set(key(change.table, change.key), change.value);
      }
    });
    for (const row of core.durableRows(core.createState(world.genesis()))) rows.set(key(row.table, row.key), row.value);
    for (let turn = 0; turn < TURNS; turn++) world.turn();
    const expected = new Map(core.durableRows(world.state).map((row) => [key(row.table, row.key), row.value]));
    assert.deepEqual([...rows].sort(), [...expected].sort());
  }, 15);
});

test("after every step: the hash kept equals the hash made anew; restore(snapshot) goes on like the original", () => {
  forEachSeed((seed) => {
    let copy: ClusterState | null = null;
    const world = new World(seed, 3, (current, _before, { stamp, input }, result) => {
      const hashes = core.recomputedHashes(current.state);
      assert.equal(core.stateHash(current.state), hashes.state);
      assert.equal(core.durableHash(current.state), hashes.durable);
      if (copy !== null) {
        assert.equal(plain(core.step(copy, stamp, input)), plain(result));
        assert.equal(core.stateHash(copy), core.stateHash(current.state));
        assert.equal(core.nextDeadline(copy), core.nextDeadline(current.state));
      }
      const text = core.snapshot(current.state);
      copy = core.restore(text);
      assert.equal(core.snapshot(copy), text);
    });
    for (let turn = 0; turn < 300; turn++) world.turn();
  }, 10);
});

test("a second node that handles the same entries is always the same", () => {
  forEachSeed((seed) => {
    const world = new World(seed, 4);
    for (let turn = 0; turn < TURNS; turn++) world.turn();
    const second = core.createState(world.genesis());
    for (const { stamp, input } of world.log) core.step(second, stamp, structuredClone(input));
    assert.equal(core.stateHash(second), core.stateHash(world.state));
    assert.equal(core.snapshot(second), core.snapshot(world.state));
  });
});

test("forks: neither side sees what the other does", () => {
  forEachSeed((seed) => {
    const forks: { state: ClusterState; text: string }[] = [];
    const world = new World(seed, 3, (current, _before, { stamp }) => {
      if (!current.dice.chance(5)) return;
      const fork = core.fork(current.state);
      const original = core.snapshot(current.state);
      assert.equal(core.snapshot(fork), original);
      // The fork goes its own way, and a fork of the fork as well.
      core.step(fork, { ...stamp, index: stamp.index + 1 }, { kind: "command", requestId: { node: 9, incarnation: 1, number: 1 }, command: { verb: "group.create", name: "only-in-the-fork" } });
      const deeper = core.fork(fork);
      core.step(deeper, { ...stamp, index: stamp.index + 2 }, { kind: "command", requestId: { node: 9, incarnation: 1, number: 2 }, command: { verb: "group.delete", group: "only-in-the-fork" } });
      assert.equal(core.snapshot(current.state), original);
      assert.ok(core.describeGroups(fork).some((group) => group.name === "only-in-the-fork"));
      assert.equal(core.stateHash(fork), core.recomputedHashes(fork).state);
      forks.push({ state: fork, text: core.snapshot(fork) });
    });
    for (let turn = 0; turn < 300; turn++) world.turn();
    for (const { state, text } of forks) assert.equal(core.snapshot(state), text);
  }, 10);
});

test("questions change nothing", () => {
  forEachSeed((seed) => {
    const world = new World(seed, 3);
    for (let turn = 0; turn < TURNS; turn++) {
      world.turn();
      if (turn % 40 !== 0) continue;
      const before = core.snapshot(world.state);
      for (const group of core.describeGroups(world.state)) {
        core.explainGroup(world.state, group.name);
        core.dryRun(world.state, { verb: "group.move", group: group.name });
        core.dryRun(world.state, { verb: "group.delete", group: group.name, force: true });
      }
      for (const node of core.describeNodes(world.state)) {
        if (node.state === "Down") core.whatIf(world.state, [{ what: "nodeUp", node: node.name }]);
        else if (core.describeCluster(world.state).nodesUp > 1) core.whatIf(world.state, [{ what: "nodeDown", node: node.name }]);
      }
      core.describeCluster(world.state);
      core.describeResources(world.state);
      assert.equal(core.snapshot(world.state), before);
    }
  }, 10);
});

test("nothing runs twice, and when the faults stop every role comes to what is wanted", () => {
  forEachSeed((seed) => {
    const world = new World(seed, 4);
    world.forgets = seed % 2 === 0;
    for (let turn = 0; turn < TURNS; turn++) world.turn();
    world.calmDown(1_500);
    // What is left failed waits for an administrator or its retry period: here he comes.
    for (const group of core.describeGroups(world.state)) world.command({ verb: "group.online", group: group.name });
    for (let turn = 0; turn < 1_500; turn++) world.turn();
    for (const group of core.describeGroups(world.state)) {
      const never = core.explainGroup(world.state, group.name).nodes.every((node) => !node.canHost);
      if (!never) assert.equal(group.state, "Online", `${group.name}: ${core.explainGroup(world.state, group.name).summary}`);
    }
    for (const resource of core.describeResources(world.state)) {
      if (resource.state !== "Online") continue;
      const machine = world.machines.find((candidate) => candidate.id === core.describeNode(world.state, resource.ownerNode ?? "").id);
      assert.ok(machine?.runs.has(resource.id), `${resource.name} is said to be online but does not run`);
    }
    const running = world.machines.flatMap((machine) => [...machine.runs.keys()]);
    const known = new Set(core.describeResources(world.state).map((resource) => resource.id));
    for (const id of running) assert.ok(known.has(id), `${id} still runs although it was deleted`);
  });
});
