import { rmSync } from "node:fs";

const directories = new Set<string>();

/** Removes a directory also when the test runner ends this process, which a test's own `after` does not see. @returns how to remove it now */
export function removeAtEnd(directory: string): () => void {
  if (directories.size === 0) {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        for (const one of directories) rmSync(one, { recursive: true, force: true });
        process.kill(process.pid, signal);
      });
    }
  }
  directories.add(directory);
  return () => rmSync(directory, { recursive: true, force: true });
}
