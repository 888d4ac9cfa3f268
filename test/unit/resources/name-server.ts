import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { promises as dns } from "node:dns";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { until } from "../monitor/helpers.ts";

export const ZONE = "cluster.test";
const REVERSE = ["9.0.127.in-addr.arpa", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];
/** In the zone from the beginning, and not of any cluster. */
export const HELD = "held";
export const ALIAS = "alias";

const NEEDS = ["named", "tsig-keygen", "nsupdate"];
const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
const missing = NEEDS.filter((program) => !directories.some((directory) => existsSync(join(directory, program))));
export const CANNOT = missing.length === 0 ? false : `needs ${missing.join(", ")} (bind9, bind9-dnsutils)`;

type Record = Awaited<ReturnType<NameServer["addresses"]>>[number];
export type { Record };

/** BIND with a forward zone and reverse zones of its own, in a directory and on a port of its own. */
export class NameServer {
  readonly directory = mkdtempSync(join(tmpdir(), "muster-named-"));
  port = 0;
  #named: ChildProcess | null = null;

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** A key that the server knows when it is made before `start`. @returns its file */
  key(name: string, algorithm: "hmac-sha256" | "hmac-sha512" = "hmac-sha256", file = `${name}.key`): string {
    const text = execFileSync("/usr/sbin/tsig-keygen", ["-a", algorithm, name], { encoding: "utf8" });
    writeFileSync(this.path(file), text, { mode: 0o600 });
    return this.path(file);
  }

  /** @param keys names of keys that were made, which may change everything but what is in `refused` */
  async start(keys: readonly string[]): Promise<void> {
    this.port ||= await freePort();
    const policy = (): string => `update-policy { ${keys.map((key) => `deny ${key} name refused.${ZONE} ANY; grant ${key} zonesub A AAAA TXT PTR;`).join(" ")} }`;
    writeFileSync(this.path("named.conf"), [
      ...keys.map((key) => `include "${this.path(`${key}.key`)}";`),
      `options { directory "${this.directory}"; listen-on port ${this.port} { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile "${this.path("session.key")}"; lock-file none; recursion no; empty-zones-enable no; dnssec-validation no; notify no; };`,
      "controls { };",
      ...[ZONE, ...REVERSE].map((zone) => `zone "${zone}" { type primary; file "${zone}.db"; ${policy()}; };`),
      "",
    ].join("\n"));
    for (const zone of [ZONE, ...REVERSE]) {
      if (existsSync(this.path(`${zone}.db`))) continue;
      const own = zone === ZONE ? `ns A 127.0.0.1\n${HELD} A 192.0.2.99\n${ALIAS} CNAME ${HELD}\n` : "";
      writeFileSync(this.path(`${zone}.db`), `$TTL 60\n@ SOA ns.${ZONE}. admin.${ZONE}. 1 60 60 600 5\n@ NS ns.${ZONE}.\n${own}`);
    }
    await this.run();
  }

  /** Once more, with what it knew. */
  async run(): Promise<void> {
    const named = spawn("/usr/sbin/named", ["-g", "-n", "1", "-c", this.path("named.conf")], { stdio: ["ignore", "ignore", "pipe"] });
    this.#named = named;
    let said = "";
    named.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    await until(`named to run: ${said}`, () => {
      if (named.exitCode !== null) throw new Error(`named ended: ${said}`);
      return / running$/m.test(said);
    });
  }

  async stop(): Promise<void> {
    const named = this.#named;
    this.#named = null;
    if (named === null || named.exitCode !== null) return;
    const exited = new Promise((resolve) => named.once("exit", resolve));
    named.kill("SIGCONT");
    named.kill("SIGTERM");
    const timer = setTimeout(() => named.kill("SIGKILL"), 10_000);
    await exited;
    clearTimeout(timer);
  }

  /** It takes what is sent to it, and answers nothing. */
  freeze(): void {
    this.#named?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#named?.kill("SIGCONT");
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  resolver(): InstanceType<typeof dns.Resolver> {
    const resolver = new dns.Resolver({ timeout: 2_000, tries: 3 });
    resolver.setServers([this.address]);
    return resolver;
  }

  async addresses(label: string): Promise<{ readonly address: string; readonly ttl: number }[]> {
    const resolver = this.resolver();
    const name = `${label}.${ZONE}`;
    const none = (error: NodeJS.ErrnoException): [] => {
      if (error.code === "ENODATA" || error.code === "ENOTFOUND") return [];
      throw error;
    };
    const found = [...(await resolver.resolve4(name, { ttl: true }).catch(none)), ...(await resolver.resolve6(name, { ttl: true }).catch(none))];
    return found.sort((left, right) => (left.address < right.address ? -1 : 1));
  }

  /** Only the addresses, in one text. */
  async answers(label: string): Promise<string> {
    return (await this.addresses(label)).map(({ address }) => address).join(" ");
  }

  async pointers(address: string): Promise<string> {
    return (await this.resolver().reverse(address).catch(() => [])).join(" ");
  }

  async marker(label: string): Promise<string> {
    return (await this.resolver().resolveTxt(`_muster.${label}.${ZONE}`).catch(() => [])).flat().join(" ");
  }

  /** As an administrator changes the zone. */
  update(key: string, ...lines: readonly string[]): void {
    execFileSync("nsupdate", ["-k", key, "-t", "5"], { input: [`server 127.0.0.1 ${this.port}`, ...lines, "send", ""].join("\n"), timeout: 10_000 });
  }
}

/** Free for TCP, and most likely for UDP; a server that finds it taken says so. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
