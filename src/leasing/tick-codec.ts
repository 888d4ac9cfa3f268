import { createHash } from "node:crypto";
import { NODES_MAX } from "../model/identifiers.ts";
import type { NodeId } from "../model/identifiers.ts";
import type { LeaseTick } from "../lease/steps.ts";

/**
 * A tick as bytes: a mark, eight bytes that stand for the cluster, then fixed fields in network
 * order. What is not exactly that is no tick: a lease must not rest on a message that was guessed.
 */
const MARK = 0x4d4c5431;
const CLUSTER_BYTES = 8;
const COUNT_AT = 4 + CLUSTER_BYTES + 1 + 4 * 8;
const HEADER_BYTES = COUNT_AT + 1;
const ECHO_BYTES = 1 + 8;
export const TICK_BYTES_MAX = HEADER_BYTES + NODES_MAX * ECHO_BYTES;

/** `foreign`: of another cluster, or another protocol altogether. `malformed`: says that it is ours, and is not. */
export type DecodedTick = { readonly kind: "tick"; readonly tick: LeaseTick } | { readonly kind: "foreign" } | { readonly kind: "malformed" };

export class TickCodec {
  readonly #cluster: Buffer;

  constructor(clusterId: string) {
    this.#cluster = createHash("sha256").update(clusterId).digest().subarray(0, CLUSTER_BYTES);
  }

  encode(tick: LeaseTick): Buffer {
    const { from, epoch, weights, number, heard } = tick;
    const bytes = Buffer.alloc(HEADER_BYTES + heard.length * ECHO_BYTES);
    let at = bytes.writeUInt32BE(MARK, 0);
    at += this.#cluster.copy(bytes, at);
    at = bytes.writeUInt8(from.node, at);
    for (const value of [from.incarnation, epoch, weights, number]) at = bytes.writeBigUInt64BE(BigInt(value), at);
    at = bytes.writeUInt8(heard.length, at);
    for (const [node, newest] of heard) {
      at = bytes.writeUInt8(node, at);
      at = bytes.writeBigUInt64BE(BigInt(newest), at);
    }
    return bytes;
  }

  decode(data: Uint8Array): DecodedTick {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (bytes.length < HEADER_BYTES || bytes.readUInt32BE(0) !== MARK || !bytes.subarray(4, 4 + CLUSTER_BYTES).equals(this.#cluster)) return { kind: "foreign" };
    const count = bytes.readUInt8(COUNT_AT);
    if (count > NODES_MAX || bytes.length !== HEADER_BYTES + count * ECHO_BYTES) return { kind: "malformed" };
    const node = bytes.readUInt8(4 + CLUSTER_BYTES);
    const fields = [0, 1, 2, 3].map((position) => Number(bytes.readBigUInt64BE(4 + CLUSTER_BYTES + 1 + 8 * position)));
    const [incarnation = -1, epoch = -1, weights = -1, number = -1] = fields;
    const heard: (readonly [NodeId, number])[] = [];
    for (let position = 0; position < count; position++) {
      const at = HEADER_BYTES + position * ECHO_BYTES;
      heard.push([bytes.readUInt8(at), Number(bytes.readBigUInt64BE(at + 1))]);
    }
    const nodesOk = isNode(node) && heard.every(([of], position) => isNode(of) && of > (heard[position - 1]?.[0] ?? 0));
    if (!nodesOk || ![...fields, ...heard.map(([, newest]) => newest)].every(Number.isSafeInteger)) return { kind: "malformed" };
    return { kind: "tick", tick: { from: { node, incarnation }, epoch, weights, number, heard } };
  }
}

function isNode(value: number): boolean {
  return value >= 1 && value <= NODES_MAX;
}
