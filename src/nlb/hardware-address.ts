import { addressBytes } from "../model/addresses.ts";
import type { OperationMode } from "./filter-contract.ts";
import { jhash } from "./hash.ts";

/**
 * The cluster's hardware address, from its primary address (reference: NLB 4). For IPv4 a.b.c.d:
 * unicast 02-BF-a-b-c-d, multicast 03-BF-a-b-c-d, IGMP multicast 01-00-5E-7F-c-d with the group
 * 239.255.c.d. Of an IPv6 address Windows uses an unpublished digest; ours is the kernel's hash.
 */
export interface ClusterHardware {
  readonly hardwareAddress: string;
  /** The group that hosts join in the IGMP mode; null in the others. */
  readonly multicastGroup: string | null;
  /** The source under which host `id` sends in the literal Windows mode, so that no switch learns the cluster's address; null in the others. */
  readonly maskedHardwareAddress: string | null;
}

/** @throws MusterError MUSTER_INVALID_ARGUMENT when the primary address is none */
export function clusterHardware(primaryAddress: string, mode: OperationMode, hostId: number): ClusterHardware {
  const four = fourBytes(primaryAddress);
  const [, , c = 0, d = 0] = four;
  if (mode === "igmpMulticast") return { hardwareAddress: text([0x01, 0x00, 0x5e, 0x7f, c, d]), multicastGroup: `239.255.${c}.${d}`, maskedHardwareAddress: null };
  const hardwareAddress = text([mode === "multicast" ? 0x03 : 0x02, 0xbf, ...four]);
  return { hardwareAddress, multicastGroup: null, maskedHardwareAddress: mode === "windowsUnicast" ? text([0x02, hostId, ...four]) : null };
}

function fourBytes(address: string): readonly number[] {
  const bytes = addressBytes(address, "primaryAddress");
  if (bytes.length === 4) return [...bytes];
  const digest = jhash(bytes, 0);
  return [digest >>> 24, (digest >>> 16) & 0xff, (digest >>> 8) & 0xff, digest & 0xff];
}

function text(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
