import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ResourceRecord } from "../../../src/model/objects.ts";
import type { MonitorReport } from "../../../src/monitor/contract.ts";
import type { Guard } from "../../../src/monitor/guard.ts";
import { OwnedAddresses } from "../../../src/monitor/owned-addresses.ts";
import { ResourceRunner } from "../../../src/monitor/resource-runner.ts";
import type { ResourceType } from "../../../src/monitor/resource-type.ts";

/** The orders of one resource, with a type that takes its time to end. */

const END_MS = 250;
const RESOURCE: ResourceRecord = { id: "r1", name: "r1", group: "g", type: "Slow", dependencies: [], possibleOwners: null, properties: {}, privateProperties: {} };

describe("a resource that takes its time to end", () => {
  let directory: string;
  let copies: number;
  let said: { readonly state: string; readonly effect: string | null; readonly copies: number; readonly permitEnded: boolean }[];
  let runner: ResourceRunner;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "muster-runner-"));
    for (const name of ["locks", "output"]) mkdirSync(join(directory, name));
    [copies, said] = [0, []];
    const type: ResourceType = {
      name: "Slow",
      properties: {},
      privateProperties: [],
      online: () => void copies++,
      async terminate() {
        await sleep(END_MS);
        copies--;
      },
    } as unknown as ResourceType;
    const guard = { expect: () => undefined, add: () => undefined, remove: () => undefined } as unknown as Guard;
    runner = new ResourceRunner({
      resource: "r1",
      report: (report: MonitorReport) => void (report.kind === "state" && said.push({ state: report.state, effect: report.effect, copies, permitEnded: report.permitEnded === true })),
      lifeOptions: (order) => {
        if (order.resource.type !== "Slow") throw new Error("no such type");
        const monitor = { directory, clusterId: "c", clusterName: "c", nodeId: 1, nodeName: "n1", incarnation: 1, workingDirectory: directory, resourceTypeDirectory: null, isGated: false, release: null };
        return { monitor, type, resource: order.resource, providers: [], groupName: "g", generation: order.generation, isHandover: false, reason: order.reason, guard, addresses: new OwnedAddresses(false, () => undefined), refusal: () => null, onDeadlock: () => undefined };
      },
    });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const start = (effect: string, generation: number, resource: ResourceRecord = RESOURCE): void => {
    runner.isOvertaken(effect);
    runner.online({ kind: "online", effect, generation, resource, groupName: "g", reason: effect, startBeforeMs: Number.MAX_VALUE });
  };
  const end = (effect: string, generation: number): void => {
    runner.isOvertaken(effect);
    runner.offline(false, generation, effect, effect);
  };
  const reaches = async (state: string): Promise<void> => {
    for (let looks = 0; runner.state !== state; looks++) {
      assert.ok(looks < 1_000, `it is ${runner.state}, not ${state}`);
      await sleep(5);
    }
  };

  test("what an order ends is told as that order's, also when the permit runs out meanwhile", async () => {
    start("1.10.1", 1);
    await reaches("online");
    end("1.20.1", 1);
    await sleep(20);
    runner.endWithPermit("the permit ran out");
    await runner.settled();
    assert.deepEqual(said.at(-1), { state: "offline", effect: "1.20.1", copies: 0, permitEnded: true });
    runner.reportLevel();
    assert.equal(said.at(-1)!.effect, "1.20.1");
  });

  test("what the permit ended is told as the outcome of the order that started it", async () => {
    start("1.10.1", 1);
    await reaches("online");
    runner.endWithPermit("the permit ran out");
    await runner.settled();
    assert.deepEqual(said.at(-1), { state: "offline", effect: "1.10.1", copies: 0, permitEnded: true });
    start("1.20.1", 1);
    await reaches("online");
    assert.equal(said.at(-1)!.permitEnded, false);
    end("1.30.1", 1);
    await runner.settled();
  });

  test("a start that is ended while it waits for its predecessor is not gone before that one is", async () => {
    start("1.10.1", 1);
    await reaches("online");
    start("1.20.1", 2);
    end("1.21.1", 2);
    await runner.settled();
    assert.equal(copies, 0);
    for (const { state, copies: left } of said) assert.ok((state !== "offline" && state !== "failed") || left === 0, JSON.stringify(said));
  });

  test("a start of a type that is not known fails when its predecessor is gone", async () => {
    start("1.10.1", 1);
    await reaches("online");
    start("1.20.1", 2, { ...RESOURCE, type: "Nothing" });
    await reaches("failed");
    assert.deepEqual(said.at(-1), { state: "failed", effect: "1.20.1", copies: 0, permitEnded: false });
  });
});
