import koffi from "koffi";
import { bind, check, CorosyncCallError, guarded, Result } from "./native.ts";
import type { Handle } from "./native.ts";

/** Closed process groups of corosync: libcpg, as far as it is needed (reference corosync 2). */

/** A process of the group: the node it runs on and its process number there. */
export interface Address {
  readonly nodeid: number;
  readonly pid: number;
}

export interface CpgCallbacks {
  /** `source` is valid until the callback returns: {@link copyMessage}. */
  onMessage(nodeid: number, pid: number, source: unknown, bytes: number): void;
  onChange(members: readonly Address[], left: readonly Address[], joined: readonly Address[]): void;
  /** After a round of the above: what belongs together may be passed on. */
  onRound(): void;
  /** Called once: corosync has ended or closed the connection. */
  onLost(problem: string): void;
}

/** Longest name of a group. */
export const GROUP_BYTES_MAX = 128;

/** So much is handed on at one go, so that sending is not starved by a flood. */
const DISPATCH_MESSAGES_MAX = 256;
const DISPATCH_ONE_NONBLOCKING = 4;
const GUARANTEE_AGREED = 2;
const MODEL_1 = 1;

const AddressType = koffi.struct({ nodeid: "uint32_t", pid: "uint32_t", reason: "uint32_t" });
const DeliverType = koffi.proto("void cpg_deliver(uint64_t handle, const void *group, uint32_t nodeid, uint32_t pid, void *message, size_t bytes)");
const ChangeType = koffi.proto("void cpg_change(uint64_t handle, const void *group, const void *members, size_t memberCount, const void *left, size_t leftCount, const void *joined, size_t joinedCount)");
koffi.struct("cpg_model", { model: "int", deliver: "cpg_deliver *", change: "cpg_change *", ring: "void *", flags: "uint32_t" });
koffi.struct("io_vector", { base: "const void *", bytes: "size_t" });

const { memcpy } = bind("libc.so.6", { memcpy: "void *memcpy(_Out_ uint8_t *target, const void *source, size_t bytes)" });

const library = bind("libcpg.so.4", {
  initialize: "int cpg_model_initialize(_Out_ uint64_t *handle, int model, cpg_model *data, void *context)",
  finalize: "int cpg_finalize(uint64_t handle)",
  descriptor: "int cpg_fd_get(uint64_t handle, _Out_ int *descriptor)",
  dispatch: "int cpg_dispatch(uint64_t handle, int how)",
  join: "int cpg_join(uint64_t handle, const void *name)",
  leave: "int cpg_leave(uint64_t handle, const void *name)",
  multicast: "int cpg_mcast_joined(uint64_t handle, int guarantee, io_vector *parts, uint32_t count)",
  local: "int cpg_local_get(uint64_t handle, _Out_ uint32_t *nodeid)",
});

/** libcpg keeps no pointer of a context that koffi could hand back, so connections are found by their handle. */
const connections = new Map<string, CpgConnection>();

const onDeliver = koffi.register(
  guarded((handle: Handle, _group: unknown, nodeid: number, pid: number, message: unknown, bytes: Handle) => {
    connections.get(String(handle))?.callbacks.onMessage(nodeid, pid, message, Number(bytes));
  }),
  koffi.pointer(DeliverType),
);
const onChange = koffi.register(
  guarded((handle: Handle, _group: unknown, members: unknown, memberCount: Handle, left: unknown, leftCount: Handle, joined: unknown, joinedCount: Handle) => {
    connections.get(String(handle))?.callbacks.onChange(addresses(members, memberCount), addresses(left, leftCount), addresses(joined, joinedCount));
  }),
  koffi.pointer(ChangeType),
);

function addresses(source: unknown, count: Handle): Address[] {
  return Number(count) === 0 ? [] : (koffi.decode(source, AddressType, Number(count)) as Address[]);
}

/** Copies a message out of libcpg's buffer, which it uses again. */
export function copyMessage(target: Uint8Array, source: unknown, bytes: number): void {
  if (bytes > 0) memcpy(target, source, bytes);
}

/**
 * One connection to corosync. `connect`, `join` and `leave` wait for its answer, for as long as it takes. It must be
 * closed before its thread ends: a descriptor that is still watched then ends the process with SIGABRT.
 */
export class CpgConnection {
  readonly callbacks: CpgCallbacks;
  /** What the kernel tells its events by. */
  readonly descriptor: number;
  /** The number of the node that corosync runs as. */
  readonly nodeid: number;
  readonly #handle: Handle;
  readonly #vector: { base: Uint8Array | null; bytes: number } = { base: null, bytes: 0 };
  #poll: ReturnType<typeof koffi.node.poll> | null = null;
  #isClosed = false;

  /** @throws CorosyncCallError while there is no corosync, or it is not ready, or it refuses this user */
  static connect(callbacks: CpgCallbacks): CpgConnection {
    const handle: Handle[] = [0n];
    const model = { model: MODEL_1, deliver: onDeliver, change: onChange, ring: null, flags: 0 };
    check("cpg_model_initialize", library.initialize(handle, MODEL_1, model, null) as number);
    try {
      const descriptor = [-1];
      check("cpg_fd_get", library.descriptor(handle[0], descriptor) as number);
      const nodeid = [0];
      check("cpg_local_get", library.local(handle[0], nodeid) as number);
      return new CpgConnection(callbacks, handle[0]!, descriptor[0]!, nodeid[0]!);
    } catch (error) {
      library.finalize(handle[0]);
      throw error;
    }
  }

  private constructor(callbacks: CpgCallbacks, handle: Handle, descriptor: number, nodeid: number) {
    this.callbacks = callbacks;
    this.#handle = handle;
    this.descriptor = descriptor;
    this.nodeid = nodeid;
    connections.set(String(handle), this);
    this.#poll = koffi.node.poll(descriptor, { readable: true, disconnect: true }, guarded(() => this.#dispatch()));
  }

  /** @throws CorosyncCallError; CS_ERR_TRY_AGAIN while a membership forms, CS_ERR_EXIST when this process is in the group already */
  join(group: string): void {
    check("cpg_join", library.join(this.#handle, groupName(group)) as number);
  }

  leave(group: string): void {
    check("cpg_leave", library.leave(this.#handle, groupName(group)) as number);
  }

  /**
   * @returns false when corosync takes nothing at the moment: try again
   * @throws CorosyncCallError when the connection is gone
   */
  multicast(message: Uint8Array): boolean {
    this.#vector.base = message;
    this.#vector.bytes = message.length;
    const result = library.multicast(this.#handle, GUARANTEE_AGREED, this.#vector, 1) as number;
    if (result === Result.tryAgain) return false;
    check("cpg_mcast_joined", result);
    return true;
  }

  /** Nothing is called any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    connections.delete(String(this.#handle));
    this.#poll?.stop();
    this.#poll?.close();
    this.#poll = null;
    library.finalize(this.#handle);
  }

  /** The kernel tells again of what is left over. */
  #dispatch(): void {
    let result: number = Result.ok;
    for (let count = 0; count < DISPATCH_MESSAGES_MAX && result === Result.ok && !this.#isClosed; count++) {
      result = library.dispatch(this.#handle, DISPATCH_ONE_NONBLOCKING) as number;
    }
    if (this.#isClosed) return;
    this.callbacks.onRound();
    if (result === Result.ok || result === Result.tryAgain || this.#isClosed) return;
    this.close();
    this.callbacks.onLost(new CorosyncCallError("cpg_dispatch", result).message);
  }
}

/** Length (32 bits, of this machine's byte order: corosync runs on little-endian ones as Node does) and 128 bytes. */
function groupName(group: string): Buffer {
  const name = Buffer.alloc(4 + GROUP_BYTES_MAX);
  name.writeUInt32LE(name.write(group, 4));
  return name;
}
