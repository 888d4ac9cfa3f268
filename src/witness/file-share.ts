import { randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { RecordStore } from "./record-store.ts";

/**
 * File Share Witness (reference 4.4): a directory on a share that every node has mounted (NFS, SMB, or any other). A
 * record is a file that comes to be with its whole content and never changes: it is written under another name first and
 * linked to its own, which fails where there is one. A share without hard links gets it by exclusive creation.
 * @param directory of this cluster and this configuration of the witness on the share
 */
export function fileShareStore(share: string, directory: string): RecordStore {
  const place = join(share, directory);
  return {
    // A share that hangs holds a thread of this process for each read.
    readsAtOnce: 1,
    list: async () => readdir(place).catch(ifMissing<readonly string[] | null>(null)),
    read: (name) => readFile(join(place, name), "utf8").catch(ifMissing<string | null>(null)),
    async create(name, content) {
      // The share itself must be there: a directory made where nothing is mounted would be another witness on each node.
      await readdir(share);
      await mkdir(place, { recursive: true, mode: 0o700 });
      const temporary = join(place, `writing-${randomUUID()}`);
      await writeWhole(temporary, content, "wx");
      try {
        await link(temporary, join(place, name));
        return true;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EEXIST") return await isOwn(join(place, name), content);
        if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "EMLINK") throw error;
        return await createExclusively(join(place, name), content);
      } finally {
        await rm(temporary, { force: true }).catch(() => undefined);
      }
    },
    remove: (name) => rm(join(place, name), { force: true }),
  };
}

async function createExclusively(path: string, content: string): Promise<boolean> {
  try {
    await writeWhole(path, content, "wx");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** A server that was asked twice, because its first answer was lost, says that the name exists although it was we who made it. */
async function isOwn(path: string, content: string): Promise<boolean> {
  return (await readFile(path, "utf8")) === content;
}

async function writeWhole(path: string, content: string, flags: string): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

function ifMissing<Value>(value: Value): (error: unknown) => Value {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return value;
    throw error;
  };
}
