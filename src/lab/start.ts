import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { LabError } from "./errors.ts";
import { hostsFile } from "./plan.ts";
import type { HostPlan } from "./plan.ts";
import { LAB_VARIABLE, identify, sendSignal } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";
import { labPaths, readCables } from "./record.ts";
import type { LabRecord } from "./record.ts";
import { SYSTEM_PATH } from "./requirements.ts";
import { HOST_SCRIPT, INIT_SCRIPT, SWITCH_SCRIPT } from "./scripts.ts";
import { join } from "node:path";

/** Starts the processes that keep the namespaces of a lab. */

const START_LIMIT_MS = 30_000;

/** @throws LabError with what the first program that failed has said */
export function startSwitch(record: LabRecord): Promise<ProcessIdentity> {
  const links = record.networks.flatMap(({ name }) => [
    // Snooping would hold back multicast until somebody has asked for it, and no one here asks.
    `link add ${name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `link set ${name} addrgenmode none`,
    `link set ${name} up`,
  ]);
  const filter = ["add table bridge lab", "add chain bridge lab cuts { type filter hook forward priority 0 ; policy accept ; }"];
  return start(record, "the switch", ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", SWITCH_SCRIPT, "muster-lab", record.name, "switch"], {
    SCRATCH: labPaths.scratch(record.name),
    STATE_BYTES: record.stateBytesMax === null ? "" : String(record.stateBytesMax),
    STATE_DIRECTORIES: record.hosts.map((host) => join(record.stateRoot, host.name)).join("\n"),
    LINKS: links.join("\n"),
    FILTER: filter.join("\n"),
  });
}

/** @throws LabError with what the first program that failed has said; nothing of the host is left running then */
export function startHost(record: LabRecord, host: HostPlan, switchProcessId: number): Promise<ProcessIdentity> {
  const cables = readCables(record.name, host.name);
  const ports = host.addresses.flatMap(({ network, device, port, mac }) => [
    `link add ${port} type veth peer name ${device} address ${mac} netns @HOST@`,
    `link set ${port} addrgenmode none`,
    `link set ${port} master ${network} ${cables[network]?.unplugged === true ? "down" : "up"}`,
  ]);
  const devices = [
    "link set lo up",
    ...host.addresses.flatMap(({ device, ipv4, ipv6 }) => [`link set ${device} up`, `address add ${ipv4}/24 brd + dev ${device}`, `address add ${ipv6}/64 dev ${device} nodad`]),
  ];
  const namespaces = ["unshare", "--mount", "--net", "--uts", "--ipc", "--propagation", "private"];
  return start(record, `the host '${host.name}'`, ["nsenter", `--mount=/proc/${switchProcessId}/ns/mnt`, ...namespaces, "sh", "-c", HOST_SCRIPT, "muster-lab", record.name, host.name], {
    LAB: record.name,
    HOST: host.name,
    SWITCH: String(switchProcessId),
    SCRATCH: labPaths.scratch(record.name),
    STATE: join(record.stateRoot, host.name),
    HOSTS_FILE: hostsFile(record.hosts),
    VISIBLE: record.visible.join("\n"),
    PORTS: ports.join("\n"),
    DEVICES: devices.join("\n"),
    INIT: INIT_SCRIPT,
  });
}

async function start(record: LabRecord, what: string, argv: readonly string[], environment: Readonly<Record<string, string>>): Promise<ProcessIdentity> {
  // A session of its own: the lab outlives the terminal in which it was made.
  const child = spawn(argv[0]!, argv.slice(1), { detached: true, cwd: "/", env: { PATH: SYSTEM_PATH, ...environment, [LAB_VARIABLE]: record.id }, stdio: ["ignore", "ignore", "pipe", "pipe"] });
  try {
    const identity = identify(await ready(child, what));
    if (identity === null) throw failed(what, "its process ended at once");
    return identity;
  } catch (error) {
    if (child.pid !== undefined) sendSignal(-child.pid, "SIGKILL");
    throw error;
  } finally {
    child.stderr!.destroy();
    (child.stdio[3] as NodeJS.ReadableStream & { destroy(): void }).destroy();
    child.unref();
  }
}

function ready(child: ChildProcess, what: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = "";
    let complaint = "";
    const limit = setTimeout(() => reject(failed(what, `it was not ready within ${START_LIMIT_MS / 1000} s; ${complaint}`)), START_LIMIT_MS);
    const settle = (action: () => void): void => {
      clearTimeout(limit);
      action();
    };
    child.once("error", (error) => settle(() => reject(failed(what, error.message))));
    child.once("close", (code, signal) => settle(() => reject(failed(what, `${complaint.trim()} (${signal ?? code})`))));
    child.stderr!.on("data", (piece: Buffer) => {
      complaint = `${complaint}${piece.toString()}`.slice(-4_000);
    });
    (child.stdio[3] as NodeJS.ReadableStream).on("data", (piece: Buffer) => {
      said += piece.toString();
      const found = /^ready (\d+)\n/.exec(said);
      if (found !== null) settle(() => resolve(Number(found[1])));
    });
  });
}

function failed(what: string, problem: string): LabError {
  return new LabError("MUSTER_INTERNAL", `Could not start ${what}: ${problem}`, "The kernel must have namespaces, veth, bridge, nf_tables and overlayfs; in a container it must be a privileged one.", { problem });
}
