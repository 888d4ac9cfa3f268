import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ResourceId } from "../model/identifiers.ts";

/** A role keeps its current output file and one older one of about this size. */
export const OUTPUT_BYTES_MAX = 8 * 1024 * 1024;

/** Where the processes of a resource write: `muster group log` reads it. The older part is the same path + ".1". */
export function outputPath(directory: string, resource: ResourceId): string {
  return join(directory, "output", `${encodeURIComponent(resource)}.log`);
}

const OUR_LINE = "[muster ";
const TAIL_BYTES = 8192;

/**
 * The output file of one resource. Its processes append to it directly, so that nothing is lost when a
 * monitor dies and a hung monitor never blocks a role; lines of ours stand between, marked "[muster".
 */
export class RoleOutput {
  readonly path: string;
  readonly #nodeName: string;
  readonly #bytesMax: number;
  #descriptor: number;

  constructor(directory: string, resource: ResourceId, nodeName: string, bytesMax = OUTPUT_BYTES_MAX) {
    mkdirSync(join(directory, "output"), { recursive: true, mode: 0o700 });
    this.path = outputPath(directory, resource);
    this.#nodeName = nodeName;
    this.#bytesMax = bytesMax;
    this.#descriptor = openSync(this.path, "a+", 0o600);
  }

  /** Opened for appending; to be inherited by the role's processes. */
  get descriptor(): number {
    return this.#descriptor;
  }

  /** Appends a line of ours. A full disk does not stop a role: it is ignored. */
  log(text: string): void {
    if (this.#descriptor < 0) return;
    try {
      writeSync(this.#descriptor, `${OUR_LINE}${new Date().toISOString()} ${this.#nodeName}] ${text.replaceAll("\n", " ")}\n`);
    } catch {
      // Nowhere to say it.
    }
  }

  /** The last non-empty line the role's processes wrote after `fromByte`, at most 200 characters; null = none. */
  lastLine(fromByte = 0): string | null {
    if (this.#descriptor < 0) return null;
    const { size } = fstatSync(this.#descriptor);
    // A rotation may have made the file shorter than it was.
    const start = Math.max(size - TAIL_BYTES, size >= fromByte ? fromByte : 0);
    const buffer = Buffer.alloc(Math.max(size - start, 0));
    const length = readSync(this.#descriptor, buffer, 0, buffer.length, start);
    const lines = buffer.toString("utf8", 0, length).split("\n");
    const last = lines.findLast((line) => line.trim() !== "" && !line.startsWith(OUR_LINE));
    return last === undefined ? null : printable(last.trim()).slice(0, 200);
  }

  size(): number {
    return this.#descriptor < 0 ? 0 : fstatSync(this.#descriptor).size;
  }

  /**
   * Copies the file to its ".1" and empties it, when it has grown too long. The processes that write to it
   * notice nothing: they append. What they write in the microseconds between the last copy and the cut is lost.
   */
  rotate(): void {
    if (this.size() <= this.#bytesMax) return;
    const temporary = `${this.path}.new`;
    const copy = openSync(temporary, "w", 0o600);
    try {
      const buffer = Buffer.alloc(256 * 1024);
      // Only the newest part is kept, however fast the role writes.
      let position = Math.max(0, this.size() - this.#bytesMax);
      for (let length: number; (length = readSync(this.#descriptor, buffer, 0, buffer.length, position)) > 0; position += length) {
        writeSync(copy, buffer, 0, length);
        if (fstatSync(copy).size > 2 * this.#bytesMax) break;
      }
      ftruncateSync(this.#descriptor, 0);
    } finally {
      closeSync(copy);
    }
    renameSync(temporary, `${this.path}.1`);
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
  }
}

/** Control characters (colours, carriage returns) do not belong into a reason. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "").replace(/[\u0000-\u001f\u007f]/g, " ");
}

/** Bytes in the file now; 0 when there is none. */
export function outputSize(directory: string, resource: ResourceId): number {
  return statSync(outputPath(directory, resource), { throwIfNoEntry: false })?.size ?? 0;
}
