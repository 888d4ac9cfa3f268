import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";

/** The output of a role's programs, as the monitors write it. */

export interface OutputFile {
  /** Name of the resource, written before each line when there are several. */
  readonly name: string;
  readonly path: string;
}

const TAIL_BYTES_MAX = 256 * 1024;
const POLL_MS = 200;

/** The last lines of each file. Files that do not exist yet are empty. */
export async function readOutput(files: readonly OutputFile[], lines: number): Promise<string> {
  const parts: string[] = [];
  for (const file of files) {
    const { text } = await tail(file.path, lines);
    if (text !== "") parts.push(label(file, files, text));
  }
  return parts.join("");
}

/** The last lines, then what is added, until the reader goes. */
export async function streamOutput(files: readonly OutputFile[], lines: number, response: ServerResponse): Promise<void> {
  const offsets = new Map<string, number>();
  let isBusy = true;
  // A file that cannot be read any more ends this stream, and nothing else.
  const timer = setInterval(() => void follow().catch((error: unknown) => response.destroy(error as Error)), POLL_MS);
  // From the beginning: the reader may go while the first lines are read.
  response.on("close", () => clearInterval(timer));
  const follow = async (): Promise<void> => {
    if (isBusy || response.writableNeedDrain) return;
    isBusy = true;
    for (const file of files) {
      const { text, offset } = await readFrom(file.path, offsets.get(file.path) ?? 0);
      offsets.set(file.path, offset);
      if (text !== "" && !response.destroyed) response.write(label(file, files, text));
    }
    isBusy = false;
  };
  try {
    for (const file of files) {
      const { text, size } = await tail(file.path, lines);
      offsets.set(file.path, size);
      if (text !== "") response.write(label(file, files, text));
    }
  } catch (error) {
    return void response.destroy(error as Error);
  }
  isBusy = false;
}

function label(file: OutputFile, files: readonly OutputFile[], text: string): string {
  const whole = text.endsWith("\n") ? text : `${text}\n`;
  return files.length === 1 ? whole : whole.replace(/^(?=.)/gm, `${file.name}: `);
}

async function tail(path: string, lines: number): Promise<{ readonly text: string; readonly size: number }> {
  const handle = await openIfThere(path);
  if (handle === null) return { text: "", size: 0 };
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, TAIL_BYTES_MAX);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    const all = buffer.toString("utf8").split("\n");
    if (all.at(-1) === "") all.pop();
    const kept = lines === 0 ? [] : all.slice(-lines);
    return { text: kept.length === 0 ? "" : `${kept.join("\n")}\n`, size };
  } finally {
    await handle.close();
  }
}

/** Whole lines from an offset on; a file that was cut back is read from its start. */
async function readFrom(path: string, from: number): Promise<{ readonly text: string; readonly offset: number }> {
  const handle = await openIfThere(path);
  if (handle === null) return { text: "", offset: 0 };
  try {
    const { size } = await handle.stat();
    const start = size < from ? 0 : from;
    const length = Math.min(size - start, TAIL_BYTES_MAX);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, start);
    const end = buffer.lastIndexOf(10) + 1;
    return { text: buffer.subarray(0, end).toString("utf8"), offset: start + end };
  } finally {
    await handle.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
