import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { QuorumView } from "../../src/model/views.ts";
import { nowMs } from "./support/clock.ts";
import * as faults from "./support/faults.ts";
import type { Fault } from "./support/scene.ts";
import { Scene } from "./support/scene.ts";

const MUSTER = fileURLToPath(new URL("../../bin/muster.js", import.meta.url));
const WITNESS_PORT = 3_345;

async function quorum(scene: Scene, name = scene.names[0]!): Promise<QuorumView> {
  return scene.cluster.api(name).get<QuorumView>("/v1/quorum");
}

async function setWitness(scene: Scene, kind: "fileShare" | "daemon", properties: Record<string, string>): Promise<void> {
  await scene.cluster.api(scene.names[0]!).send("PUT", "/v1/quorum", { body: { witness: { kind, properties } } });
  await scene.cluster.until("the witness has a vote", 30_000, async () => (await quorum(scene)).witness?.vote === 1);
}

/** Until these nodes say that they wait for others. */
function untilWaiting(scene: Scene, names: readonly string[]): Promise<void> {
  return scene.cluster.until(`${names.join(", ")} wait`, 30_000, async () => (await Promise.all(names.map((name) => scene.cluster.view(name)))).every((view) => view?.state === "Waiting"));
}

describe("who goes on", () => {
  test("two nodes", async (context) => {
    await Scene.with({ hosts: 2, profile: "fast" }, async (scene) => {
      await context.test("without a witness: the one with the vote goes on alone, the other one does not", async (inner) => {
        await scene.untilWhole();
        const voter = (await quorum(scene)).nodes.find((node) => node.vote === 1)!.node;
        const [other = ""] = scene.others(voter);
        await scene.moveTo(other);
        await scene.scenario(inner, { name: "the node without the vote loses power", on: "owner", fault: faults.poweredOff, expect: "moves" });
        await scene.moveTo(other);
        const after = (await quorum(scene)).nodes.find((node) => node.vote === 1)!.node;
        await scene.lab.powerOff(after);
        const [left = ""] = scene.others(after);
        await untilWaiting(scene, [left]);
        await scene.lab.powerOn(after);
        await scene.untilWhole();
      });

      await context.test("with a file share: every single fault", async (inner) => {
        const share = join(scene.shared, "witness");
        const away = join(scene.shared, "away");
        mkdirSync(share);
        await setWitness(scene, "fileShare", { SharePath: share });
        await scene.scenario(inner, { name: "the owner loses power", on: "owner", fault: faults.poweredOff, expect: "moves" });
        await scene.scenario(inner, { name: "the two do not hear each other, both reach the share", on: "owner", fault: faults.cutFromOne, expect: "either" });
        await scene.scenario(inner, { name: "the share is lost while it is not needed", on: "owner", fault: async () => (renameSync(share, away), async () => renameSync(away, share)), expect: "stays" });
        // Lost together with a node it is one fault too many: nobody goes on until it is back.
        const owner = await scene.owner();
        const [other = ""] = scene.others(owner);
        renameSync(share, away);
        await scene.lab.powerOff(owner);
        await untilWaiting(scene, [other]);
        const backMs = nowMs();
        renameSync(away, share);
        await scene.untilServed({ sinceMs: backMs, above: scene.client.lastReply!.generation! });
        inner.diagnostic(`the share is back: served ${((nowMs() - backMs) / 1_000).toFixed(1)} s later`);
        await scene.lab.powerOn(owner);
        await scene.untilWhole();
        scene.check();
      });

      await context.test("with the daemon on another machine: partitions", async (inner) => {
        const daemon = scene.lab.client.spawn([process.execPath, "--disable-warning=ExperimentalWarning", MUSTER, "witness", "serve", "--listen", String(WITNESS_PORT), "--directory", "/run/witness"], { stdio: ["ignore", "pipe", "ignore"] });
        const printed = await new Promise<string>((resolve) => daemon.stdout!.once("data", (piece: Buffer) => resolve(piece.toString())));
        await setWitness(scene, "daemon", { Address: `10.77.0.250:${WITNESS_PORT}`, Fingerprint: /Fingerprint=(\S+)/.exec(printed)![1]! });
        await scene.scenario(inner, { name: "the two do not hear each other, both reach the daemon", on: "owner", fault: faults.cutFromOne, expect: "either" });
        await scene.scenario(inner, { name: "the owner is cut off from everybody", on: "owner", fault: faults.cutOff, expect: "moves" });
        await scene.scenario(inner, { name: "the daemon stands still while it is not needed", on: "owner", fault: async () => (daemon.kill("SIGSTOP"), async () => void daemon.kill("SIGCONT")), expect: "stays" });
      });
    });
  });

  test("five nodes: the side with three goes on", async (context) => {
    await Scene.with({ hosts: 5, profile: "standard" }, async (scene) => {
      const split: Fault = async (where, name) => {
        const [with2 = "", ...others] = where.others(name);
        for (const one of [name, with2]) for (const other of others) await where.lab.cut(one, { from: other });
        await where.lab.cut(name, { from: "client" });
        return () => where.lab.heal();
      };
      await scene.scenario(context, { name: "the owner is on the side with two", on: "owner", fault: split, expect: "moves" });
    });
  });
});
