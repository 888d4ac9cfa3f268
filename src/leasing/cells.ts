import { NODES_MAX } from "../model/identifiers.ts";
import type { NodeId } from "../model/identifiers.ts";
import type { Cell } from "../lease/steps.ts";

/**
 * The ledger's cells: memory that the main thread and the worker share. Every access is an atomic
 * of JavaScript, and these are sequentially consistent: all threads see all of them in one order,
 * which is what the echo rule needs. A cell is a whole number of 64 bits, 0 at the start.
 */
const CELLS: Readonly<Record<Cell, number>> = { lastEcho: 0, excludedAt: 1, terms: 2, mainAlive: 3 };
/** Nodes are numbered from 1; place 0 is for cells of which there is one. */
const PLACES = NODES_MAX + 1;

export function makeCellMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(Object.keys(CELLS).length * PLACES * BigInt64Array.BYTES_PER_ELEMENT);
}

export class SharedCells {
  readonly #values: BigInt64Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.#values = new BigInt64Array(memory);
  }

  load(cell: Cell, node: NodeId): number {
    return Number(Atomics.load(this.#values, place(cell, node)));
  }

  store(cell: Cell, node: NodeId, value: number): void {
    Atomics.store(this.#values, place(cell, node), BigInt(value));
  }
}

function place(cell: Cell, node: NodeId): number {
  if (!Number.isInteger(node) || node < 0 || node >= PLACES) throw new RangeError(`there is no node ${node}`);
  return CELLS[cell] * PLACES + node;
}
