import { closeSync, openSync, readSync, statSync } from "node:fs";

/** The end of corosync's log file, as far as its supervisor needs it: what is wrong since a moment. */

const READ_BYTES_MAX = 256 * 1024;
/** corosync goes on without the link, isolated for ever when it is the only one (reference corosync 1). */
const PORT_HELD = /knet_link_set_config failed: Address already in use|Unable to bind listener socket: Address already in use/;
const PROBLEM = /\b(?:error|crit|alert|emerg)\s+\[\w+\s*\]\s*(.*)$/;
/** Says that it ends, not why. */
const EPILOGUE = /Corosync Cluster Engine exiting with status/;

export class LogFile {
  readonly #path: string;
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** What comes from now on is looked at. */
  mark(): void {
    try {
      this.#offset = statSync(this.#path).size;
    } catch {
      this.#offset = 0; // it is not there yet
    }
  }

  /** A link whose port somebody holds. */
  get isPortHeld(): boolean {
    return PORT_HELD.test(this.#since());
  }

  /** The last thing that went wrong, or an empty text. */
  get lastProblem(): string {
    return this.#since()
      .split("\n")
      .map((line) => PROBLEM.exec(line)?.[1]?.trim() ?? "")
      .filter((problem) => problem !== "" && !EPILOGUE.test(problem))
      .at(-1) ?? "";
  }

  #since(): string {
    try {
      const { size } = statSync(this.#path);
      // A file that was rotated is read from its beginning.
      const offset = size < this.#offset ? 0 : Math.max(this.#offset, size - READ_BYTES_MAX);
      const content = Buffer.alloc(size - offset);
      const descriptor = openSync(this.#path, "r");
      try {
        return content.toString("utf8", 0, readSync(descriptor, content, 0, content.length, offset));
      } finally {
        closeSync(descriptor);
      }
    } catch {
      return ""; // there is none
    }
  }
}
