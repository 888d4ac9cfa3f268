import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import type { HeartbeatView } from "../../src/model/heartbeat.ts";
import type { LeaseView, Plan } from "../../src/model/views.ts";
import { nowMs } from "./support/clock.ts";
import * as faults from "./support/faults.ts";
import { Scene, sleep } from "./support/scene.ts";

/** The heartbeat properties at run time: the token of all nodes changes, and with it every lease, while a client asks all the time. */

const RUNTIME_TOKEN = "runtime.config.totem.token";
const FOLLOWED_LIMIT_MS = 30_000;
/** The longest hold there is here, twice, and what a busy machine takes. */
const SETTLED_LIMIT_MS = 90_000;
/** After the last step of a change. */
const WATCH_MS = 3_000;

/** What corosync says that its token is, by its own tool. */
async function corosyncToken(scene: Scene, name: string): Promise<number> {
  const { stdout } = await scene.lab.host(name).run(["corosync-cmapctl", "-g", RUNTIME_TOKEN]);
  return Number(/= (\d+)/.exec(stdout)?.[1] ?? Number.NaN);
}

/** Until every node and its corosync act by this token, and then until nobody waits by the former one. */
async function untilFollowed(scene: Scene, tokenMs: number): Promise<void> {
  let seen: unknown;
  const tell = (): string => JSON.stringify(seen);
  const leases = (): Promise<LeaseView[]> => Promise.all(scene.names.map((name) => scene.cluster.api(name).get<LeaseView>("/v1/lease")));
  await scene.cluster.until(`all leases and all corosyncs have a token of ${tokenMs} ms`, FOLLOWED_LIMIT_MS, async () => {
    const now = (await leases()).map((lease) => lease.tokenMs);
    const engines = await Promise.all(scene.names.map((name) => corosyncToken(scene, name)));
    seen = { now, engines };
    return [...now, ...engines].every((one) => one === tokenMs);
  }, tell);
  await scene.cluster.until("nobody is waited for by the former token", SETTLED_LIMIT_MS, async () => {
    const now = await leases();
    seen = now.map((lease) => lease.waitingTokenMs);
    return now.every((lease) => lease.waitingTokenMs === tokenMs && lease.leaseMs === Math.ceil(1.5 * tokenMs));
  }, tell);
}

/** Sets properties as an administrator does, and nothing may be interrupted by it. */
async function change(context: TestContext, scene: Scene, properties: readonly string[], tokenMs: number): Promise<void> {
  const [name = ""] = scene.names;
  const fromMs = nowMs();
  const before = scene.client.lastReply!.generation;
  const said = await scene.cluster.try(name, "cluster", "set", ...properties);
  assert.match(`${said.stdout}${said.stderr}`, new RegExp(`A silent node is missed after at most \\d+ ms \\(token ${tokenMs} ms`));
  await untilFollowed(scene, tokenMs);
  const settledMs = nowMs() - fromMs;
  await sleep(WATCH_MS);
  const asked = scene.client.answers.filter(({ kind, begunMs }) => kind === "own" && begunMs > fromMs && begunMs < nowMs() - WATCH_MS / 2);
  assert.deepEqual(asked.filter(({ receivedMs }) => receivedMs === null), [], "no answer is missing");
  assert.equal(scene.client.lastReply!.generation, before, "the role was not interrupted");
  scene.check();
  context.diagnostic(`${properties.join(" ")}: token ${tokenMs} ms, settled after ${(settledMs / 1_000).toFixed(1)} s, ${asked.length} answers, none missing`);
}

describe("the heartbeat properties", () => {
  test("three nodes, profile standard", async (context) => {
    await Scene.with({ hosts: 3, profile: "standard" }, async (scene) => {
      const [name = "", second = "", third = ""] = scene.names;
      await scene.untilWhole();
      await scene.owner();

      await context.test("a dry run says what would come of it, and a value out of range is refused by name", async () => {
        const plan = await scene.cluster.json<Plan>(name, "cluster", "set", "SameSubnetThreshold=20", "--dry-run");
        assert.equal(plan.heartbeat?.tokenMs, 9_090);
        assert.match(plan.notes.join(" "), /missed after at most 20\d+ ms \(token 9090 ms; so far 500 ms\)/);
        const { message } = await scene.cluster.refused(name, "cluster", "set", "SameSubnetThreshold=2");
        assert.match(message, /SameSubnetThreshold/);
        const bounded = await scene.cluster.json<Plan>(name, "cluster", "set", "SameSubnetDelay=2000", "SameSubnetThreshold=120", "--dry-run");
        assert.deepEqual([bounded.heartbeat?.tokenMs, bounded.heartbeat?.boundedFromMs], [60_000, 109_090]);
        assert.equal((await scene.cluster.json<{ readonly heartbeat: HeartbeatView }>(name, "cluster", "show")).heartbeat.inForce.tokenMs, 500);
      });

      for (const [properties, tokenMs] of [
        [["SameSubnetDelay=250", "SameSubnetThreshold=6"], 681],
        [["SameSubnetThreshold=12"], 1_363],
        [["SameSubnetThreshold=6"], 681],
        [["SameSubnetDelay=1000", "SameSubnetThreshold=20"], 9_090],
        [["SameSubnetThreshold=10"], 500],
      ] as const) await context.test(`${properties.join(" ")}: a token of ${tokenMs} ms`, (inner) => change(inner, scene, properties, tokenMs));

      await context.test("a node that was away takes the token from the log", async () => {
        if ((await scene.owner()) === third) await scene.moveTo(second);
        const away = (await scene.owner()) === third ? second : third;
        await scene.lab.powerOff(away);
        await scene.cluster.untilUp(name, 2);
        await scene.cluster.muster(name, "cluster", "set", "SameSubnetDelay=250", "SameSubnetThreshold=3");
        await scene.lab.powerOn(away);
        await scene.untilWhole();
        await untilFollowed(scene, 340);
      });

      await context.test("and then the owner loses power", (inner) => scene.scenario(inner, { name: "the owner loses power", on: "owner", fault: faults.poweredOff, expect: "moves" }).then(() => undefined));
      await context.test("the way back while the role is served", (inner) => change(inner, scene, ["SameSubnetDelay=1000", "SameSubnetThreshold=10"], 500));
    });
  });
});
