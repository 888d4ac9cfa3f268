import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { LogStatus } from "../../../src/log/types.ts";
import { adaptersFrom } from "../../../src/service/adapters.ts";
import type { Adapter } from "../../../src/service/adapters.ts";
import { NetworkReport } from "../../../src/service/network-report.ts";
import { Driver } from "../core/driver.ts";

/** Two nodes of one machine with the real core; what they send is stepped at once, and counted. */
class Machine {
  readonly driver = Driver.started(2);
  adapters: Adapter[] = [{ adapter: "eth0", hardwareAddress: "02:00:00:00:00:01", addresses: ["192.0.2.2/24", "fd00::2/64"], defaultGateway: true, loopback: false }];
  readonly down = new Set<string>();
  forbidden = false;
  reads = 0;
  sent: string[] = [];
  epoch = 1;
  active = true;
  nowMs = 0;
  readonly reports: NetworkReport[];

  constructor() {
    this.reports = [1, 2].map((node) =>
      new NetworkReport({
        self: this.driver.member(node),
        reader: {
          adapters: () => {
            this.reads += 1;
            if (this.forbidden) throw new Error("EPERM");
            return this.adapters;
          },
          isLinkDown: (name) => this.down.has(name),
        },
        status: (): LogStatus => (this.active ? { phase: "active", epoch: this.epoch, members: [1, 2].map((id) => this.driver.member(id)), learners: [], orderer: 1 } : { phase: "forming", reason: "a test" }),
        state: () => this.driver.state,
        send: (command) => {
          this.sent.push(command.verb);
          this.driver.command(command);
        },
        say: (input) => {
          this.sent.push(input.kind);
          this.driver.step(input);
        },
      }),
    );
  }

  pass(ms: number): string[] {
    this.sent = [];
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 100) for (const report of this.reports) report.tick(this.nowMs);
    return this.sent;
  }

  states(): string[] {
    return [...core.describeNetworks(this.driver.state), ...core.describeNetworkInterfaces(this.driver.state)].map((one) => `${one.name}: ${one.state}`);
  }
}

test("a cluster on one machine knows its network, and nothing is sent while nothing changes", () => {
  const machine = new Machine();
  machine.pass(2_000);
  assert.deepEqual(machine.states(), ["Network 1: Up", "node1 - eth0: Up", "node2 - eth0: Up"]);
  assert.equal(core.describeNetwork(machine.driver.state, "Network 1").properties["Role"], 3);
  machine.reads = 0;
  assert.deepEqual(machine.pass(300_000), []);
  assert.equal(machine.reads, 20, "two nodes ask the machine every 30 s");
});

test("what has changed is told at the next look", () => {
  const machine = new Machine();
  machine.pass(2_000);
  machine.adapters = [...machine.adapters, { adapter: "eth1", hardwareAddress: "", addresses: ["10.7.0.2/16"], defaultGateway: false, loopback: false }];
  const sent = machine.pass(31_000);
  assert.equal(sent.filter((one) => one === "network.discover").length, 2);
  assert.deepEqual(machine.states(), ["Network 1: Up", "Network 2: Up", "node1 - eth0: Up", "node1 - eth1: Up", "node2 - eth0: Up", "node2 - eth1: Up"]);
});

test("an adapter without a link is a failed interface; one that is gone is none", () => {
  const machine = new Machine();
  machine.pass(2_000);
  const { adapters } = machine;
  machine.adapters = [];
  machine.down.add("eth0");
  assert.ok(!machine.pass(31_000).includes("network.discover"));
  assert.deepEqual(machine.states(), ["Network 1: Down", "node1 - eth0: Failed", "node2 - eth0: Failed"]);
  machine.adapters = adapters;
  machine.pass(31_000);
  assert.deepEqual(machine.states(), ["Network 1: Up", "node1 - eth0: Up", "node2 - eth0: Up"]);
  machine.adapters = [];
  machine.down.clear();
  machine.pass(31_000);
  assert.deepEqual(machine.states(), []);
});

test("loopback counts only where there is nothing else", () => {
  const machine = new Machine();
  const loopback: Adapter = { adapter: "lo", hardwareAddress: "00:00:00:00:00:00", addresses: ["127.0.0.1/8", "::1/128"], defaultGateway: false, loopback: true };
  const [eth0] = machine.adapters;
  machine.adapters = [loopback];
  machine.pass(2_000);
  assert.deepEqual(machine.states(), ["Network 1: Up", "node1 - lo: Up", "node2 - lo: Up"]);
  machine.adapters = [eth0!, loopback];
  machine.pass(31_000);
  assert.deepEqual(machine.states(), ["Network 2: Up", "node1 - eth0: Up", "node2 - eth0: Up"]);
});

test("a new view is told anew; without a view nothing is sent; a machine that does not say changes nothing", () => {
  const machine = new Machine();
  machine.active = false;
  assert.deepEqual(machine.pass(60_000), []);
  machine.active = true;
  machine.pass(2_100);
  machine.driver.view();
  machine.epoch += 1;
  assert.deepEqual(machine.pass(100), ["connectivity", "connectivity"], "at once");
  assert.deepEqual(machine.pass(1_000), []);
  machine.forbidden = true;
  assert.deepEqual(machine.pass(60_000), []);
  assert.deepEqual(machine.states(), ["Network 1: Up", "node1 - eth0: Up", "node2 - eth0: Up"]);
});

test("what the operating system says becomes adapters", () => {
  const info = (address: string, cidr: string | null, internal = false): never => ({ address, cidr, internal, mac: "02:fc:00:00:00:01", netmask: "", family: "IPv4" }) as never;
  const routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth1\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\nppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\n";
  const found = adaptersFrom(
    {
      lo: [info("127.0.0.1", "127.0.0.1/8", true)],
      eth1: [info("10.0.0.1", "10.0.0.1/24"), info("fe80::1", "fe80::1/64")],
      eth0: [info("192.0.2.2", "192.0.2.2/24")],
      "eth0:1": [info("192.0.2.3", "192.0.2.3/24")],
      eth2: [info("169.254.1.1", "169.254.1.1/16"), info("1.2.3.4", null)],
      "näme": [info("10.9.0.1", "10.9.0.1/24")],
    },
    routes,
  );
  assert.deepEqual(found.map((one) => [one.adapter, one.addresses, one.defaultGateway, one.loopback]), [
    ["eth0", ["192.0.2.2/24", "192.0.2.3/24"], false, false],
    ["eth1", ["10.0.0.1/24"], true, false],
    ["lo", ["127.0.0.1/8"], false, true],
  ]);
});
