import { accessSync, closeSync, constants, existsSync, fsyncSync, linkSync, openSync, readdirSync, renameSync, rmSync, statSync, unlinkSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { MusterError } from "../model/errors.ts";

/** The files around a store. Nothing here opens the store itself: closing any descriptor of it would drop SQLite's lock. */

/** SQLite's companions of a database file, by what is added to its name. */
const COMPANIONS = ["-wal", "-shm", "-journal"] as const;

/**
 * Finds out by trying whether a store can be written at `path`.
 * @throws MusterError MUSTER_DATABASE_UNWRITABLE, MUSTER_DISK_FULL
 */
export function assertWritable(path: string): void {
  const trial = `${path}.trial-${randomBytes(6).toString("hex")}`;
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw Object.assign(new Error("it is a directory"), { code: "EISDIR" });
    try {
      // Asking for permission is not enough: a full or foreign file system shows itself only when written.
      const descriptor = openSync(trial, "wx", 0o600);
      try {
        writeSync(descriptor, Buffer.alloc(4096));
      } finally {
        closeSync(descriptor);
      }
    } finally {
      rmSync(trial, { force: true });
    }
    for (const file of [path, ...COMPANIONS.map((suffix) => path + suffix)]) {
      if (existsSync(file)) accessSync(file, constants.R_OK | constants.W_OK);
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Names an error of the file system. */
export function fileError(error: unknown, path: string): MusterError {
  if (error instanceof MusterError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (code === "ENOSPC" || code === "EDQUOT") return new MusterError("MUSTER_DISK_FULL", { path }, { cause: error });
  const problem = PROBLEMS[code] ?? (error instanceof Error ? error.message : String(error));
  return new MusterError("MUSTER_DATABASE_UNWRITABLE", { path, problem }, { cause: error });
}

const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  ENOENT: "there is no such directory",
  ENOTDIR: "a part of the path is not a directory",
  EISDIR: "it is a directory, not a file",
  ENAMETOOLONG: "the path is too long",
};

/** A name for a store that is still being made. */
export function unfinishedName(path: string): string {
  return `${path}.new-${process.pid}-${randomBytes(6).toString("hex")}`;
}

/** Removes stores that a crash left unfinished. */
export function removeUnfinished(path: string): void {
  const directory = dirname(path);
  for (const name of readdirSync(directory)) {
    if (name.startsWith(`${basename(path)}.new-`)) rmSync(join(directory, name), { force: true });
  }
}

/**
 * Gives a finished store its name, durably, unless another process was faster: then that one's store stays.
 */
export function publish(unfinished: string, path: string): void {
  syncFile(unfinished);
  try {
    linkSync(unfinished, path);
    unlinkSync(unfinished);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EPERM" || code === "EOPNOTSUPP" || code === "ENOSYS") renameSync(unfinished, path); // no hard links here
    else if (code === "EEXIST" || code === "ENOENT") rmSync(unfinished, { force: true });
    else throw error;
  }
  syncFile(dirname(path));
}

/** True if a write-ahead log lies there without its store: what it holds cannot be used any more. */
export function hasOrphanedLog(path: string): boolean {
  return !existsSync(path) && COMPANIONS.some((suffix) => existsSync(path + suffix));
}

/**
 * Moves a damaged store out of the way, as evidence.
 * @returns the new path
 */
export function setAside(path: string): string {
  let number = 1;
  while (existsSync(`${path}.damaged-${number}`) || COMPANIONS.some((suffix) => existsSync(`${path}.damaged-${number}${suffix}`))) number++;
  const aside = `${path}.damaged-${number}`;
  // The store goes first: a store that lost its log in a crash between the two would look like an older, sound one.
  for (const suffix of ["", ...COMPANIONS]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    syncFile(dirname(path));
  }
  return aside;
}

function syncFile(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
