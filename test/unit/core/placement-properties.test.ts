import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import * as core from "../../../src/core/index.ts";
import { violationsOf } from "../../../src/core/affinity.ts";
import { contextOf } from "../../../src/core/looking.ts";
import type { StepResult } from "../../../src/core/index.ts";
import type { Command } from "../../../src/model/inputs.ts";
import { Driver } from "./driver.ts";

/** What holds for placement whatever administrators and nodes do: fast-check looks for a way to break it, and shortens what it finds. */

const NODES = 4;
const GROUPS = ["g0", "g1", "g2", "g3", "g4"];
const RUNS = Number(process.env["PLACEMENT_RUNS"] ?? 60);

type Act = { readonly kind: "command"; readonly command: Command } | { readonly kind: "down" | "up" | "fails"; readonly pick: number } | { readonly kind: "wait"; readonly ms: number };

const node = fc.integer({ min: 1, max: NODES }).map((id) => `node${id}`);
const group = fc.constantFrom(...GROUPS);
const groups = fc.subarray(GROUPS, { minLength: 2, maxLength: 3 });
const ruleType = fc.constantFrom("SameNode", "DifferentNode", "SameFaultDomain", "DifferentFaultDomain" as const);

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ verb: fc.constant("group.move" as const), group, node }),
  fc.record({ verb: fc.constant("group.move" as const), group }),
  fc.record({ verb: fc.constant("group.online" as const), group }),
  fc.record({ verb: fc.constant("group.offline" as const), group }),
  fc.record({ verb: fc.constant("node.pause" as const), node, drain: fc.boolean() }),
  fc.record({ verb: fc.constant("node.resume" as const), node, failback: fc.constantFrom("FailbackGroupsPerPolicy" as const, "DoNotFailbackGroups" as const) }),
  fc.record({ verb: fc.constant("group.set" as const), group, preferredOwners: fc.uniqueArray(node, { maxLength: 3 }), properties: fc.record({ AutoFailbackType: fc.integer({ min: 0, max: 1 }), Priority: fc.constantFrom(1000, 2000, 3000), AntiAffinityClassNames: fc.subarray(["x", "y"]) }) }),
  fc.record({ verb: fc.constant("affinity.set" as const), rule: fc.constantFrom("r0", "r1"), type: ruleType, groups, soft: fc.boolean() }),
  fc.record({ verb: fc.constant("node.set" as const), node, faultDomain: fc.constantFrom("A", "B", null) }),
  fc.record({ verb: fc.constant("node.set" as const), node, properties: fc.record({ NodeCapacity: fc.constantFrom(1, 2, 3, 0xffffffff) }) }),
  fc.record({ verb: fc.constant("cluster.set" as const), properties: fc.record({ ClusterEnforcedAntiAffinity: fc.integer({ min: 0, max: 1 }), PreferredSite: fc.constantFrom("A", "B", ""), QuarantineThreshold: fc.constantFrom(0, 2) }) }),
);

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: command.map((one) => ({ kind: "command" as const, command: one })) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("down" as const, "up" as const), pick: fc.integer({ min: 1, max: NODES }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fails" as const), pick: fc.integer({ min: 0, max: GROUPS.length - 1 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1_000, 60_000, 3_600_000) }) },
);

function begin(): Driver {
  const driver = Driver.started(NODES);
  for (const name of ["A", "B"]) driver.do({ verb: "faultdomain.create", name, type: "Site" });
  for (const name of GROUPS) driver.role(name, { properties: { RestartThreshold: 0 } });
  for (const name of ["r0", "r1"]) driver.do({ verb: "affinity.create", name, type: "None" });
  return driver;
}

/** Orders are answered before the next thing happens. */
function perform(driver: Driver, one: Act): StepResult | null {
  switch (one.kind) {
    case "command": {
      const result = driver.command(one.command);
      driver.settle();
      return result;
    }
    case "down": {
      if (driver.up.size === 1 || !driver.up.has(one.pick)) return null;
      const result = driver.down(one.pick);
      reportWhatRuns(driver);
      driver.settle();
      return result;
    }
    case "up": {
      if (driver.up.has(one.pick)) return null;
      driver.up.add(one.pick);
      const result = driver.view({ inventories: false });
      reportWhatRuns(driver);
      driver.settle();
      return result;
    }
    case "fails":
      if (core.describeResource(driver.state, `${GROUPS[one.pick]}-program`).state === "Online") driver.fails(`${GROUPS[one.pick]}-program`);
      driver.settle();
      return null;
    case "wait":
      driver.wait(one.ms);
      return null;
  }
}

function reportWhatRuns(driver: Driver): void {
  for (const id of [...driver.up].sort()) {
    const items = core
      .describeResources(driver.state)
      .filter((resource) => resource.state === "Online" && resource.ownerNode === `node${id}`)
      .map((resource) => ({ resource: resource.id, generation: core.describeGroup(driver.state, resource.group).generation, state: "online" as const, effect: null, processId: 1 }));
    driver.inventory(id, items);
  }
}

function forAll(check: (driver: Driver, acts: readonly Act[]) => void): void {
  fc.assert(
    fc.property(fc.array(act, { minLength: 5, maxLength: 40 }), (acts) => check(begin(), acts)),
    { numRuns: RUNS, seed: Number(process.env["SEED"] ?? 7) },
  );
}

/** Pairs that break a hard rule in force, or enforced anti-affinity, while both shall be online. */
function broken(driver: Driver): Set<string> {
  const context = contextOf(driver.state);
  const found = new Set<string>();
  for (const key of driver.state.tables.affinityRules.keys()) {
    const rule = driver.state.tables.affinityRules.get(key)!;
    if (!rule.soft) for (const text of violationsOf(context, rule)) found.add(`${rule.name}: ${text}`);
  }
  return found;
}

test("an order to start goes to the owner alone, and nothing starts while it runs elsewhere", () => {
  forAll((driver, acts) => {
    const running = new Map<string, number>();
    const original = driver.answer.bind(driver);
    driver.answer = (effect, ...rest) => {
      if (effect.action === "online") {
        assert.equal(running.get(effect.resource.id) ?? effect.node, effect.node, `${effect.resource.name} is started on node${effect.node} while it runs on node${running.get(effect.resource.id)}`);
        assert.equal(core.describeGroup(driver.state, effect.groupName).ownerNode, `node${effect.node}`);
        running.set(effect.resource.id, effect.node);
      } else running.delete(effect.resource.id);
      return original(effect, ...rest);
    };
    for (const one of acts) {
      if (one.kind === "fails") running.delete(core.describeResource(driver.state, `${GROUPS[one.pick]}-program`).id);
      if (one.kind === "down") for (const [id, owner] of running) if (owner === one.pick && driver.up.size > 1) running.delete(id);
      perform(driver, one);
    }
  });
});

test("nothing goes to and fro: without anything new, nothing moves", () => {
  forAll((driver, acts) => {
    for (const one of acts) perform(driver, one);
    // What is under way, and retries and quarantines, come to their end.
    driver.wait(24 * 3_600_000);
    const places = (): string => JSON.stringify(core.describeGroups(driver.state).map((one) => [one.name, one.ownerNode, one.state]));
    const before = places();
    for (let turn = 0; turn < 5; turn++) {
      driver.view({ inventories: false });
      reportWhatRuns(driver);
      driver.settle();
      driver.wait(600_000);
      assert.equal(places(), before);
    }
  });
});

test("placement itself never breaks a hard rule", () => {
  forAll((driver, acts) => {
    for (const one of acts) {
      const before = broken(driver);
      const places = new Map(core.describeGroups(driver.state).map((group) => [group.name, group.ownerNode]));
      perform(driver, one);
      // A new or another rule, another rack, a role wanted online: what stands is not moved for it.
      const changesRules = one.kind === "command" && ["affinity.set", "node.set", "cluster.set", "group.set"].includes(one.command.verb);
      if (changesRules) continue;
      for (const text of broken(driver)) {
        const moved = GROUPS.some((name) => text.includes(`'${name}' is on`) && places.get(name) !== core.describeGroup(driver.state, name).ownerNode);
        assert.ok(before.has(text) || !moved, `after ${JSON.stringify(one)}: ${text}`);
      }
    }
  });
});

test("what would happen is what happens: the plan of a command or a loss agrees with it", () => {
  forAll((driver, acts) => {
    for (const one of acts) {
      const plan = planOf(driver, one);
      if (plan === null) {
        perform(driver, one);
        continue;
      }
      const ownersBefore = owners(driver);
      perform(driver, one);
      const changed = new Map([...owners(driver)].filter(([name, owner]) => ownersBefore.get(name) !== owner));
      for (const [name, owner] of changed) assert.equal(plan.get(name) ?? null, owner, `${name} after ${JSON.stringify(one)}`);
    }
  });
});

function owners(driver: Driver): Map<string, string | null> {
  return new Map(core.describeGroups(driver.state).map((one) => [one.name, one.ownerNode]));
}

/** Where each role would be in the end; null = nothing to compare: a lot depends on the number of the view, and time may bring more. */
function planOf(driver: Driver, one: Act): Map<string, string | null> | null {
  if (one.kind !== "command") return null;
  const { plan } = core.dryRun(driver.state, one.command);
  if (plan === null || plan.durationMs > 0) return null;
  const found = owners(driver);
  for (const move of plan.moves) found.set(move.group, move.to);
  return found;
}
