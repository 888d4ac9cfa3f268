import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clusterHardware } from "../../src/nlb/hardware-address.ts";
import type { OperationMode } from "../../src/nlb/filter-contract.ts";
import { CANNOT, until } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";
import { FOUR, SIX, broken, byHost, sources } from "./support/traffic.ts";
import type { Outcome } from "./support/traffic.ts";

const MODES = ["multicast", "igmpMulticast", "unicast"] as const;
const COUNT = 150;

/** The four ways in which every host gets every frame, on a bridge that floods and on one that looks at groups. */
describe("delivery", { skip: CANNOT }, () => {
  let cluster: Balanced;
  before(async () => {
    cluster = await Balanced.form({ rules: false });
    cluster.muster(1, "rule", "add", "--ports", "80", "--protocol", "tcp", "--affinity", "none");
    await cluster.settled();
  });
  after(() => cluster?.close());

  const places = [{ address: FOUR, sources: sources(4, 5, 10), port: 80 }, { address: SIX, sources: sources(6, 5, 10), port: 80 }];

  const allAnswer = async (what: string): Promise<void> => {
    cluster.lab.forgetNeighbours(cluster.clientNumber);
    cluster.forgetAnswers();
    for (const place of places) {
      const outcomes = await cluster.client.ask<Outcome[]>("burst", { ...place, limitMs: 5_000 }, COUNT, 15);
      assert.deepEqual(broken(outcomes).slice(0, 3), [], `${what}, ${place.address}: ${JSON.stringify(byHost(outcomes))}`);
      assert.equal(Object.keys(byHost(outcomes)).length, 3, `${what}, ${place.address}`);
    }
    assert.deepEqual(cluster.doubleAnswers(), [], what);
  };

  const mode = async (operationMode: OperationMode): Promise<void> => {
    cluster.muster(1, "set", "--mode", operationMode);
    await until("all have the mode", async () => (await Promise.all([1, 2, 3].map((number) => cluster.status(number)))).every((status) => status.cluster.operationMode === operationMode));
    await cluster.settled();
  };

  for (const operationMode of MODES) {
    test(`${operationMode}, on a bridge that floods`, async () => {
      await mode(operationMode);
      await allAnswer(operationMode);
      const known = cluster.lab.neighbour(cluster.clientNumber, FOUR);
      assert.equal(known, clusterHardware(FOUR, operationMode, 1).hardwareAddress);
    });
  }

  test("a bridge that looks at groups, without a querier: it floods", async () => {
    cluster.onSwitch(["ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", "1"]);
    for (const operationMode of ["multicast", "igmpMulticast", "unicast"] as const) {
      await mode(operationMode);
      await allAnswer(`snooping, ${operationMode}`);
    }
  });

  test("with a querier, the ports of hosts get everything once they are said to lead to routers", async () => {
    cluster.onSwitch(["ip", "link", "set", "br0", "type", "bridge", "mcast_querier", "1"]);
    for (const number of [1, 2, 3]) cluster.onSwitch(["ip", "link", "set", `p${number}`, "type", "bridge_slave", "mcast_router", "2"]);
    for (const operationMode of ["multicast", "igmpMulticast"] as const) {
      await mode(operationMode);
      await allAnswer(`querier, ${operationMode}`);
    }
  });

  // The last one: as in Windows, hosts cannot reach each other over the adapter then, and so cannot tell each other to leave the mode.
  test("windowsUnicast", async () => {
    await mode("windowsUnicast");
    await allAnswer("windowsUnicast");
    assert.equal(cluster.lab.neighbour(cluster.clientNumber, FOUR), clusterHardware(FOUR, "windowsUnicast", 1).hardwareAddress);
  });
});
