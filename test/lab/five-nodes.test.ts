import { describe, test } from "node:test";
import type { QuorumView } from "../../src/model/views.ts";
import { nowMs } from "./support/clock.ts";
import * as faults from "./support/faults.ts";
import { Scene, sleep } from "./support/scene.ts";
import type { Fault, Scenario } from "./support/scene.ts";

/** Five nodes: two faults at once, and nodes that reach only some of the others. */

const { together, inTurn, partitioned } = faults;
const nothing: Fault = async () => null;

/** Pairs that do not reach each other, as places among the nodes, the owner first. */
const cutPairs = (...pairs: readonly (readonly [number, number])[]): Fault => async (scene, name) => {
  const names = [name, ...scene.others(name)];
  for (const [a, b] of pairs) await scene.lab.cut(names[a]!, { from: names[b]! });
  return () => scene.lab.heal();
};

/** The first fault, and the second one when the first has just been noticed and the role is on its way. */
const then = (first: Fault, waitMs: number, second: Fault): Fault => async (scene, name) => {
  const undoFirst = await first(scene, name);
  await sleep(waitMs);
  const undoSecond = await second(scene, name);
  return async () => {
    await undoSecond?.();
    await undoFirst?.();
  };
};

/** Whoever the role has gone to meanwhile, or anybody else. */
const onTaker = (fault: Fault): Fault => async (scene, name) => {
  const last = scene.client.lastReply?.node;
  return fault(scene, last === undefined || last === null || last === name ? scene.others(name)[0]! : last);
};

const everywhere = (fault: Fault): Fault => async (scene) => {
  const undone = await Promise.all(scene.names.map((name) => fault(scene, name)));
  return async () => {
    for (const undo of undone) await undo?.();
  };
};

/** So soon the loss of a node is being dealt with (profile standard). */
const NOTICED_MS = 1_200;

const DOUBLE: readonly Scenario[] = [
  { name: "the owner and another node lose power at once", on: "owner", fault: together(faults.poweredOff, faults.poweredOff), expect: "moves" },
  { name: "the owner loses power, and who takes the role, too", on: "owner", fault: then(faults.poweredOff, NOTICED_MS, onTaker(faults.poweredOff)), expect: "moves" },
  { name: "the owner is cut off while another node stands still", on: "owner", fault: together(faults.cutOff, faults.paused), expect: "moves" },
  { name: "the owner stands still, the taker loses power, the owner goes on", on: "owner", fault: then(then(faults.paused, 2 * NOTICED_MS, onTaker(faults.poweredOff)), NOTICED_MS, async (scene, name) => (await scene.lab.resume(name), null)), expect: "moves" },
  { name: "nobody hears the owner, and another node hears nobody", on: "owner", fault: together(faults.mute, faults.deaf), expect: "moves" },
  { name: "service and monitor of the owner are killed at once", on: "owner", fault: inTurn(faults.serviceStopped, faults.monitorKilled, faults.serviceKilled), expect: "either" },
  { name: "the role is moved and its source loses power", on: "owner", fault: then(faults.movedAway, 50, faults.poweredOff), expect: "moves" },
  { name: "the role is moved and its target loses power", on: "owner", fault: then(faults.movedAway, 50, (scene, name) => faults.poweredOff(scene, scene.others(name)[0]!)), expect: "either" },
  { name: "a node comes back while the owner loses power", on: "owner", fault: then((scene, name) => faults.serviceKilled(scene, scene.others(name)[1]!), 2 * NOTICED_MS, comesBack), expect: "moves" },
  { name: "corosync is killed on all nodes at once", on: "owner", fault: everywhere(faults.corosyncKilled), expect: "either" },
  { name: "the service is killed on all nodes at once", on: "owner", fault: allRestarted, expect: "either" },
  // Those that stay may be those whom no client reaches, and nobody in the cluster can know.
  { name: "one network fails for one half, the other one for the other half", on: "owner", fault: together(faults.cutOnFirst, faults.cutOnFirst, nothing, faults.cutOnSecond, faults.cutOnSecond), expect: "safe", isStable: true },
];

/** As systemd does: all are killed, and started again when none is left. */
async function allRestarted(scene: Scene): Promise<null> {
  await Promise.all(scene.names.map((name) => faults.serviceKilled(scene, name)));
  await Promise.all(scene.names.map((name) => scene.revive(name)));
  return null;
}

async function comesBack(scene: Scene, name: string): Promise<() => Promise<void>> {
  const starting = scene.cluster.try(scene.others(name)[1]!, "node", "start");
  await scene.lab.powerOff(name);
  await starting;
  return () => scene.lab.powerOn(name);
}

const PARTIAL: readonly Scenario[] = [
  { name: "the owner and one other node do not reach each other", on: "owner", fault: cutPairs([0, 1]), expect: "either", isStable: true },
  { name: "two pairs do not reach each other, the fifth node reaches all", on: "owner", fault: cutPairs([0, 1], [2, 3]), expect: "either", isStable: true },
  { name: "one node is the only bridge between two and two", on: "owner", fault: cutPairs([0, 3], [0, 4], [1, 3], [1, 4]), expect: "either", isStable: true },
  { name: "the owner does not hear one other node, which hears it", on: "owner", fault: faults.oneWayFromOne, expect: "either", isStable: true },
  { name: "the owner is reached by one other node only", on: "owner", fault: cutPairs([0, 2], [0, 3], [0, 4]), expect: "moves", isStable: true },
];

/** Of two that are left, one has the vote: it goes on alone. */
async function withoutVote(scene: Scene, left: readonly string[]): Promise<string> {
  const votes = (await scene.through((api) => api.get<QuorumView>("/v1/quorum"))).nodes;
  return left.find((name) => votes.find(({ node }) => node === name)!.vote === 0)!;
}

/** Those that matter most are played with every change; all of them by `npm run lab`. */
const OFTEN: readonly string[] = [DOUBLE[0]!, DOUBLE[1]!, DOUBLE[3]!].map(({ name }) => name);
const IS_SHORT = process.env["LAB_SHORT"] !== undefined;

describe("five nodes", () => {
  test("profile standard", async (context) => {
    await Scene.with({ hosts: 5, profile: "standard" }, async (scene) => {
      const workload = scene.workload();
      workload.start();
      for (const scenario of [...DOUBLE, ...PARTIAL].filter(({ name }) => !IS_SHORT || OFTEN.includes(name))) await context.test(scenario.name, (inner) => scene.scenario(inner, scenario).then(() => undefined));

      if (!IS_SHORT) await context.test("one after the other loses power, until one is left, and all come back", async (inner) => {
        await scene.untilWhole();
        for (let left = scene.names; left.length > 1;) {
          const owner = await scene.owner();
          const { generation } = scene.client.lastReply!;
          const name = left.length > 2 ? owner : await withoutVote(scene, left);
          await scene.lab.powerOff(name);
          left = left.filter((one) => one !== name);
          await scene.untilServed({ sinceMs: nowMs(), ...(name === owner ? { above: generation! } : {}) });
          await scene.untilWhole(left);
          inner.diagnostic(`${name} is off: ${await scene.owner()} serves, ${left.length} left`);
        }
        for (const name of scene.names) if (!scene.lab.host(name).isOn) await scene.lab.powerOn(name);
        await scene.untilWhole();
        scene.check();
      });

      await context.test("all sides apart: nobody serves", async (inner) => {
        await scene.scenario(inner, { name: "each node hears nobody else", on: "owner", fault: partitioned((names) => names.map((name) => [name])), expect: "waits" });
      });
      await scene.judge(context, workload);
      await scene.untilKeptFollowed();
    });
  });
});
