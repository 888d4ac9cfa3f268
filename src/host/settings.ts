import { hostname, networkInterfaces } from "node:os";
import { MusterError } from "../model/errors.ts";
import { PROFILES } from "../model/heartbeat.ts";
import type { Profile } from "../model/heartbeat.ts";

/** What a machine that becomes a node decides for itself. */

export const DIRECTORY_DEFAULT = "/var/lib/muster";

/** Where Windows' cluster service listens (reference 1.9), and the one beside it. */
export const defaultPorts = { apiPort: 3343, transferPort: 3344 } as const;

/** Milliseconds. @throws MusterError for a profile that does not exist */
export function tokenOf(profile: string): number {
  if (!Object.hasOwn(PROFILES, profile)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "profile", problem: `one of ${Object.keys(PROFILES).join(", ")}` });
  return PROFILES[profile as Profile];
}

/** It is a file name and a name in certificates. @throws MusterError */
export function checkNodeName(name: string): void {
  if (!/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(name)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "node", problem: "1 to 63 letters, digits and -, neither first nor last a -" });
}

/** The machine's own name without its domain. */
export function ownName(): string {
  return hostname().split(".")[0] ?? "";
}

/**
 * An address of another machine would make a node that nobody hears, and of which nobody says why.
 * @throws MusterError MUSTER_NOT_OWN_ADDRESS naming the first that is on no adapter
 */
export function checkOwnAddresses(addresses: readonly string[]): void {
  const own = Object.values(networkInterfaces()).flatMap((infos) => (infos ?? []).map(({ address }) => address));
  const wrong = addresses.find((address) => !own.includes(address));
  if (wrong !== undefined) throw new MusterError("MUSTER_NOT_OWN_ADDRESS", { address: wrong, own: own.filter((address) => !/^(127\.|::1$|fe[89ab])/i.test(address)).join(", ") || "none" });
}

/**
 * The addresses by which the others reach this machine when nobody says: the first IPv4 address of each adapter, or
 * the first global IPv6 address of one that has no other.
 * @throws MusterError when there is none
 */
export function ownAddresses(): string[] {
  const found = Object.values(networkInterfaces()).flatMap((infos) => {
    const outside = (infos ?? []).filter(({ internal, address }) => !internal && !/^(fe[89ab]|169\.254\.)/i.test(address));
    const one = outside.find(({ family }) => family === "IPv4") ?? outside[0];
    return one === undefined ? [] : [one.address];
  });
  if (found.length === 0) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--network", problem: "this machine has no address that others could reach; give one" });
  return found;
}
