import { createHash } from "node:crypto";
import type { Member } from "../model/identifiers.ts";
import { NODES_MAX } from "../model/identifiers.ts";
import { KernelGate } from "../network/gate.ts";
import { Nftables } from "../network/nftables.ts";
import type { ChannelDescription, LeaseChannel } from "./channel.ts";
import { openChannel, prepareChannel } from "./channel.ts";

/**
 * RELEASED (PROTOCOL part 2, ending a lease on purpose): said by the monitor of a service that died, after it has closed
 * the gate and ended everything. It travels where the ticks travel, because that is what is left of the node.
 */

const MARK = 0x4d4c5231;
const CLUSTER_BYTES = 8;
const RELEASE_BYTES = 4 + CLUSTER_BYTES + 1 + 8;
/** The channel may lose messages, and takes none while it forms a membership. */
const SEND_TIMES = 5;
const SEND_EVERY_MS = 40;

export interface ReleaseOptions {
  readonly clusterId: string;
  readonly self: Member;
  readonly table: string;
  readonly channel: ChannelDescription;
}

export function encodeRelease(clusterId: string, { node, incarnation }: Member): Buffer {
  const bytes = Buffer.alloc(RELEASE_BYTES);
  let at = bytes.writeUInt32BE(MARK, 0);
  at += markOf(clusterId).copy(bytes, at);
  at = bytes.writeUInt8(node, at);
  bytes.writeBigUInt64BE(BigInt(incarnation), at);
  return bytes;
}

/** null = it is no release of this cluster. */
export function decodeRelease(clusterId: string, data: Uint8Array): Member | null {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.length !== RELEASE_BYTES || bytes.readUInt32BE(0) !== MARK || !bytes.subarray(4, 4 + CLUSTER_BYTES).equals(markOf(clusterId))) return null;
  const node = bytes.readUInt8(4 + CLUSTER_BYTES);
  const incarnation = Number(bytes.readBigUInt64BE(4 + CLUSTER_BYTES + 1));
  return node >= 1 && node <= NODES_MAX && Number.isSafeInteger(incarnation) ? { node, incarnation } : null;
}

function markOf(clusterId: string): Buffer {
  return createHash("sha256").update(clusterId).digest().subarray(0, CLUSTER_BYTES);
}

/**
 * Loads what closing the gate and telling the others need: when they are needed, clients wait.
 * @throws MusterError, Error when a library or module is not there
 */
export async function prepareRelease({ channel }: ReleaseOptions): Promise<void> {
  new Nftables().close();
  await prepareChannel(channel);
}

/** Nothing of a clustered address passes any more, whatever is left of the lease. @throws MusterError */
export function closeGate(table: string): void {
  new KernelGate(new Nftables(), table).close();
}

/** Opens the way on which the others are told, which can go on while the last of this life ends. @throws Error */
export async function openRelease({ channel: description }: ReleaseOptions): Promise<LeaseChannel> {
  const channel = await openChannel(description);
  try {
    await channel.start(() => undefined);
  } catch (error) {
    channel.close();
    throw error;
  }
  return channel;
}

/**
 * Tells the others that nothing of this life is left. Resolves when it was said often enough.
 * @param opened by {@link openRelease}; it is closed afterwards
 */
export async function announceRelease(options: ReleaseOptions, opened: Promise<LeaseChannel> = openRelease(options)): Promise<void> {
  const { clusterId, self } = options;
  const channel = await opened;
  try {
    const message = encodeRelease(clusterId, self);
    for (let times = 0; times < SEND_TIMES; times++) {
      channel.send(message);
      await new Promise((resolve) => setTimeout(resolve, SEND_EVERY_MS));
    }
  } finally {
    channel.close();
  }
}
