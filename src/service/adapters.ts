import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { NetworkInterfaceInfo } from "node:os";

/** An adapter of this machine that has an address. */
export interface Adapter {
  readonly adapter: string;
  readonly hardwareAddress: string;
  /** `address/length`. */
  readonly addresses: readonly string[];
  readonly defaultGateway: boolean;
  readonly loopback: boolean;
}

/** What the machine says of its adapters; a test says it instead. */
export interface AdapterReader {
  /** Sorted by name. */
  adapters(): readonly Adapter[];
  /** It is there, but nothing is plugged in: such a one has no addresses to show. */
  isLinkDown(adapter: string): boolean;
}

export const machineAdapters: AdapterReader = {
  adapters: () => adaptersFrom(networkInterfaces(), readText("/proc/net/route")),
  isLinkDown: (adapter) => ["down", "lowerlayerdown", "notpresent", "dormant"].includes(readText(`/sys/class/net/${adapter}/operstate`).trim()),
};

/** Addresses of a link alone are left out: they say nothing of a subnet. */
export function adaptersFrom(found: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>, routes: string): Adapter[] {
  const gateways = gatewayAdapters(routes);
  const adapters = new Map<string, { hardwareAddress: string; addresses: string[]; loopback: boolean }>();
  for (const [label, infos] of Object.entries(found)) {
    // A second address may carry a label of its own: eth0:1.
    const name = label.split(":")[0] ?? label;
    // The cluster takes printable names only; the kernel would take others.
    if (!/^[!-.0-~]{1,15}$/.test(name)) continue;
    for (const { cidr, mac, internal, address } of infos ?? []) {
      if (cidr === null || isLinkLocal(address)) continue;
      const adapter = adapters.get(name) ?? { hardwareAddress: mac, addresses: [], loopback: internal };
      adapter.addresses.push(cidr);
      adapters.set(name, adapter);
    }
  }
  return [...adapters].map(([adapter, rest]) => ({ adapter, ...rest, defaultGateway: gateways.has(adapter) })).sort((left, right) => (left.adapter < right.adapter ? -1 : 1));
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address) || address.startsWith("169.254.");
}

/** Adapters with an IPv4 default route through a gateway, as /proc/net/route shows them. */
function gatewayAdapters(routes: string): Set<string> {
  const USES_GATEWAY = 2;
  const rows = routes.split("\n").slice(1).map((line) => line.trim().split(/\s+/));
  return new Set(rows.filter(([, destination, , flags, , , , mask]) => destination === "00000000" && mask === "00000000" && (Number.parseInt(flags ?? "0", 16) & USES_GATEWAY) !== 0).map(([name = ""]) => name));
}

/** A file of the kernel; empty when this machine has none. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
