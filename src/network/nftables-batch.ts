import { MusterError } from "../model/errors.ts";
import { attribute, message } from "./netlink-messages.ts";
import { i32, putU16, u16, u32 } from "./native-numbers.ts";
import { errorName, Family, KernelSocket, SocketType } from "./sockets.ts";

/**
 * Changes of elements as nftables' own netlink messages. libnftables reads tables, chains and sets of everybody before each
 * command, some twenty calls of the kernel; what a lease changes several times a second is known in advance, and is one call.
 */

const NETLINK_NETFILTER = 12;
const SUBSYSTEM_NFTABLES = 10;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NEW_ELEMENTS = 12;
const DELETE_ELEMENTS = 14;
const REQUEST = 1;
const ACKNOWLEDGE = 4;
const CREATE = 0x400;
const NESTED = 0x8000;
const ERROR = 2;
const GOTO = -4;
const SEQUENCE_AT = 8;
const FLAGS_AT = 6;
const HEADER_BYTES = 16;
const PERMISSION = 1;

/** What the kernel calls the families of tables. */
export const TABLE_FAMILY = { inet: 1, arp: 3 } as const;
const ListAttribute = { table: 1, set: 2, elements: 3 } as const;
const ElementAttribute = { key: 1, data: 2, timeout: 4 } as const;
const DataAttribute = { value: 1, verdict: 2 } as const;
const VerdictAttribute = { code: 1, chain: 2 } as const;
const LIST_ELEMENT = 1;

export interface SetElement {
  /** As the packet shows it: in the order of the network, or of this machine for what the kernel itself says of a packet. */
  readonly key: Uint8Array;
  readonly timeoutMs?: number;
  /** In a map of verdicts: the chain that packets go on to. */
  readonly goto?: string;
}

/** A set or map, and all that it is to hold. */
export interface SetContent {
  readonly family: keyof typeof TABLE_FAMILY;
  readonly table: string;
  readonly set: string;
  readonly elements: readonly SetElement[];
}

/** Empties each set and fills it, all in one transaction; the last message asks for an answer. Pure. */
export function replaceBatch(contents: readonly SetContent[]): Buffer {
  const changes = contents.flatMap(({ family, table, set, elements }) => {
    const place = [header(TABLE_FAMILY[family], 0), attribute(ListAttribute.table, text(table)), attribute(ListAttribute.set, text(set))];
    const emptied = { type: DELETE_ELEMENTS, flags: REQUEST, body: Buffer.concat(place) };
    if (elements.length === 0) return [emptied];
    return [emptied, { type: NEW_ELEMENTS, flags: REQUEST | CREATE, body: Buffer.concat([...place, nested(ListAttribute.elements, elements.map(element))]) }];
  });
  const messages = changes.map(({ type, flags, body }, position) => message((SUBSYSTEM_NFTABLES << 8) | type, flags, position + 1, body));
  const last = messages.at(-1)!;
  putU16(last, u16(last, FLAGS_AT) | ACKNOWLEDGE, FLAGS_AT);
  const edge = (type: number, sequence: number): Buffer => message(type, REQUEST, sequence, header(0, SUBSYSTEM_NFTABLES));
  return Buffer.concat([edge(BATCH_BEGIN, 0), ...messages, edge(BATCH_END, messages.length + 1)]);
}

function element({ key, timeoutMs, goto }: SetElement): Buffer {
  const parts = [nested(ElementAttribute.key, [attribute(DataAttribute.value, key)])];
  if (timeoutMs !== undefined) {
    const timeout = Buffer.alloc(8);
    timeout.writeBigUInt64BE(BigInt(timeoutMs));
    parts.push(attribute(ElementAttribute.timeout, timeout));
  }
  if (goto !== undefined) {
    const code = Buffer.alloc(4);
    code.writeInt32BE(GOTO);
    parts.push(nested(ElementAttribute.data, [nested(DataAttribute.verdict, [attribute(VerdictAttribute.code, code), attribute(VerdictAttribute.chain, text(goto))])]));
  }
  return nested(LIST_ELEMENT, parts);
}

function nested(type: number, parts: readonly Buffer[]): Buffer {
  return attribute(type | NESTED, Buffer.concat(parts));
}

/** Family, version 0, and a number in the order of the network. */
function header(family: number, resource: number): Buffer {
  return Buffer.of(family, 0, resource >> 8, resource & 0xff);
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

/** Gives batches to the kernel. It belongs to one thread and must be closed before that ends. */
export class NftablesSocket {
  readonly #socket = new KernelSocket(Family.netlink, SocketType.raw, NETLINK_NETFILTER);

  /**
   * One transaction: all of it, or nothing. The kernel is done with it when this returns.
   * @param batch of {@link replaceBatch} @throws MusterError MUSTER_NEEDS_CAPABILITY, MUSTER_PACKET_FILTER
   */
  run(batch: Buffer): void {
    try {
      this.#socket.send(batch);
      this.#readAnswers();
    } catch (error) {
      if (error instanceof MusterError) throw error;
      throw new MusterError("MUSTER_PACKET_FILTER", { problem: error instanceof Error ? error.message : String(error) }, { cause: error });
    }
  }

  /** One error for each message that was refused, or one answer that all is done. */
  #readAnswers(): void {
    let errno: number | null = null;
    for (let answer = this.#socket.receive(); answer !== null; answer = this.#socket.receive()) {
      if (answer.length < HEADER_BYTES + 4 || u16(answer, 4) !== ERROR) continue;
      // The first problem is the cause of the others; nothing follows an answer without one.
      if (errno === null || errno === 0) errno = -i32(answer, HEADER_BYTES);
      if (errno === 0 && u32(answer, SEQUENCE_AT) > 0) return;
    }
    if (errno === PERMISSION) throw new MusterError("MUSTER_NEEDS_CAPABILITY", { what: "Setting up nftables", capability: "CAP_NET_ADMIN" });
    throw new MusterError("MUSTER_PACKET_FILTER", { problem: errno === null ? "the kernel did not answer" : `the kernel refused it: ${errorName(errno)}` });
  }

  close(): void {
    this.#socket.close();
  }
}
