import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";

/** Replaces a file that only root may read: all of it, or nothing, even when the power goes. @throws the error of the system */
export function writeWhole(path: string, content: string | Buffer): void {
  const next = `${path}.next`;
  const file = openSync(next, "w", 0o600);
  try {
    writeSync(file, content.toString());
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(next, path);
}
