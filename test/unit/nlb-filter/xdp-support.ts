import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FilterAction, FilterPlan, FilterRule, RuleProtocol } from "../../../src/nlb/filter-contract.ts";
import { BUCKETS } from "../../../src/nlb/filter-contract.ts";
import { readFacts } from "../../../src/nlb-filter/choice.ts";
import { CANNOT, Lab, Remote, run, until } from "../network/lab.ts";
import { udpFrame } from "./xdp-frames.ts";

export const CLUSTER_MAC = "03:bf:0a:4d:00:64";
export const VIRTUAL = ["10.77.0.100", "10.77.0.101", "fd77::100"] as const;
export const ALL = Array.from({ length: BUCKETS }, (_, bucket) => bucket);
export const SKIP = CANNOT || (existsSync("/sys/fs/bpf") ? readFacts("lo").problem : "needs a kernel with BPF") || false;
/** `stack`: XDP where the driver takes no program. */
export const WAYS = ["nftables", "driver", "stack"] as const;
type Way = (typeof WAYS)[number];

export function rule(key: string, ports: readonly [number, number], protocol: RuleProtocol, action: FilterAction, virtualAddress: string | null = null): FilterRule {
  return { key, virtualAddress, startPort: ports[0], endPort: ports[1], protocol, action };
}

export function share(affinity: "none" | "single" | "network", owned: readonly number[], extra: Partial<Extract<FilterAction, { kind: "share" }>> = {}): FilterAction {
  return { kind: "share", affinity, seed: 0xcafe, owned, recentlyLost: [], extendedAffinityMs: 0, ...extra };
}

export function plan(rules: readonly FilterRule[], extra: Partial<FilterPlan> = {}): FilterPlan {
  return {
    number: 1,
    phase: "take",
    map: "-",
    isMember: true,
    operationMode: "multicast",
    hardwareAddress: CLUSTER_MAC,
    maskedHardwareAddress: null,
    multicastGroup: null,
    virtualAddresses: VIRTUAL.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    rules,
    isDefaultHost: false,
    wasDefaultHost: false,
    filtersIcmp: false,
    ...extra,
  };
}

/** A host with a filter, and a machine that sends frames to it. */
export class FilterLab {
  readonly lab = new Lab(2);
  readonly host: Remote;
  readonly sender: Remote;
  readonly hardwareAddress: string;
  #marker = 0;
  #incarnation = 0;
  #takesPrograms = true;
  readonly #inside: Remote[] = [];

  constructor() {
    this.host = this.#remote(1);
    this.sender = this.#remote(2);
    this.hardwareAddress = this.lab.machine(1).hardwareAddress;
  }

  #remote(machine: number): Remote {
    return this.lab.remote(machine, new URL("./xdp-remote.ts", import.meta.url));
  }

  /** Another process of the host: a later life. */
  anotherLife(): Remote {
    return this.#remote(1);
  }

  /** A process of a namespace behind the host. */
  inNamespace(name: string): Remote {
    const remote = new Remote(name, fileURLToPath(new URL("./xdp-remote.ts", import.meta.url)), "");
    this.#inside.push(remote);
    return remote;
  }

  async make(engine: "nftables" | "xdp", host = this.host): Promise<void> {
    await host.ask("make", engine, this.hardwareAddress, ++this.#incarnation);
  }

  /** Makes the host's adapter anew: one whose peer has more queues than itself is what veth's driver takes no program for. */
  makeAdapter(takesPrograms: boolean): void {
    const { namespace, hardwareAddress, address, address6 } = this.lab.machine(1);
    const bridge = namespace.replace(/n1$/, "sw");
    run(["ip", "-n", bridge, "link", "del", "p1"]);
    run(["ip", "-n", bridge, "link", "add", "p1", "numtxqueues", takesPrograms ? "1" : "2", "type", "veth", "peer", "name", "eth0", "netns", namespace, "address", hardwareAddress]);
    run(["ip", "-n", bridge, "link", "set", "p1", "master", "br0", "up"]);
    run(["ip", "-n", namespace, "link", "set", "eth0", "up"]);
    run(["ip", "-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0"]);
    run(["ip", "-n", namespace, "addr", "add", `${address6}/64`, "dev", "eth0", "nodad"]);
  }

  async makeWay(way: Way): Promise<void> {
    const takesPrograms = way !== "stack";
    if (takesPrograms !== this.#takesPrograms) this.makeAdapter(takesPrograms);
    this.#takesPrograms = takesPrograms;
    await this.make(way === "nftables" ? "nftables" : "xdp");
  }

  async open(lengthMs = 60_000, slot = 0): Promise<void> {
    await this.host.ask("lease", { do: "arm", slot, lengthMs });
    await this.host.ask("lease", { do: "point", slot });
  }

  /** Which of the clients the filter lets through. */
  async passes(frames: readonly Buffer[]): Promise<string[]> {
    await this.host.ask("forget");
    const marker = `10.99.0.${(++this.#marker % 250) + 1}`;
    // Not for a virtual address: it passes, after all the others.
    const last = udpFrame(this.hardwareAddress, { client: marker, clientPort: 9, server: this.lab.machine(1).address, serverPort: 9 });
    await this.sender.ask("send", [...frames, last].map((frame) => frame.toString("base64")));
    const seen = await until("the last frame", async () => {
      const all = await this.host.ask<string[]>("seen");
      return all.includes(marker) ? all : null;
    });
    return seen.filter((client) => client !== marker && (client.startsWith("10.1.") || client.startsWith("fd01:")));
  }

  /** Whether a program of XDP is on the adapter. */
  hasProgram(): boolean {
    return / xdp(generic|drv)? /.test(this.lab.on(1, ["ip", "link", "show", "dev", "eth0"]));
  }

  async close(): Promise<void> {
    for (const remote of this.#inside) remote.kill();
    await Promise.all(this.#inside.map((remote) => remote.exited));
    await this.lab.close();
  }
}
