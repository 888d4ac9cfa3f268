import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIdentity } from "../../../src/security/certificates.ts";
import { removeAtEnd } from "../../packaging/remove-at-end.ts";

/**
 * A real object store: Ceph's gateway with a monitor and one disk in memory, on free ports of the loopback. It honours
 * If-None-Match by one atomic operation of the disk.
 */
export interface ObjectStore {
  readonly endpoint: string;
  /** With a certificate for "localhost" that nobody trusts unless told. */
  readonly secureEndpoint: string;
  readonly authority: string;
  readonly account: string;
  readonly key: string;
  stop(): Promise<void>;
}

const PROGRAMS = ["ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "radosgw", "radosgw-admin"] as const;
const START_LIMIT_MS = 90_000;

/** What is not installed of it; "" = nothing. Debian: ceph-mon, ceph-osd, radosgw. */
export function missingPrograms(): string {
  return PROGRAMS.filter((program) => spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status !== 0).join(", ");
}

export async function startObjectStore(): Promise<ObjectStore> {
  const directory = mkdtempSync(join(tmpdir(), "muster-s3-"));
  const remove = removeAtEnd(directory);
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(ended));
    remove();
  };
  try {
    return await start(directory, children, stop);
  } catch (error) {
    const words = ["radosgw", "ceph-mon", "ceph-osd"].map((name) => lastWords(join(directory, `${name}.out`))).join("");
    await stop();
    throw new Error(`the object store did not start: ${String(error)}\n${words}`, { cause: error });
  }
}

async function start(directory: string, children: ChildProcess[], stop: () => Promise<void>): Promise<ObjectStore> {
  const deadlineMs = Date.now() + START_LIMIT_MS;
  const [monitorPort, port, securePort] = await freePorts(3);
  const path = (name: string): string => join(directory, name);
  for (const name of ["mon", "osd", "run", "rgw"]) mkdirSync(path(name));
  const identity = await createIdentity("localhost");
  writeFileSync(path("store.pem"), identity.certificate);
  writeFileSync(path("store.key"), identity.key, { mode: 0o600 });
  const fsid = randomUUID();
  writeFileSync(path("ceph.conf"), configuration({ directory, fsid, monitorPort: monitorPort!, port: port!, securePort: securePort! }));
  const run = (program: string, ...words: string[]): string => {
    const { status, stdout, stderr } = spawnSync(program, ["--conf", path("ceph.conf"), ...words], { encoding: "utf8", timeout: Math.max(1, deadlineMs - Date.now()) });
    if (status !== 0) throw new Error(`${program} ${words.join(" ")}: ${stderr}`);
    return stdout;
  };
  const serve = (program: string, ...words: string[]): void => {
    const output = openSync(path(`${program}.out`), "a");
    // Ended with this process, however it ends.
    children.push(spawn("setpriv", ["--pdeathsig", "KILL", program, "--conf", path("ceph.conf"), "--foreground", ...words], { stdio: ["ignore", output, output] }));
    closeSync(output);
  };

  run("ceph-authtool", path("keyring"), "--create-keyring", "--gen-key", "--name", "mon.", "--cap", "mon", "allow *");
  for (const name of ["client.admin", "osd.0", "client.rgw"]) run("ceph-authtool", path("keyring"), "--gen-key", "--name", name, "--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *");
  run("monmaptool", "--create", "--addv", "a", `[v2:127.0.0.1:${monitorPort}]`, "--fsid", fsid, path("monmap"));
  run("ceph-mon", "--mkfs", "--id", "a", "--monmap", path("monmap"), "--keyring", path("keyring"));
  serve("ceph-mon", "--id", "a");
  const disk = randomUUID();
  run("ceph", "osd", "new", disk);
  run("ceph-osd", "--mkfs", "--id", "0", "--osd-uuid", disk);
  serve("ceph-osd", "--id", "0");
  serve("radosgw", "--name", "client.rgw");
  while (!(await answers(port!))) {
    if (Date.now() > deadlineMs) throw new Error("nobody answers");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const [account, key] = ["MUSTERTEST", "key-that-must-not-be-seen"];
  run("radosgw-admin", "user", "create", "--uid=muster", "--display-name=muster", `--access-key=${account}`, `--secret-key=${key}`);
  return { endpoint: `http://127.0.0.1:${port}`, secureEndpoint: `https://localhost:${securePort}`, authority: path("store.pem"), account, key, stop };
}

function configuration({ directory, fsid, monitorPort, port, securePort }: { readonly directory: string; readonly fsid: string; readonly monitorPort: number; readonly port: number; readonly securePort: number }): string {
  return `[global]
fsid = ${fsid}
mon_host = v2:127.0.0.1:${monitorPort}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
keyring = ${directory}/keyring
run_dir = ${directory}/run
admin_socket = ${directory}/run/$name.asok
log_file = ${directory}/$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
[mon.a]
mon_data = ${directory}/mon
[osd.0]
osd_data = ${directory}/osd
osd_objectstore = memstore
memstore_device_bytes = 268435456
[client.rgw]
rgw_data = ${directory}/rgw
rgw_frontends = beast endpoint=127.0.0.1:${port} ssl_endpoint=127.0.0.1:${securePort} ssl_certificate=${directory}/store.pem ssl_private_key=${directory}/store.key
`;
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5_000) })).status === 200;
  } catch {
    return false;
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}

/** All of it is in memory and nobody else's: there is nothing to wait for. */
function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
    child.kill("SIGKILL");
  });
}

function lastWords(path: string): string {
  try {
    return readFileSync(path, "utf8").slice(-1_000);
  } catch {
    return "";
  }
}
