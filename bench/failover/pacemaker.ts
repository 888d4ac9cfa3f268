import { writeFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { corosyncConfiguration } from "../../src/engine/corosync/configuration.ts";
import { succeed } from "../support/run.ts";
import { pause, until } from "../support/wait.ts";
import type { Contender, FaultName, OwnFault } from "./contender.ts";
import { ADDRESS, DEVICE, PORT, PREFIX_BITS, SERVER } from "./role.ts";

/** Pacemaker on corosync, as its documentation sets it up without fencing: what is measured is the software alone. */

const LIMIT_MS = 60_000;
const TOOL_LIMIT_MS = 20_000;
const DAEMONS = /pacemaker/;
const COROSYNC = /^corosync -f/;
const INIT_SCRIPT = "muster-bench-server";
const STOP_LOOKS = 200;

export interface PacemakerOptions {
  /** null = corosync's own defaults (token 3000 ms + 650 ms for each node beyond two). */
  readonly tokenMs: number | null;
  /** How often a resource is asked whether it runs. */
  readonly monitorSeconds: number;
}

export class Pacemaker implements Contender {
  readonly #lab: Lab;
  readonly #options: PacemakerOptions;

  constructor(lab: Lab, options: PacemakerOptions) {
    this.#lab = lab;
    this.#options = options;
  }

  async start(): Promise<void> {
    for (const host of this.#lab.hosts) this.#write(host);
    await Promise.all(this.#lab.hosts.map((host) => this.#startNode(host)));
    await until("Pacemaker is up on all nodes", LIMIT_MS, async () => /<node [^>]*online="true"/.test((await this.#look()) ?? "") && (await this.#online()) === this.#lab.hosts.length, 200);
    await succeed(this.#lab.hosts[0]!, ["cibadmin", "--replace", "--scope", "configuration", "--xml-pipe"], TOOL_LIMIT_MS, await this.#configuration());
  }

  #write(host: LabHost): void {
    const etc = `/proc/${host.initProcessId}/root/etc`;
    mkdirSync(join(etc, "corosync"), { recursive: true });
    writeFileSync(join(etc, "corosync", "corosync.conf"), corosyncText(this.#lab, this.#options.tokenMs));
    writeFileSync(join(etc, "init.d", INIT_SCRIPT), SCRIPT, { mode: 0o755 });
  }

  async #startNode(host: LabHost): Promise<void> {
    await succeed(host, ["install", "-d", "-o", "hacluster", "-g", "haclient", "-m", "0750", "/run/crm"], TOOL_LIMIT_MS);
    if (host.processId(COROSYNC) === null) host.spawn(["corosync", "-f"], { detached: true, stdio: "ignore" }).unref();
    await until(`corosync answers on ${host.name}`, LIMIT_MS, async () => (await host.run(["corosync-cfgtool", "-s"], { timeoutMs: TOOL_LIMIT_MS })).code === 0, 50);
    host.spawn(["pacemakerd"], { detached: true, stdio: "ignore" }).unref();
  }

  /** The whole configuration with the role, written over what the cluster has made of itself. */
  async #configuration(): Promise<string> {
    const nodes = /<nodes[\s\S]*<\/nodes>/.exec(await succeed(this.#lab.hosts[0]!, ["cibadmin", "--query", "--scope", "nodes"], TOOL_LIMIT_MS))?.[0] ?? "<nodes/>";
    const pair = (owner: string, name: string, value: string | number): string => `<nvpair id="${owner}-${name}" name="${name}" value="${value}"/>`;
    const monitor = (owner: string): string => `<operations><op id="${owner}-monitor" name="monitor" interval="${this.#options.monitorSeconds}s" timeout="20s"/></operations>`;
    return `<configuration>
      <crm_config><cluster_property_set id="options">${pair("options", "stonith-enabled", "false")}${pair("options", "no-quorum-policy", "stop")}</cluster_property_set></crm_config>
      ${nodes}
      <resources><group id="web">
        <primitive id="address" class="ocf" provider="heartbeat" type="IPaddr2">
          <instance_attributes id="address-values">${pair("address", "ip", ADDRESS)}${pair("address", "cidr_netmask", PREFIX_BITS)}${pair("address", "nic", DEVICE)}</instance_attributes>${monitor("address")}
        </primitive>
        <primitive id="server" class="lsb" type="${INIT_SCRIPT}">${monitor("server")}</primitive>
      </group></resources>
      <constraints/>
      <rsc_defaults><meta_attributes id="defaults">${pair("defaults", "resource-stickiness", 100)}</meta_attributes></rsc_defaults>
    </configuration>`;
  }

  async #look(): Promise<string | null> {
    for (const host of this.#lab.hosts.filter(({ isOn }) => isOn)) {
      const { code, stdout } = await host.run(["crm_mon", "-1", "--output-as=xml"], { timeoutMs: TOOL_LIMIT_MS }).catch(() => ({ code: 1, stdout: "" }));
      if (code === 0) return stdout;
    }
    return null;
  }

  async #online(): Promise<number> {
    const nodes = Array.from(((await this.#look()) ?? "").matchAll(/<node name="[^"]*"[^>]*>/g), ([tag]) => tag);
    return nodes.filter((tag) => /online="true"/.test(tag) && /pending="false"/.test(tag) && /unclean="false"/.test(tag) && /standby="false"/.test(tag)).length;
  }

  async isWhole(): Promise<boolean> {
    const text = await this.#look();
    const resources = Array.from((text ?? "").matchAll(/<resource id="(?:address|server)"[^>]*>/g), ([tag]) => tag);
    const running = resources.filter((tag) => /role="Started"/.test(tag) && /failed="false"/.test(tag) && /active="true"/.test(tag));
    return running.length === 2 && (await this.#online()) === this.#lab.hosts.length;
  }

  async inject(fault: OwnFault, node: string, target: string): Promise<void> {
    const host = this.#lab.host(node);
    switch (fault) {
      case "service crashed":
        // All of its daemons: the death of pacemakerd alone changes nothing.
        return void host.kill(DAEMONS, "SIGKILL");
      case "clean stop":
        return void host.kill(/^pacemakerd/, "SIGTERM");
      case "planned move":
        return void (await succeed(this.#lab.host(target), ["crm_resource", "--move", "--resource", "web", "--node", target], TOOL_LIMIT_MS));
    }
  }

  async mend(fault: FaultName, node: string): Promise<void> {
    const host = this.#lab.host(node);
    if (fault === "node killed") await this.#lab.powerOn(node);
    if (fault === "link cut") await this.#lab.heal(node);
    if (fault === "clean stop") await until("Pacemaker has stopped", LIMIT_MS, async () => host.processId(DAEMONS) === null, 100);
    if (fault === "planned move") await succeed(host, ["crm_resource", "--clear", "--resource", "web"], TOOL_LIMIT_MS);
    if (fault === "node killed" || fault === "clean stop" || fault === "service crashed") await this.#startNode(host);
    // Without this the next crash of the program would be judged together with this one.
    if (fault === "program crashed") {
      await pause(CLEANUP_AFTER_MS);
      await succeed(host, ["crm_resource", "--cleanup", "--resource", "server"], TOOL_LIMIT_MS);
    }
  }
}

const CLEANUP_AFTER_MS = 500;

/** Tuned: to the same token and link timers as Muster's own file, without its encryption. */
function corosyncText(lab: Lab, tokenMs: number | null): string {
  const nodes = lab.hosts.map((host, position) => ({ id: position + 1, name: host.name, addresses: [host.addresses[0]!.ipv4] }));
  const tuned = tokenMs === null ? "" : tunedLines(corosyncConfiguration({ clusterName: "bench", clusterId: "bench", nodes, tokenMs, keyFile: "/etc/corosync/authkey", stateDirectory: "/var/lib/corosync", logFile: "/var/log/corosync/corosync.log" }));
  const list = nodes.map(({ id, name, addresses }) => `  node {\n    nodeid: ${id}\n    name: ${name}\n    ring0_addr: ${addresses[0]}\n  }\n`).join("");
  return `totem {\n  version: 2\n  cluster_name: bench\n  transport: knet\n${tuned}}\nquorum {\n  provider: corosync_votequorum\n}\nnodelist {\n${list}}\nlogging {\n  to_stderr: no\n  to_syslog: no\n  to_logfile: yes\n  logfile: /var/log/corosync/corosync.log\n}\n`;
}

function tunedLines(text: string): string {
  const totem = /totem \{\n([\s\S]*?)\n\}\n/.exec(text)![1]!;
  const interfaces = /  interface \{[\s\S]*?  \}\n/.exec(`${totem}\n`)![0];
  const words = totem.split("\n").filter((line) => /^ {2}(token|token_coefficient|token_retransmits_before_loss_const):/.test(line));
  return `${words.join("\n")}\n${interfaces}`;
}

/** An LSB script is the least that Pacemaker can run: the agents for programs take a second or more. */
const SCRIPT = `#!/bin/sh
# Provides: ${INIT_SCRIPT}
file=/run/${INIT_SCRIPT}.pid
runs() { [ -s "$file" ] && kill -0 "$(cat "$file")" 2>/dev/null; }
case "$1" in
  start)
    runs && exit 0
    setsid "${process.execPath}" "${SERVER}" ${PORT} </dev/null >/dev/null 2>&1 &
    echo $! > "$file"
    exit 0
    ;;
  stop)
    runs || exit 0
    kill "$(cat "$file")"
    looks=0
    while runs && [ $looks -lt ${STOP_LOOKS} ]; do
      sleep 0.01
      looks=$((looks + 1))
    done
    runs && exit 1
    rm -f "$file"
    exit 0
    ;;
  status)
    runs && exit 0
    [ -e "$file" ] && exit 1
    exit 3
    ;;
esac
exit 2
`;
