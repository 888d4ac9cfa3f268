import koffi from "koffi";
import { MusterError } from "../model/errors.ts";

/** libbpf: loads programs of BPF into the kernel and reads and writes their maps. Every call blocks for microseconds. */

const LIBRARY = "libbpf.so.1";
const PACKAGE = "libbpf1 (Debian)";

const ERRNO: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));
export const Errno = koffi.os.errno;

/** All answer 0 or a descriptor, or an error of the system as a negative number. */
interface Library {
  readonly bpf_object__open_file: (path: string, options: null) => unknown;
  /** The kernel looks at the program for a tenth of a second and more: on another thread. */
  readonly bpf_object__load: { readonly async: (object: unknown, done: (error: Error | null, result: number) => void) => void };
  readonly bpf_object__close: (object: unknown) => void;
  readonly bpf_object__find_map_fd_by_name: (object: unknown, name: string) => number;
  readonly bpf_object__find_program_by_name: (object: unknown, name: string) => unknown;
  readonly bpf_program__fd: (program: unknown) => number;
  readonly bpf_map_update_elem: (map: number, key: Buffer, value: Buffer, flags: bigint) => number;
  readonly bpf_map_lookup_elem: (map: number, key: Buffer, value: Buffer) => number;
  readonly bpf_map_delete_elem: (map: number, key: Buffer) => number;
  readonly bpf_map_get_next_key: (map: number, before: Buffer | null, key: Buffer) => number;
  readonly bpf_map_update_batch: (map: number, keys: Buffer, values: Buffer, count: Uint32Array, options: null) => number;
  readonly bpf_map_lookup_batch: (map: number, from: Buffer | null, next: Buffer, keys: Buffer, values: Buffer, count: Uint32Array, options: null) => number;
  readonly bpf_xdp_attach: (adapter: number, program: number, flags: number, options: null) => number;
  readonly bpf_xdp_detach: (adapter: number, flags: number, options: null) => number;
  readonly bpf_xdp_query_id: (adapter: number, flags: number, id: Uint32Array) => number;
  readonly bpf_prog_get_fd_by_id: (id: number) => number;
  readonly bpf_map_get_fd_by_id: (id: number) => number;
  readonly bpf_obj_get_info_by_fd: (descriptor: number, info: Buffer, bytes: Uint32Array) => number;
  readonly libbpf_num_possible_cpus: () => number;
  readonly close: (descriptor: number) => number;
}

const DECLARATIONS: readonly string[] = [
  "void *bpf_object__open_file(const char *path, const void *options)",
  "int bpf_object__load(void *object)",
  "void bpf_object__close(void *object)",
  "int bpf_object__find_map_fd_by_name(void *object, const char *name)",
  "void *bpf_object__find_program_by_name(void *object, const char *name)",
  "int bpf_program__fd(void *program)",
  "int bpf_map_update_elem(int map, const void *key, const void *value, uint64_t flags)",
  "int bpf_map_lookup_elem(int map, const void *key, _Out_ uint8_t *value)",
  "int bpf_map_delete_elem(int map, const void *key)",
  "int bpf_map_get_next_key(int map, const void *before, _Out_ uint8_t *key)",
  "int bpf_map_update_batch(int map, const void *keys, const void *values, _Inout_ uint32_t *count, const void *options)",
  "int bpf_map_lookup_batch(int map, const void *from, _Out_ uint8_t *next, _Out_ uint8_t *keys, _Out_ uint8_t *values, _Inout_ uint32_t *count, const void *options)",
  "int bpf_xdp_attach(int adapter, int program, uint32_t flags, const void *options)",
  "int bpf_xdp_detach(int adapter, uint32_t flags, const void *options)",
  "int bpf_xdp_query_id(int adapter, int flags, _Out_ uint32_t *id)",
  "int bpf_prog_get_fd_by_id(uint32_t id)",
  "int bpf_map_get_fd_by_id(uint32_t id)",
  "int bpf_obj_get_info_by_fd(int descriptor, _Inout_ uint8_t *info, _Inout_ uint32_t *bytes)",
  "int libbpf_num_possible_cpus()",
];

let loaded: Library | null = null;

/** Loaded when it is first needed: the filter in nftables does without. @throws MusterError MUSTER_LIBRARY_MISSING */
export function bpf(): Library {
  if (loaded !== null) return loaded;
  try {
    const handle = koffi.load(LIBRARY);
    const calls = Object.fromEntries(DECLARATIONS.map((declaration) => [/(\w+)\(/.exec(declaration)![1]!, handle.func(declaration)]));
    // It would write to the log of the service whatever the kernel says of each program.
    (handle.func("void *libbpf_set_print(void *print)") as (print: null) => unknown)(null);
    loaded = { ...calls, close: koffi.load("libc.so.6").func("int close(int descriptor)") } as unknown as Library;
    return loaded;
  } catch (error) {
    throw new MusterError("MUSTER_LIBRARY_MISSING", { library: LIBRARY, package: PACKAGE, problem: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
}

/** @returns what the call answered @throws MusterError MUSTER_NEEDS_CAPABILITY, MUSTER_XDP */
export function checked(what: string, result: number): number {
  if (result >= 0) return result;
  if (-result === Errno.EPERM) throw new MusterError("MUSTER_NEEDS_CAPABILITY", { what: "Loading a program of XDP", capability: "CAP_BPF, CAP_NET_ADMIN" });
  throw new MusterError("MUSTER_XDP", { problem: `${what}: ${ERRNO[-result] ?? `error ${-result}`}` });
}
