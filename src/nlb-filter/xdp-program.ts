import { fileURLToPath } from "node:url";
import koffi from "koffi";
import { MusterError } from "../model/errors.ts";
import { adapterIndex } from "../network/sockets.ts";
import { u32 } from "../network/native-numbers.ts";
import { Errno, bpf, checked } from "./xdp-library.ts";
import { LeasePlace, number32, number64, readNumber64 } from "./xdp-layout.ts";

/**
 * Programs of XDP on an adapter. They stay when the process that loaded them ends, and their lease in the kernel runs out:
 * a host without its service answers nobody who is new. A later life finds what was left by the program's name.
 */

export const OBJECT_PATH = fileURLToPath(new URL("./xdp/nlb.bpf.o", import.meta.url));
export const PROGRAM = "muster_nlb";
const LEASE_MAP = "nlb_lease";
const Flags = { unlessThere: 1, stack: 2, driver: 4 } as const;
/** Of the kernel's description of a program, and of a map. */
const PROGRAM_INFO = { bytes: 80, mapCountAt: 52, mapsAt: 56, nameAt: 64 } as const;
const MAP_INFO = { bytes: 40, nameAt: 24 } as const;
const NAME_BYTES = 16;
const MAPS_MAX = 64;

/** Where a program runs: in the adapter's driver, before the kernel has made a packet; or in the kernel's stack, with every adapter. */
export type Place = "driver" | "stack";

/** The identity of the program on the adapter, wherever it is or in one place; null = none. @throws MusterError */
export function attachedProgram(adapter: string, place: Place | null = null): number | null {
  const id = new Uint32Array(1);
  checked(`asking what is on ${adapter}`, bpf().bpf_xdp_query_id(adapterIndex(adapter), place === null ? 0 : Flags[place], id));
  return id[0] === 0 ? null : id[0]!;
}

/**
 * Puts a program on an adapter that has none.
 * @returns false = the driver has no place for it
 * @throws MusterError, also when another program is there
 */
export function attach(adapter: string, program: number, place: Place): boolean {
  const result = bpf().bpf_xdp_attach(adapterIndex(adapter), program, Flags.unlessThere | Flags[place], null);
  if (-result === Errno.EBUSY || -result === Errno.EEXIST) throw new MusterError("MUSTER_XDP", { problem: `the adapter ${adapter} has a program of XDP of somebody else` });
  // What a driver has against it, it says in different ways; the kernel's stack takes every program.
  if (place === "driver" && result < 0 && -result !== Errno.EPERM) return false;
  checked(`putting the program on ${adapter}`, result);
  return true;
}

/** Takes this very program off, if it is still there. Without its place the kernel would look for it in the driver alone. */
export function detach(adapter: string, id: number): void {
  for (const place of ["driver", "stack"] as const) {
    if (attachedProgram(adapter, place) === id) checked(`taking the program off ${adapter}`, bpf().bpf_xdp_detach(adapterIndex(adapter), Flags[place], null));
  }
}

export function programId(descriptor: number): number {
  return u32(describe(descriptor, Buffer.alloc(PROGRAM_INFO.bytes)), 4);
}

/** What a former life left on the adapter. */
export class LeftoverProgram {
  readonly #adapter: string;
  readonly #id: number;
  readonly #lease: number;

  private constructor(adapter: string, id: number, lease: number) {
    this.#adapter = adapter;
    this.#id = id;
    this.#lease = lease;
  }

  /** @returns null = nothing is there, or what is there is not ours @throws MusterError */
  static find(adapter: string): LeftoverProgram | null {
    const id = attachedProgram(adapter);
    if (id === null) return null;
    const program = checked("looking at a program", bpf().bpf_prog_get_fd_by_id(id));
    const ids = koffi.alloc("uint32_t", MAPS_MAX);
    try {
      const info = Buffer.alloc(PROGRAM_INFO.bytes);
      number32(MAPS_MAX).copy(info, PROGRAM_INFO.mapCountAt);
      number64(BigInt(koffi.address(ids))).copy(info, PROGRAM_INFO.mapsAt);
      describe(program, info);
      if (nameIn(info, PROGRAM_INFO.nameAt) !== PROGRAM) return null;
      const maps = Array.from(koffi.decode(ids, "uint32_t", Math.min(MAPS_MAX, u32(info, PROGRAM_INFO.mapCountAt))) as Iterable<number>);
      const lease = maps.map((map) => openMap(map, LEASE_MAP)).find((descriptor) => descriptor !== null);
      if (lease === undefined) return null;
      return new LeftoverProgram(adapter, id, lease!);
    } finally {
      bpf().close(program);
      koffi.free(ids);
    }
  }

  get incarnation(): number {
    const life = Buffer.alloc(8);
    checked("reading who loaded a program", bpf().bpf_map_lookup_elem(this.#lease, number32(LeasePlace.life), life));
    return Number(readNumber64(life, 0));
  }

  /** It takes nobody new any more. */
  closeLease(): void {
    checked("closing the lease", bpf().bpf_map_update_elem(this.#lease, number32(LeasePlace.pointed), number64(0n), 0n));
  }

  /** Takes it off, if it is still there. */
  remove(): void {
    detach(this.#adapter, this.#id);
    bpf().close(this.#lease);
  }
}

function openMap(id: number, name: string): number | null {
  const descriptor = bpf().bpf_map_get_fd_by_id(id);
  if (descriptor < 0) return null;
  if (nameIn(describe(descriptor, Buffer.alloc(MAP_INFO.bytes)), MAP_INFO.nameAt) === name) return descriptor;
  bpf().close(descriptor);
  return null;
}

function describe(descriptor: number, info: Buffer): Buffer {
  checked("asking the kernel what it has", bpf().bpf_obj_get_info_by_fd(descriptor, info, Uint32Array.of(info.length)));
  return info;
}

function nameIn(info: Buffer, at: number): string {
  return info.toString("latin1", at, at + NAME_BYTES).replace(/\0.*$/s, "");
}
