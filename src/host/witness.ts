import { existsSync, mkdirSync, readFileSync } from "node:fs";
import type { Server } from "node:https";
import { join } from "node:path";
import { hostname } from "node:os";
import { MusterError } from "../model/errors.ts";
import { writeWhole } from "../security/whole-file.ts";
import { createIdentity, fingerprint } from "../security/certificates.ts";
import type { KeyPair } from "../security/certificates.ts";
import { createWitnessDaemon } from "../witness/daemon-server.ts";

export interface ServeWitnessOptions {
  readonly directory: string;
  readonly listen: { readonly host?: string; readonly port: number };
  readonly log: (line: string) => void;
}

/** Starts the witness daemon with the identity it has, or a new one. @throws MusterError when it cannot listen or write there */
export async function serveWitness(options: ServeWitnessOptions): Promise<{ readonly server: Server; readonly fingerprint: string }> {
  const { directory, listen, log } = options;
  let identity: KeyPair;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    identity = await identityIn(directory);
  } catch (error) {
    if (error instanceof MusterError) throw error;
    throw new MusterError("MUSTER_DATABASE_UNWRITABLE", { path: directory, problem: (error as Error).message }, { cause: error });
  }
  const server = createWitnessDaemon({ directory: join(directory, "clusters"), identity, log });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--listen", problem: `${listen.host ?? ""}:${listen.port}: ${error.message}` }, { cause: error })));
    server.listen(listen, () => resolve());
  });
  return { server, fingerprint: fingerprint(identity.certificate) };
}

/** Made once: clusters know the daemon by it. */
async function identityIn(directory: string): Promise<KeyPair> {
  const paths = { certificate: join(directory, "certificate.pem"), key: join(directory, "certificate.key") };
  if (existsSync(paths.certificate)) return { certificate: readFileSync(paths.certificate, "utf8"), key: readFileSync(paths.key, "utf8") };
  const identity = await createIdentity(hostname());
  writeWhole(paths.key, identity.key);
  // Last: with it the identity is whole.
  writeWhole(paths.certificate, identity.certificate);
  return identity;
}
