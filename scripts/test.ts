import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, globSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * All tests, in the order in which a failure says most: `npm test`. Installs the Debian
 * packages that suites need when it runs as root. A suite that cannot run is named; with CI
 * set that is a failure. `npm test -- unit stories` runs some suites only. What only computes runs beside what waits.
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const inCi = process.env["CI"] !== undefined && process.env["CI"] !== "";

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  /** Programs it cannot do without. */
  readonly needs?: readonly string[];
  /** It computes and waits for nothing: it gets the time that the others leave. */
  readonly isPure?: true;
  /** It starts Muster as it is installed: from dist/. */
  readonly isBuilt?: true;
}

/** Of what a suite printed, so much is said again when it failed. */
const REASON_LENGTH = 4_000;

const testFiles = (...patterns: string[]): string[] => patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
/** The timing of real processes suffers when several suites run at once. */
const nodeTest = (concurrency: number, ...patterns: string[]): string[] => ["node", "--disable-warning=ExperimentalWarning", "--test", `--test-concurrency=${concurrency}`, ...testFiles(...patterns)];

const SUITES: readonly Suite[] = [
  { name: "types", command: ["tsc", "--noEmit"] },
  { name: "lint", command: ["npm", "run", "--silent", "lint"] },
  { name: "docs", command: ["node", "scripts/generate-docs.ts", "--check"] },
  { name: "build", command: ["node", "scripts/build.ts"] },
  { name: "unit", command: nodeTest(2, "test/unit/{quorum,core,history,log,lease,nlb,service,api,cli,model,security}/*.test.ts", "test/unit/witness/witness.test.ts", "test/{conformance,recorded}/*.test.ts") },
  { name: "stories", command: nodeTest(2, "test/stories/*.test.ts") },
  { name: "fuzz", command: nodeTest(2, "test/fuzz/*.test.ts") },
  { name: "simulation", command: ["node", "test/simulation/main.ts", "--seeds", "600", "--from", "1"], isPure: true },
  { name: "simulation of the log", command: ["node", "test/simulation/main.ts", "--kind", "log", "--seeds", "1000", "--from", "1"], isPure: true },
  { name: "simulation of the lease", command: ["node", "test/simulation/lease/main.ts", "--seeds", "1000", "--bugs", "4000"], isPure: true },
  { name: "simulation of load balancing", command: ["node", "test/simulation/nlb/main.ts", "--seeds", "5000", "--bugs", "1500"], isPure: true },
  { name: "models", command: ["node", "test/models/check.ts"], needs: ["spin", "cc"], isPure: true },
  { name: "database", command: nodeTest(1, "test/unit/database/*.test.ts"), needs: ["strace"] },
  { name: "engine", command: nodeTest(1, "test/unit/engine/*.test.ts") },
  { name: "object store", command: nodeTest(1, "test/unit/witness/cloud.test.ts"), needs: ["ceph-mon", "ceph-osd", "radosgw", "openssl"] },
  { name: "corosync", command: nodeTest(1, "test/unit/engine/corosync/*.test.ts"), needs: ["corosync", "ip", "nft", "openssl"] },
  { name: "network", command: nodeTest(2, "test/unit/{network,leasing}/*.test.ts"), needs: ["ip", "nft", "ping"] },
  { name: "load balancing", command: nodeTest(2, "test/unit/{nlb-filter,nlb-host}/*.test.ts"), needs: ["ip", "nft", "ping", "openssl", "clang", "llvm-strip", "tc"] },
  { name: "load balancing on a wire", command: nodeTest(2, "test/nlb/*.test.ts"), needs: ["ip", "nft", "ping", "openssl", "curl"], isBuilt: true },
  { name: "monitor", command: nodeTest(1, "test/unit/monitor/*.test.ts", "test/unit/resources/!(network-name)*.test.ts") },
  { name: "names", command: nodeTest(1, "test/unit/resources/network-name*.test.ts"), needs: ["named", "nsupdate", "ip"] },
  { name: "lab", command: nodeTest(3, "test/lab/*.test.ts"), needs: ["corosync", "ip", "nft", "openssl", "ping", "ssh", "sshd", "ceph-mon", "ceph-osd", "radosgw"], isBuilt: true },
  { name: "packaging", command: nodeTest(1, "test/packaging/*.test.ts"), needs: ["mmdebstrap", "ip"] },
  { name: "end to end", command: nodeTest(2, "test/endtoend/*.test.ts"), needs: ["python3", "nginx", "named", "nsupdate"], isBuilt: true },
];

/** Debian packages of the programs that suites need. */
const PACKAGES: Readonly<Record<string, string>> = { strace: "strace", python3: "python3", nginx: "nginx-light", ip: "iproute2", nft: "nftables", ping: "iputils-ping", corosync: "corosync", named: "bind9", nsupdate: "bind9-dnsutils", openssl: "openssl", spin: "spin", cc: "gcc libc6-dev", ssh: "openssh-client", sshd: "openssh-server", clang: "clang libbpf-dev", "llvm-strip": "llvm", tc: "iproute2" };

const wanted = process.argv.slice(2);
const isWanted = (suite: Suite): boolean => wanted.length === 0 || wanted.some((name) => suite.name.startsWith(name));
const needsBuild = SUITES.some((suite) => suite.isBuilt === true && isWanted(suite));
const suites = SUITES.filter((suite) => isWanted(suite) || (needsBuild && suite.name === "build"));
if (suites.length === 0) {
  process.stderr.write(`There is no such suite. Suites: ${SUITES.map((suite) => suite.name).join(", ")}\n`);
  process.exit(2);
}

install([...new Set(suites.flatMap((suite) => suite.needs ?? []))].filter((program) => !isThere(program)));
const passed: string[] = [];
const failed: string[] = [];
/** Why suites failed, to be read again at the end: the rest of a run is long. */
const reasons: string[] = [];
const notRun: string[] = [];
await Promise.all([play(suites.filter((suite) => suite.isPure !== true)), play(suites.filter((suite) => suite.isPure === true))]);

process.stdout.write(reasons.join(""));
process.stdout.write(`\nSuites passed: ${passed.join(", ") || "none"}\n`);
if (failed.length > 0) process.stdout.write(`Suites failed: ${failed.join(", ")}\n`);
if (notRun.length > 0) process.stdout.write(`Suites NOT RUN: ${notRun.join(", ")}. Install what they need, or run this as root on Debian.\n`);
const failures = failed.length + (inCi ? notRun.length : 0);
process.stdout.write(`${passed.length} passed, ${failures} failed\n`);
process.exitCode = failures === 0 ? 0 : 1;

async function play(lane: readonly Suite[]): Promise<void> {
  for (const suite of lane) {
    const missing = (suite.needs ?? []).filter((program) => !isThere(program));
    if (missing.length > 0) {
      notRun.push(`${suite.name} (needs ${missing.join(", ")})`);
      continue;
    }
    const startedMs = performance.now();
    if (suite.isPure !== true) process.stdout.write(`\n=== ${suite.name}\n`);
    const { isWell, output } = await run(suite);
    if (suite.isPure === true) process.stdout.write(`\n=== ${suite.name}, beside the others\n${output}`);
    process.stdout.write(`=== ${suite.name}: ${isWell ? "passed" : "FAILED"} in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s\n`);
    (isWell ? passed : failed).push(suite.name);
    if (!isWell) reasons.push(`\n=== ${suite.name} failed\n${reasonOf(output)}`);
  }
}

/** What the test runner says of failures at the end of its output; or just the end of it. */
function reasonOf(output: string): string {
  const failing = output.lastIndexOf("failing tests:");
  return failing < 0 ? output.slice(-REASON_LENGTH) : output.slice(failing, failing + REASON_LENGTH);
}

function run(suite: Suite): Promise<{ readonly isWell: boolean; readonly output: string }> {
  const [program, ...words] = suite.isPure === true ? ["nice", "-n", "19", ...suite.command] : suite.command;
  const env = { ...process.env, LAB_SHORT: "1", ...(suite.isBuilt === true ? { MUSTER_BUILT: "1" } : {}) };
  // A test that is wrong about when it ends must not hold up everything.
  const child = spawn(program!, words, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], timeout: suite.isPure === true ? 1_400_000 : 900_000, killSignal: "SIGKILL" });
  let output = "";
  for (const [stream, target] of [[child.stdout, process.stdout], [child.stderr, process.stderr]] as const) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (suite.isPure !== true) target.write(text);
    });
  }
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ isWell: false, output: `${output}${error.message}\n` }));
    child.on("close", (code) => resolve({ isWell: code === 0, output }));
    // A process that a suite left behind would keep the output open for ever.
    child.on("exit", () => setTimeout(() => (child.stdout.destroy(), child.stderr.destroy()), 5_000).unref());
  });
}

function isThere(program: string): boolean {
  const directories = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  return directories.some((directory) => directory !== "" && existsSync(join(directory, program)));
}

function install(programs: readonly string[]): void {
  if (programs.length === 0) return;
  if (process.getuid?.() !== 0 || !isThere("apt-get")) {
    process.stdout.write(`Not installed and not root: ${programs.join(", ")}\n`);
    return;
  }
  const packages = programs.flatMap((program) => (PACKAGES[program] ?? program).split(" "));
  process.stdout.write(`Installing ${packages.join(", ")}\n`);
  // Installed for the tests only: no service of theirs is to be started.
  const policy = "/usr/sbin/policy-rc.d";
  const ownPolicy = !existsSync(policy);
  if (ownPolicy) {
    writeFileSync(policy, "#!/bin/sh\nexit 101\n");
    chmodSync(policy, 0o755);
  }
  try {
    const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const options = { stdio: ["ignore", "ignore", "inherit"] as const, env: environment, timeout: 300_000 };
    const install = ["install", "--yes", "--no-install-recommends", ...packages];
    if (spawnSync("apt-get", install, { ...options, stdio: "ignore" }).status === 0) return;
    spawnSync("apt-get", ["update"], { ...options, stdio: [...options.stdio] });
    spawnSync("apt-get", install, { ...options, stdio: [...options.stdio] });
  } finally {
    if (ownPolicy) rmSync(policy, { force: true });
  }
}
