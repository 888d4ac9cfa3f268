import { closeSync, openSync, readSync } from "node:fs";
import { MusterError } from "../model/errors.ts";

/** What is secret is not for the command line, where everybody on the machine can read it. */

const SECRET_BYTES_MAX = 64 * 1024;
const STANDARD_INPUT = 0;

/**
 * The first line of a file.
 * @param path "-" is the standard input
 * @throws MusterError MUSTER_INVALID_ARGUMENT, naming `field`, when it cannot be read, is empty or longer than 64 KiB
 */
export function readSecret(path: string, field: string): string {
  let text: string;
  try {
    text = readBounded(path);
  } catch (error) {
    throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: `${path === "-" ? "the standard input" : path} cannot be read: ${(error as Error).message}` }, { cause: error });
  }
  const [line = ""] = text.split("\n");
  const secret = line.trim();
  if (secret === "") throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: `there is nothing in the first line of ${path === "-" ? "the standard input" : path}` });
  return secret;
}

function readBounded(path: string): string {
  const descriptor = path === "-" ? STANDARD_INPUT : openSync(path, "r");
  try {
    const bytes = Buffer.alloc(SECRET_BYTES_MAX + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) read = readSync(descriptor, bytes, length, bytes.length - length, null);
    if (length > SECRET_BYTES_MAX) throw new RangeError(`it is longer than ${SECRET_BYTES_MAX} bytes`);
    return bytes.toString("utf8", 0, length);
  } finally {
    if (descriptor !== STANDARD_INPUT) closeSync(descriptor);
  }
}
