import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { sendSignal } from "../../src/lab/processes.ts";
import { until } from "../support/wait.ts";
import type { Contender, FaultName, OwnFault } from "./contender.ts";
import { ADDRESS, DEVICE, PORT, PREFIX_BITS, SERVER } from "./role.ts";

/** keepalived: the address alone moves; the program runs on all nodes, and each looks after its own once a second. */

const LIMIT_MS = 60_000;
const DAEMON = /^keepalived /;
const PARENT_FILE = "/run/keepalived-bench.pid";
const CONFIGURATION = "keepalived/keepalived.conf";
const PRIORITY = 100;
const PRIORITY_STEP = 2;

export interface KeepalivedOptions {
  readonly advertisementSeconds: number;
}

export class Keepalived implements Contender {
  readonly #lab: Lab;
  readonly #options: KeepalivedOptions;
  readonly #priorities = new Map<string, number>();

  constructor(lab: Lab, options: KeepalivedOptions) {
    this.#lab = lab;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#lab.hosts.forEach((host, position) => this.#priorities.set(host.name, PRIORITY - position * PRIORITY_STEP));
    for (const host of this.#lab.hosts) {
      this.#write(host);
      this.#startProgram(host);
      this.#startDaemon(host);
    }
    await until("keepalived runs on all nodes", LIMIT_MS, async () => this.#lab.hosts.every((host) => host.processId(DAEMON) !== null));
  }

  #write(host: LabHost): void {
    const file = join(`/proc/${host.initProcessId}/root/etc`, CONFIGURATION);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, configurationText(host.name, this.#options.advertisementSeconds, this.#priorities.get(host.name)!));
  }

  #startProgram(host: LabHost): void {
    if (host.processId(SERVER) === null) host.spawn([process.execPath, SERVER, String(PORT)], { detached: true, stdio: "ignore" }).unref();
  }

  #startDaemon(host: LabHost): void {
    host.spawn(["keepalived", "-n", "-f", `/etc/${CONFIGURATION}`, "-p", PARENT_FILE, "-r", "/run/keepalived-vrrp.pid"], { detached: true, stdio: "ignore" }).unref();
  }

  /** The one who has the address is the one with the highest priority, and everybody runs. */
  async isWhole(): Promise<boolean> {
    if (!this.#lab.hosts.every((host) => host.isOn && host.processId(DAEMON) !== null && host.processId(SERVER) !== null)) return false;
    const best = this.#lab.hosts.toSorted((a, b) => this.#priorities.get(b.name)! - this.#priorities.get(a.name)!)[0]!;
    const has = await Promise.all(this.#lab.hosts.map((host) => hasAddress(host)));
    return this.#lab.hosts.every((host, position) => has[position] === (host === best));
  }

  async inject(fault: OwnFault, node: string, target: string): Promise<void> {
    const host = this.#lab.host(node);
    switch (fault) {
      case "service crashed":
        return void host.kill(DAEMON, "SIGKILL");
      case "clean stop":
        return sendSignal(parentOf(host), "SIGTERM");
      case "planned move": {
        // The next owner says that it is the better one, and takes over.
        this.#priorities.set(target, Math.max(...this.#priorities.values()) + PRIORITY_STEP);
        this.#write(this.#lab.host(target));
        return sendSignal(parentOf(this.#lab.host(target)), "SIGHUP");
      }
    }
  }

  async mend(fault: FaultName, node: string): Promise<void> {
    const host = this.#lab.host(node);
    if (fault === "node killed") await this.#lab.powerOn(node);
    if (fault === "link cut") await this.#lab.heal(node);
    if (fault === "clean stop") await until("keepalived has stopped", LIMIT_MS, async () => host.processId(DAEMON) === null);
    this.#startProgram(host);
    if (fault === "node killed" || fault === "clean stop" || fault === "service crashed") this.#startDaemon(host);
  }
}

/** The process that takes signals: the others are its children, and the first of them. */
function parentOf(host: LabHost): number {
  const processId = host.processId(DAEMON);
  if (processId === null) throw new Error(`keepalived does not run on ${host.name}`);
  return processId;
}

export async function hasAddress(host: LabHost): Promise<boolean> {
  if (!host.isOn) return false;
  const { stdout } = await host.run(["ip", "-4", "-oneline", "address", "show"], { timeoutMs: LIMIT_MS });
  return stdout.includes(` ${ADDRESS}/`);
}

function configurationText(name: string, advertisementSeconds: number, priority: number): string {
  return `global_defs {
  router_id ${name}
  script_user root
  enable_script_security
  vrrp_version 3
}
vrrp_script server {
  script "/usr/bin/pgrep --full --count ${SERVER}"
  interval 1
  timeout 1
  rise 1
  fall 1
}
vrrp_instance web {
  state BACKUP
  interface ${DEVICE}
  virtual_router_id 51
  priority ${priority}
  advert_int ${advertisementSeconds}
  virtual_ipaddress {
    ${ADDRESS}/${PREFIX_BITS}
  }
  track_script {
    server
  }
}
`;
}
