import { NODES_MAX } from "../../model/identifiers.ts";
import type { NodeId } from "../../model/identifiers.ts";
import { LINKS_MAX } from "./configuration.ts";
import { bind, check, Result } from "./native.ts";
import type { Handle } from "./native.ts";

/** corosync's maps of keys and values: libcmap, as far as it is needed. Every call waits for corosync's answer. */

/** One link to another node, as the engine sees it. */
export interface LinkState {
  readonly node: NodeId;
  /** 0 is the first address of the nodes, and so on. */
  readonly link: number;
  readonly isConnected: boolean;
  /** Mean of the latest pings there and back, in microseconds. */
  readonly latencyUs: number;
  /** How often the link went down since corosync started. */
  readonly downCount: number;
}

const MAP_DEFAULT = 0;
const MAP_STATISTICS = 1;
const VALUE_BYTES = 512;
/** Types of values (cmap.h) that are numbers of up to 32 bits, and strings. */
const UNSIGNED = new Map([[2, 1], [4, 2], [6, 4]]);
const SIGNED = new Map([[1, 1], [3, 2], [5, 4]]);
const UINT64 = 8;
const STRING = 11;

const library = bind("libcmap.so.4", {
  initialize: "int cmap_initialize_map(_Out_ uint64_t *handle, int map)",
  finalize: "int cmap_finalize(uint64_t handle)",
  descriptor: "int cmap_fd_get(uint64_t handle, _Out_ int *descriptor)",
  get: "int cmap_get(uint64_t handle, const char *key, _Out_ uint8_t *value, _Inout_ size_t *bytes, _Out_ int *type)",
});

class CmapConnection {
  readonly #handle: Handle;
  readonly #value = Buffer.alloc(VALUE_BYTES);

  /** @throws CorosyncCallError while there is no corosync, or it is not ready, or it refuses this user */
  constructor(map: number) {
    const handle: Handle[] = [0n];
    check("cmap_initialize_map", library.initialize(handle, map) as number);
    this.#handle = handle[0]!;
  }

  get descriptor(): number {
    const descriptor = [-1];
    check("cmap_fd_get", library.descriptor(this.#handle, descriptor) as number);
    return descriptor[0]!;
  }

  /** @returns null when there is no such key, or its value is of another type */
  get(key: string): number | string | null {
    const bytes: Handle[] = [VALUE_BYTES];
    const type = [0];
    const result = library.get(this.#handle, key, this.#value, bytes, type) as number;
    if (result === Result.notExist) return null;
    check("cmap_get", result);
    return this.#decode(type[0]!, Number(bytes[0]));
  }

  number(key: string): number | null {
    const value = this.get(key);
    return typeof value === "number" ? value : null;
  }

  close(): void {
    library.finalize(this.#handle);
  }

  #decode(type: number, bytes: number): number | string | null {
    const unsigned = UNSIGNED.get(type);
    if (unsigned !== undefined) return this.#value.readUIntLE(0, unsigned);
    const signed = SIGNED.get(type);
    if (signed !== undefined) return this.#value.readIntLE(0, signed);
    if (type === UINT64) return Number(this.#value.readBigUInt64LE());
    // The length of a string counts the zero at its end.
    if (type === STRING) return this.#value.toString("utf8", 0, Math.max(0, bytes - 1));
    return null;
  }
}

interface LinkName {
  readonly node: NodeId;
  readonly link: number;
}

/** Reads what corosync knows of the links to other nodes. */
export class LinkReader {
  readonly #self: NodeId;
  readonly #configuration = new CmapConnection(MAP_DEFAULT);
  readonly #statistics: CmapConnection;
  #names: LinkName[] = [];

  /** @throws CorosyncCallError */
  constructor(self: NodeId) {
    this.#self = self;
    try {
      this.#statistics = new CmapConnection(MAP_STATISTICS);
    } catch (error) {
      this.#configuration.close();
      throw error;
    }
  }

  /** Whoever shuts these down ends the waiting for an answer. */
  get descriptors(): readonly [number, number] {
    return [this.#configuration.descriptor, this.#statistics.descriptor];
  }

  /** Finds out which links there are; nodes come and go when the configuration is loaded again. */
  look(): void {
    const names: LinkName[] = [];
    for (let position = 0; position < NODES_MAX; position++) {
      const node = this.#configuration.number(`nodelist.node.${position}.nodeid`);
      if (node === null || node === this.#self) continue;
      for (let link = 0; link < LINKS_MAX; link++) {
        if (this.#configuration.get(`nodelist.node.${position}.ring${link}_addr`) !== null) names.push({ node, link });
      }
    }
    this.#names = names.sort((a, b) => a.node - b.node || a.link - b.link);
  }

  read(): LinkState[] {
    return this.#names.flatMap(({ node, link }) => {
      const key = `stats.knet.node${node}.link${link}`;
      const connected = this.#statistics.number(`${key}.connected`);
      if (connected === null) return [];
      return [{ node, link, isConnected: connected === 1, latencyUs: this.#statistics.number(`${key}.latency_ave`) ?? 0, downCount: this.#statistics.number(`${key}.down_count`) ?? 0 }];
    });
  }

  close(): void {
    this.#configuration.close();
    this.#statistics.close();
  }
}
