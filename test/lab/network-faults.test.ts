import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { GroupView, ResourceView } from "../../src/model/views.ts";
import * as faults from "./support/faults.ts";
import { Scene } from "./support/scene.ts";
import type { Scenario } from "./support/scene.ts";

const TAKEN = "10.77.0.101";
/** What fails between nodes. */
const SCENARIOS: readonly Scenario[] = [
  { name: "the owner is cut off", on: "owner", fault: faults.cutOff, expect: "moves" },
  { name: "another node is cut off", on: "other", fault: faults.cutOff, expect: "stays" },
  { name: "the owner is cut off on the network without clients", on: "owner", fault: faults.cutOnSecond, expect: "stays" },
  { name: "another node is cut off on the network of the clients", on: "other", fault: faults.cutOnFirst, expect: "stays" },
  { name: "the cable of the owner is out on the network without clients", on: "owner", fault: faults.unpluggedOnSecond, expect: "stays" },
  { name: "the owner hears nobody", on: "owner", fault: faults.deaf, expect: "moves", isStable: true },
  { name: "nobody hears the owner", on: "owner", fault: faults.mute, expect: "moves", isStable: true },
  { name: "another node hears nobody", on: "other", fault: faults.deaf, expect: "stays", isStable: true },
  { name: "nobody hears another node", on: "other", fault: faults.mute, expect: "stays", isStable: true },
  { name: "the owner and another node do not reach each other, the third node reaches both", on: "owner", fault: faults.cutFromOne, expect: "either", isStable: true },
  { name: "the owner does not hear another node, which hears it", on: "owner", fault: faults.oneWayFromOne, expect: "either", isStable: true },
  { name: "the links of the owner lose a tenth", on: "owner", fault: faults.lossy, expect: "either", watchMs: 8_000 },
  { name: "a firewall lets no datagrams in at the owner", on: "owner", fault: faults.datagramsBlocked, expect: "stays" },
  { name: "a firewall lets no datagrams in at another node", on: "other", fault: faults.datagramsBlocked, expect: "stays" },
  { name: "the link of the owner flaps", on: "owner", fault: faults.flapping, expect: "either", watchMs: 0 },
];

describe("a network fails", () => {
  test("three nodes, profile standard", async (context) => {
    await Scene.with({ hosts: 3, profile: "standard" }, async (scene) => {
      const workload = scene.workload();
      workload.start();
      for (const scenario of SCENARIOS) await context.test(scenario.name, (inner) => scene.scenario(inner, scenario).then(() => undefined));

      await context.test("an address that somebody else has is not brought online", async (inner) => {
        const api = scene.cluster.api("n1");
        await scene.lab.client.run(["ip", "address", "add", `${TAKEN}/24`, "dev", "eth0"]);
        await api.send("POST", "/v1/groups", { body: { name: "taken" } });
        await api.send("POST", "/v1/resources", { body: { name: "taken address", group: "taken", type: "IP Address", privateProperties: { Address: TAKEN, SubnetMask: "255.255.255.0" } } });
        await api.send("POST", "/v1/groups/taken/online", { body: {} });
        let seen: GroupView | null = null;
        await scene.cluster.until("the role has failed", 30_000, async () => {
          seen = await scene.cluster.group("n1", "taken");
          assert.notEqual(seen.state, "Online");
          return seen.state === "Failed";
        }, () => JSON.stringify(seen));
        const { reason } = await api.get<ResourceView>("/v1/resources/taken%20address");
        inner.diagnostic(reason.text);
        assert.match(reason.text, /10\.77\.0\.101.*in use|is used|answers/i);
        await scene.lab.client.run(["ip", "address", "delete", `${TAKEN}/24`, "dev", "eth0"]);
        await api.send("POST", "/v1/groups/taken/online", { body: {} });
        await scene.cluster.untilOnline("n1", "taken");
      });
      await scene.judge(context, workload);
      await scene.untilKeptFollowed();
    });
  });
});
