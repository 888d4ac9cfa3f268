import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Balanced } from "../test/nlb/support/balanced.ts";
import { summarize } from "./report.ts";
import type { CaseResult } from "./report.ts";

/** How much a client gets: by way of the balanced hosts, of one server alone, and of dispatchers in front of three servers. */

export const DISPATCHER = 4;
export const SERVERS = [5, 6, 7] as const;
const HOSTS = [1, 2, 3] as const;
const WEB_PORT = 90;
const HAPROXY_PORT = 91;
const NGINX_PORT = 92;
const FILE_BYTES = 1_048_576;
const STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so";
const START_LIMIT_MS = 5_000;

type Kind = "new" | "kept" | "bytes";
const KINDS: readonly (readonly [kind: Kind, name: string, unit: string])[] = [
  ["new", "a new connection for each request", "1/s"],
  ["kept", "connections that stay", "1/s"],
  ["bytes", "throughput, files of 1 MiB", "MiB/s"],
];
export type Contender = "one server" | "3 hosts, nftables" | "3 hosts, XDP" | "haproxy" | "nginx";

/** Web servers and dispatchers; they end with {@link Stage.close}. */
export class Stage {
  readonly contenders: readonly (readonly [name: Contender, address: string])[];
  readonly #cluster: Balanced;
  readonly #children: ChildProcess[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), "muster-nlb-bench-"));

  constructor(cluster: Balanced, virtual: string) {
    this.#cluster = cluster;
    const dispatcher = cluster.lab.machine(DISPATCHER).address;
    this.contenders = [
      ["one server", `${cluster.lab.machine(SERVERS[0]).address}:${WEB_PORT}`],
      ["3 hosts, nftables", `${virtual}:${WEB_PORT}`],
      ["3 hosts, XDP", `${virtual}:${WEB_PORT}`],
      ["haproxy", `${dispatcher}:${HAPROXY_PORT}`],
      ...(existsSync(STREAM_MODULE) ? [["nginx", `${dispatcher}:${NGINX_PORT}`] as const] : []),
    ];
  }

  async start(): Promise<void> {
    const { lab, clientNumber } = this.#cluster;
    lab.on(clientNumber, ["sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65000"]);
    lab.on(DISPATCHER, ["sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65000"]);
    // Frames for the cluster are for its hosts: an administrator keeps them from the ports of others.
    for (const number of [DISPATCHER, ...SERVERS, clientNumber]) this.#cluster.onSwitch(["bridge", "link", "set", "dev", `p${number}`, "flood", "off"]);
    writeFileSync(join(this.#directory, "file"), Buffer.alloc(FILE_BYTES, "x"));
    for (const number of [...HOSTS, ...SERVERS]) this.#nginx(number, `http { access_log off; keepalive_requests 1000000; sendfile on; server { listen ${WEB_PORT} backlog=4096; root ${this.#directory}; location = / { return 200 "ok\\n"; } } }`);
    const servers = SERVERS.map((number) => `${lab.machine(number).address}:${WEB_PORT}`);
    if (existsSync(STREAM_MODULE)) this.#nginx(DISPATCHER, `stream { upstream web { ${servers.map((server) => `server ${server};`).join(" ")} } server { listen ${NGINX_PORT} backlog=4096; proxy_pass web; } }`, `load_module ${STREAM_MODULE};`);
    const configuration = join(this.#directory, "haproxy.cfg");
    writeFileSync(configuration, `global\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\nlisten web\n  bind :${HAPROXY_PORT} backlog 4096\n  balance roundrobin\n${servers.map((server, position) => `  server s${position} ${server}\n`).join("")}`);
    this.#spawn(DISPATCHER, ["haproxy", "-db", "-q", "-f", configuration]);
    for (const [name, address] of this.contenders) await this.#answers(name, address);
  }

  #nginx(number: number, server: string, first = ""): void {
    const prefix = join(this.#directory, `${number}-${this.#children.length}`);
    mkdirSync(join(prefix, "temporary"), { recursive: true });
    const temporary = server.startsWith("http") ? server.replace("http {", `http { ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${prefix}/temporary/${kind};`).join(" ")}`) : server;
    writeFileSync(join(prefix, "nginx.conf"), `${first}\nuser root;\ndaemon off;\nmaster_process off;\npid ${prefix}/pid;\nerror_log ${prefix}/error.log crit;\nworker_rlimit_nofile 65536;\nevents { worker_connections 8192; }\n${temporary}\n`);
    this.#spawn(number, ["nginx", "-p", prefix, "-e", `${prefix}/error.log`, "-c", join(prefix, "nginx.conf")]);
  }

  #spawn(number: number, words: readonly string[]): void {
    this.#children.push(spawn("ip", ["netns", "exec", this.#cluster.lab.machine(number).namespace, ...words], { stdio: ["ignore", "ignore", "inherit"] }));
  }

  async #answers(name: string, address: string): Promise<void> {
    const deadlineMs = performance.now() + START_LIMIT_MS;
    while (this.#wrk(address, "kept", 0.1).perSecond === 0) {
      if (performance.now() > deadlineMs) throw new Error(`${name} does not answer at ${address}`);
      await sleep(100);
    }
  }

  /** The hosts filter with this from now on. */
  async #use(engine: "nftables" | "xdp"): Promise<void> {
    for (const number of HOSTS) {
      await this.#cluster.api(number).send("PATCH", "/v1/nlb/host", { body: { engine } });
      const deadlineMs = performance.now() + START_LIMIT_MS;
      while (!(await this.#cluster.status(number)).engine.toLowerCase().startsWith(engine)) {
        if (performance.now() > deadlineMs) throw new Error(`host ${number} does not filter with ${engine}`);
        await sleep(100);
      }
    }
    await this.#cluster.settled();
  }

  #wrk(address: string, kind: Kind, seconds: number): { readonly perSecond: number; readonly errors: number } {
    const path = kind === "bytes" ? "file" : "";
    const words = ["wrk", "-t1", `-c${kind === "bytes" ? 8 : 64}`, `-d${Math.max(1, Math.round(seconds))}s`, "--timeout", "5s", ...(kind === "new" ? ["-H", "Connection: close"] : []), `http://${address}/${path}`];
    const { stdout, stderr } = spawnSync("ip", ["netns", "exec", this.#cluster.lab.machine(this.#cluster.clientNumber).namespace, ...words], { encoding: "utf8", timeout: (seconds + 15) * 1_000 });
    const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0);
    const errors = [.../(?:connect|read|write|timeout) (\d+)/g[Symbol.matchAll](/Socket errors:.*/.exec(stdout)?.[0] ?? "")].reduce((sum, [, count]) => sum + Number(count), 0);
    // Nobody listens yet, or any more: that is no answer, and counts as such.
    if (stdout === "" && stderr !== "" && !stderr.includes("Connection refused")) throw new Error(stderr);
    return { perSecond, errors };
  }

  /** All contenders in turn, so often: what disturbs the machine disturbs all of them. */
  async measure(rounds: number, seconds: number, talk: (text: string) => void): Promise<{ readonly results: readonly CaseResult[]; readonly medians: ReadonlyMap<string, number> }> {
    const values = new Map<string, number[]>();
    let errors = 0;
    for (let round = 1; round <= rounds; round++) {
      talk(`rates: round ${round} of ${rounds}`);
      for (const [kind] of KINDS) {
        // Whoever is first after a pause is not always the same.
        const order = this.contenders.map((_, position) => this.contenders[(position + round) % this.contenders.length]!);
        for (const [name, address] of order) {
          if (name === "3 hosts, nftables") await this.#use("nftables");
          if (name === "3 hosts, XDP") await this.#use("xdp");
          const outcome = this.#wrk(address, kind, seconds);
          errors += outcome.errors;
          const key = `${kind} ${name}`;
          values.set(key, [...(values.get(key) ?? []), kind === "bytes" ? (outcome.perSecond * FILE_BYTES) / 1_048_576 : outcome.perSecond]);
        }
      }
    }
    const results = KINDS.flatMap(([kind, text, unit]) => this.contenders.map(([name]) => summarize(`${text}: ${name}`, unit, values.get(`${kind} ${name}`) ?? [])));
    const medians = new Map(KINDS.flatMap(([kind], row) => this.contenders.map(([name], column) => [`${kind} ${name}`, results[row * this.contenders.length + column]!.median] as const)));
    return { results: [...results, summarize("errors of the client in all of these", "", [errors])], medians };
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => (child.exitCode !== null || child.signalCode !== null ? null : new Promise((resolve) => (child.once("exit", resolve), child.kill("SIGKILL"))))));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
