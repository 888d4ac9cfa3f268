import { hostNotFound, invalid, networkNotFound } from "./errors.ts";

/** What a lab consists of, worked out from its options: names and addresses. Pure. */

export interface NetworkOptions {
  readonly name: string;
  /** A /24, for example 10.77.0.0/24; host n<i> has the address .<i>. */
  readonly ipv4: string;
  /** A /64, for example fd77::/64; host n<i> has the address ::<i>. */
  readonly ipv6: string;
  /** True where the client host is connected, too. */
  readonly clients: boolean;
}

export interface HostAddress {
  readonly network: string;
  /** The interface in the host. */
  readonly device: string;
  /** The interface of the switch at the other end of the cable. */
  readonly port: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

export interface HostPlan {
  readonly name: string;
  readonly addresses: readonly HostAddress[];
}

export const DEFAULT_NETWORK_COUNT = 2;
const FIRST_NETWORK = 77;

/** net0 10.77.0.0/24 and fd77::/64, for cluster and clients; net1 10.78.0.0/24 and so on, for the cluster alone. */
export function standardNetworks(count: number): readonly NetworkOptions[] {
  return Array.from({ length: count }, (_, position) => ({
    name: `net${position}`,
    ipv4: `10.${FIRST_NETWORK + position}.0.0/24`,
    ipv6: `fd${FIRST_NETWORK + position}::/64`,
    clients: position === 0,
  }));
}

export const CLIENT_NAME = "client";
const CLIENT_NUMBER = 250;
/** Beyond that the switch's broadcasts would be what is measured. */
const HOSTS_MAX = 100;
export const NETWORKS_MAX = 8;
/** A host's name must be a label of the domain name system. */
const HOST_NAME = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;
/** A network's name is the name of its bridge: the kernel allows 15 characters. */
const NETWORK_NAME = /^[a-z][a-z0-9]{0,14}$/;

/** @throws MusterError MUSTER_INVALID_ARGUMENT */
export function checkLabName(name: string): void {
  if (!HOST_NAME.test(name)) throw invalid("--name", "a lab's name is made of lower-case letters, digits and hyphens, at most 32, and begins with a letter");
}

/** @throws MusterError MUSTER_INVALID_ARGUMENT */
export function checkNetworks(networks: readonly NetworkOptions[]): void {
  if (networks.length === 0 || networks.length > NETWORKS_MAX) throw invalid("networks", `a lab has 1 to ${NETWORKS_MAX} networks`);
  for (const { name, ipv4, ipv6 } of networks) {
    if (!NETWORK_NAME.test(name)) throw invalid("networks", `'${name}': a network's name is made of lower-case letters and digits, at most 15, and begins with a letter`);
    if (!/^(\d{1,3}\.){3}0\/24$/.test(ipv4)) throw invalid("networks", `'${ipv4}': write it as 10.77.0.0/24`);
    if (!/^[0-9a-f:]+::\/64$/.test(ipv6)) throw invalid("networks", `'${ipv6}': write it as fd77::/64`);
  }
  for (const key of ["name", "ipv4", "ipv6"] as const) {
    if (new Set(networks.map((network) => network[key])).size < networks.length) throw invalid("networks", `two networks have the same ${key}`);
  }
}

/** The hosts in order, the client last. @throws MusterError MUSTER_INVALID_ARGUMENT */
export function planHosts(hosts: number | readonly string[], networks: readonly NetworkOptions[]): readonly HostPlan[] {
  if (typeof hosts === "number" && (!Number.isInteger(hosts) || hosts < 1 || hosts > HOSTS_MAX)) throw invalid("--nodes", `a whole number from 1 to ${HOSTS_MAX}`);
  const names = typeof hosts === "number" ? Array.from({ length: hosts }, (_, position) => `n${position + 1}`) : hosts;
  if (names.length === 0 || names.length > HOSTS_MAX) throw invalid("hosts", `a lab has 1 to ${HOSTS_MAX} hosts`);
  for (const name of names) {
    if (!HOST_NAME.test(name) || name === CLIENT_NAME || name === "localhost") throw invalid("hosts", `'${name}' cannot be a host's name: lower-case letters, digits and hyphens, and not '${CLIENT_NAME}' or 'localhost'`);
  }
  if (new Set(names).size < names.length) throw invalid("hosts", "two hosts have the same name");
  const nodes = names.map((name, position) => planHost(name, position + 1, networks, () => true));
  return [...nodes, planHost(CLIENT_NAME, CLIENT_NUMBER, networks, (network) => network.clients)];
}

function planHost(name: string, number: number, networks: readonly NetworkOptions[], connected: (network: NetworkOptions) => boolean): HostPlan {
  const cables = networks.map((network, position) => ({ network, position })).filter(({ network }) => connected(network));
  return {
    name,
    addresses: cables.map(({ network, position }, cable) => ({
      network: network.name,
      device: `eth${cable}`,
      port: `p${number}-${position}`,
      ipv4: network.ipv4.replace(/0\/24$/, String(number)),
      ipv6: network.ipv6.replace(/\/64$/, String(number)),
      // The same after every power-off, so that nobody's neighbour table is wrong for another reason than in a real network.
      mac: `02:4d:4c:00:${hexadecimal(position)}:${hexadecimal(number)}`,
    })),
  };
}

function hexadecimal(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** The hosts file of every host: the names on the first network are the hosts' names, on the others with the network behind. */
export function hostsFile(hosts: readonly HostPlan[]): string {
  const lines = hosts.flatMap((host) =>
    host.addresses.flatMap(({ network, ipv4, ipv6 }, position) => {
      const name = position === 0 ? `${host.name} ${host.name}-${network}` : `${host.name}-${network}`;
      return [`${ipv4} ${name}`, `${ipv6} ${name}`];
    }),
  );
  return ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback", ...lines, ""].join("\n");
}

/** @throws MusterError when there is no such host */
export function findHost(hosts: readonly HostPlan[], name: string): HostPlan {
  const host = hosts.find((candidate) => candidate.name === name);
  if (host === undefined) throw hostNotFound(name, hosts.map((candidate) => candidate.name));
  return host;
}

/** The addresses of a host on one network, or on all of them. @throws MusterError when the host is not connected there */
export function findAddresses(host: HostPlan, network: string | undefined): readonly HostAddress[] {
  if (network === undefined) return host.addresses;
  const found = host.addresses.filter((address) => address.network === network);
  if (found.length === 0) throw networkNotFound(network, host.addresses.map((address) => address.network));
  return found;
}
