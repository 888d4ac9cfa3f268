import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRequest } from "../security/certificates.ts";

/** A key and the request for its certificate, kept until the cluster's answer is on the disk. */
interface Attempt {
  readonly tokenId: string;
  readonly node: string;
  readonly key: string;
  readonly request: string;
}

/**
 * The request to join with: that of the attempt before when it was with the same token and name, because the cluster may
 * have added this machine although its answer was lost, and answers again to nobody but the holder of that key.
 */
export async function joinRequestOf(directory: string, tokenId: string, node: string): Promise<Pick<Attempt, "key" | "request">> {
  const known = read(directory);
  if (known?.tokenId === tokenId && known.node === node) return known;
  const { key, request } = await createRequest(node);
  const attempt: Attempt = { tokenId, node, key, request };
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(pathIn(directory), JSON.stringify(attempt), { mode: 0o600, flush: true });
  return attempt;
}

/** The answer is on the disk, or there will be none. */
export function forgetJoinRequest(directory: string): void {
  rmSync(pathIn(directory), { force: true });
}

function read(directory: string): Attempt | null {
  try {
    return existsSync(pathIn(directory)) ? (JSON.parse(readFileSync(pathIn(directory), "utf8")) as Attempt) : null;
  } catch {
    // Torn by a power cut: then it was never sent.
    return null;
  }
}

function pathIn(directory: string): string {
  return join(directory, "join.json");
}
