import { execFile } from "node:child_process";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MusterError } from "../model/errors.ts";

/**
 * The cluster's own certificate authority, made when the cluster is created; nodes show each other certificates that it
 * signed. The work is done by the `openssl` program, which every distribution has and keeps safe.
 */

export interface KeyPair {
  /** PEM. */
  readonly certificate: string;
  /** PEM, not encrypted: it lies in files that only root reads. */
  readonly key: string;
}

const PROGRAM = "openssl";
const LIMIT_MS = 20_000;
/** Longer than the machines live: nobody shall be woken by a certificate. */
const AUTHORITY_DAYS = 7_300;
const NODE_DAYS = 7_300;
const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** A new authority for one cluster. @throws MusterError MUSTER_PROGRAM_MISSING, MUSTER_INTERNAL with openssl's words */
export function createAuthority(clusterId: string): Promise<KeyPair> {
  return selfSigned(`/O=Muster/OU=${clusterId}/CN=Muster cluster`, "keyUsage=critical,keyCertSign,cRLSign");
}

/** A certificate that vouches for itself alone; who knows its fingerprint knows the machine. */
export function createIdentity(name: string): Promise<KeyPair> {
  return selfSigned(`/O=Muster/CN=${name}`, "extendedKeyUsage=serverAuth");
}

function selfSigned(subject: string, extension: string): Promise<KeyPair> {
  return inDirectory(async (directory) => {
    const key = join(directory, "key");
    const certificate = join(directory, "certificate");
    await openssl(["req", "-x509", ...NEW_KEY, "-days", String(AUTHORITY_DAYS), "-subj", subject, "-addext", extension, "-keyout", key, "-out", certificate]);
    return { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
  });
}

/** A key that never leaves its machine, and the request to certify it. */
export function createRequest(node: string): Promise<{ readonly key: string; readonly request: string }> {
  return inDirectory(async (directory) => {
    const key = join(directory, "key");
    const request = join(directory, "request");
    await openssl(["req", "-new", ...NEW_KEY, "-subj", `/CN=${node}`, "-keyout", key, "-out", request]);
    return { key: readFileSync(key, "utf8"), request: readFileSync(request, "utf8") };
  });
}

/** The public half of the key in a request, as a fingerprint. @throws MusterError when it is no request, or not signed by that key */
export function fingerprintOfRequest(request: string): Promise<string> {
  return inDirectory(async (directory) => {
    const path = join(directory, "request");
    writeFileSync(path, request);
    const key = await openssl(["req", "-in", path, "-verify", "-noout", "-pubkey"]).catch((error: unknown) => {
      throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "request", problem: "it is no certificate request" }, { cause: error });
    });
    return createHash("sha256").update(key).digest("hex");
  });
}

/** Certifies the key of a request for a node; the subject and the names in it are the authority's choice, not the request's. */
export function certify(authority: KeyPair, clusterId: string, request: string, node: string, names: readonly string[]): Promise<string> {
  return inDirectory(async (directory) => {
    const paths = { request: join(directory, "request"), authority: join(directory, "authority"), key: join(directory, "key"), extensions: join(directory, "extensions"), certificate: join(directory, "certificate") };
    writeFileSync(paths.request, request);
    writeFileSync(paths.authority, authority.certificate);
    writeFileSync(paths.key, authority.key, { mode: 0o600 });
    const alternatives = [...new Set([node, ...names])].map((name) => (isIP(name) === 0 ? `DNS:${name}` : `IP:${name}`));
    writeFileSync(paths.extensions, ["basicConstraints=critical,CA:false", "keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth,clientAuth", `subjectAltName=${alternatives.join(",")}`].join("\n"));
    // The first bit of a serial number is its sign.
    const serial = `0x7f${randomBytes(15).toString("hex")}`;
    await openssl(["x509", "-req", "-in", paths.request, "-subj", `/O=Muster/OU=${clusterId}/CN=${node}`, "-CA", paths.authority, "-CAkey", paths.key, "-set_serial", serial, "-days", String(NODE_DAYS), "-extfile", paths.extensions, "-out", paths.certificate]);
    return readFileSync(paths.certificate, "utf8");
  });
}

/** By which a certificate is told from all others: SHA-256 in hexadecimal, without colons. @throws Error when it is none */
export function fingerprint(certificate: string | Buffer): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(":", "").toLowerCase();
}

async function inDirectory<Result>(action: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), "muster-certificate-"));
  try {
    chmodSync(directory, 0o700);
    return await action(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function openssl(words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(PROGRAM, [...words], { timeout: LIMIT_MS, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.code === "ENOENT") reject(new MusterError("MUSTER_PROGRAM_MISSING", { program: PROGRAM, package: "openssl" }, { cause: error }));
      else reject(new MusterError("MUSTER_INTERNAL", { problem: `${PROGRAM} ${words[0] ?? ""}: ${stderr.trim().slice(-500)}` }, { cause: error }));
    });
  });
}
