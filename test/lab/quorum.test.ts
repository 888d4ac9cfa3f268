import { renameSync } from "node:fs";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import type { QuorumView } from "../../src/model/views.ts";
import { nowMs } from "./support/clock.ts";
import * as faults from "./support/faults.ts";
import { Scene } from "./support/scene.ts";
import type { Scenario } from "./support/scene.ts";
import { Witnesses } from "./support/witnesses.ts";
import type { Kind } from "./support/witnesses.ts";

/** Who goes on: two, three and five nodes, with each witness. One cluster that grows, because making one costs more than breaking it. */

const KINDS: readonly Kind[] = ["none", "fileShare", "daemon", "cloud"];
const named = (kind: Kind): string => (kind === "none" ? "no witness" : kind);

function play(context: TestContext, scene: Scene, name: string, scenario: Omit<Scenario, "name" | "on">): Promise<unknown> {
  return context.test(name, (inner) => scene.scenario(inner, { name, on: "owner", ...scenario }).then(() => undefined));
}

async function twoNodes(context: TestContext, scene: Scene, witnesses: Witnesses): Promise<void> {
  await context.test("two nodes, no witness: the one with the vote goes on alone, the other one does not", async (inner) => {
    await scene.untilWhole();
    const voter = await voterOf(scene);
    const [other = ""] = scene.others(voter);
    await scene.moveTo(other);
    await scene.scenario(inner, { name: "the node without the vote loses power", on: "owner", fault: faults.poweredOff, expect: "moves" });
    await scene.moveTo(other);
    const after = await voterOf(scene);
    const [left = ""] = scene.others(after);
    await scene.lab.powerOff(after);
    await scene.untilWaiting([left]);
    await scene.lab.powerOn(after);
    await scene.untilWhole();
  });
  // Both sides hear the witness and the client.
  for (const kind of KINDS) {
    if (kind !== "none") await witnesses.use(kind);
    await play(context, scene, `two nodes, ${named(kind)}: they do not hear each other`, { fault: faults.partitioned(([owner = "", other = ""]) => [[owner], [other]]), expect: "either" });
    // The directory is no network: who is cut off from everybody may be the first to write there, and go on for nobody.
    if (kind !== "none") await play(context, scene, `two nodes, ${kind}: the owner is cut off from everybody`, { fault: faults.cutOff, expect: kind === "fileShare" ? "safe" : "moves" });
  }
  await play(context, scene, "two nodes, cloud: the owner loses power", { fault: faults.poweredOff, expect: "moves" });
  await witnesses.use("daemon");
  await play(context, scene, "two nodes, daemon: it stands still while it is not needed", { fault: async () => (witnesses.daemon.kill("SIGSTOP"), async () => void witnesses.daemon.kill("SIGCONT")), expect: "stays" });
  await witnesses.use("fileShare");
  await context.test("two nodes, fileShare: lost while it is not needed, and then with a node", (inner) => shareLost(inner, scene, witnesses));
}

/** The share and a node together are one fault too many: nobody goes on until one of them is back. */
async function shareLost(context: TestContext, scene: Scene, { sharePath }: Witnesses): Promise<void> {
  const away = `${sharePath}-away`;
  await scene.scenario(context, { name: "the share is lost while it is not needed", on: "owner", fault: async () => (renameSync(sharePath, away), async () => renameSync(away, sharePath)), expect: "stays" });
  const owner = await scene.owner();
  const [other = ""] = scene.others(owner);
  renameSync(sharePath, away);
  await scene.lab.powerOff(owner);
  await scene.untilWaiting([other]);
  const backMs = nowMs();
  renameSync(away, sharePath);
  await scene.untilServed({ sinceMs: backMs, above: scene.client.lastReply!.generation! });
  context.diagnostic(`the share is back: served ${((nowMs() - backMs) / 1_000).toFixed(1)} s later`);
  await scene.lab.powerOn(owner);
  await scene.untilWhole();
  scene.check();
}

async function voterOf(scene: Scene): Promise<string> {
  return (await scene.through((api) => api.get<QuorumView>("/v1/quorum"))).nodes.find((node) => node.vote === 1)!.node;
}

describe("who goes on", () => {
  test("profile standard", async (context) => {
    await Scene.with({ hosts: 5, nodes: ["n1", "n2"], profile: "standard" }, (scene) =>
      Witnesses.with(scene, async (witnesses) => {
        await twoNodes(context, scene, witnesses);

        await scene.grow("n3");
        for (const kind of KINDS) {
          await witnesses.use(kind);
          await play(context, scene, `three nodes, ${named(kind)}: the owner alone on one side`, { fault: faults.partitioned(([owner = "", ...others]) => [[owner], others]), expect: "moves" });
        }
        await play(context, scene, "three nodes, cloud: the owner on the side with two", { fault: faults.partitioned(([owner = "", second = "", third = ""]) => [[owner, second], [third]]), expect: "stays" });
        await play(context, scene, "three nodes, cloud: each alone", { fault: faults.partitioned((names) => names.map((name) => [name])), expect: "waits" });

        await scene.grow("n4");
        await witnesses.use("daemon");
        await play(context, scene, "four nodes, daemon: two and two", { fault: faults.partitioned(([owner = "", second = "", ...others]) => [[owner, second], others]), expect: "either" });

        await scene.grow("n5");
        for (const kind of KINDS) {
          await witnesses.use(kind);
          await play(context, scene, `five nodes, ${named(kind)}: the owner on the side with two`, { fault: faults.partitioned(([owner = "", second = "", ...others]) => [[owner, second], others]), expect: "moves" });
        }
        await play(context, scene, "five nodes, cloud: the owner on the side with three", { fault: faults.partitioned(([owner = "", second = "", third = "", ...others]) => [[owner, second, third], others]), expect: "stays" });
        await play(context, scene, "five nodes, cloud: two, two and one", { fault: faults.partitioned(([owner = "", second = "", third = "", ...others]) => [[owner], [second, third], others]), expect: "waits" });
      }),
    );
  });
});
