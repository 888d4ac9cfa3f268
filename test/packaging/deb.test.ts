import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, copyFileSync, existsSync, lstatSync, mkdtempSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { removeAtEnd } from "./remove-at-end.ts";

/**
 * The package on a fresh Debian 12: installed with what it needs, upgraded, removed, purged. Everything is run in namespaces
 * of its own (mounts, processes, and the network where none is needed), which end with it.
 */

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const RELEASE = "bookworm";
const OLD = "0.1.9";
const NEW = "0.2.0";
/** It takes about a minute; a machine that has other things to do may take its time. */
const LIMIT_MS = 600_000;
const LIBRARY = "/usr/lib/muster";

function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0;
}

/** The mirror this machine uses for the release; null = none. */
function mirrorOf(release: string): string | null {
  const { stdout } = spawnSync("apt-get", ["indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"], { encoding: "utf8" });
  return (stdout ?? "").split("\n").find((line) => line.endsWith(` ${release} main`))?.split(" ")[0] ?? null;
}

const mirror = process.getuid?.() === 0 && isInstalled("apt-get") ? mirrorOf(RELEASE) : null;
const reason =
  process.getuid?.() !== 0 ? "only root can make a root directory of Debian"
  : !isInstalled("mmdebstrap") || !isInstalled("dpkg-deb") ? "mmdebstrap is not installed"
  : mirror === null ? `apt of this machine knows no mirror of Debian ${RELEASE}`
  : process.arch !== "x64" ? "it is a package for amd64"
  : false;

describe("the Debian package", { skip: reason, timeout: LIMIT_MS }, () => {
  const base = reason === false ? mkdtempSync(join(tmpdir(), "muster-deb-test-")) : "";
  const root = join(base, "root");
  const remove = base === "" ? () => undefined : removeAtEnd(base);

  after(() => remove());

  before(async () => {
    // apt reads packages as a user of its own.
    chmodSync(base, 0o755);
    await Promise.all([makeRoot(), makePackages()]);
    for (const version of [OLD, NEW]) renameSync(join(base, fileOf(version)), join(root, fileOf(version)));
  });

  async function makeRoot(): Promise<void> {
    // Lists of packages stay: the dependencies are fetched by them.
    await succeed("unshare", ["--mount", "--pid", "--fork", "--kill-child", "mmdebstrap", "--quiet", "--mode=root", "--format=directory", "--variant=minbase", "--skip=cleanup/apt/lists", RELEASE, root, mirror!]);
    writeFileSync(join(root, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", { mode: 0o755 });
    if (existsSync("/etc/resolv.conf")) copyFileSync("/etc/resolv.conf", join(root, "etc/resolv.conf"));
  }

  async function makePackages(): Promise<void> {
    // One after the other: both compile to the same directory. Packing takes most of the time, and nothing is learnt by it.
    for (const version of [OLD, NEW]) await succeed("env", [`TMPDIR=${base}`, process.execPath, join(project, "scripts/build-deb.ts"), "--compression", "none", "--version", version, "--output", base]);
  }

  /** Runs a shell script in the new system. @param network of this machine, or one that has a single address */
  async function inside(script: string, network: "machine" | "own" = "own"): Promise<Outcome> {
    const netns = network === "own" ? ["--net"] : [];
    const links = network === "own" ? "ip link set lo up; ip link add net0 type veth peer name net1; ip address add 192.0.2.1/24 dev net0; ip link set net0 up; ip link set net1 up;" : "";
    const mounts = `mount -t proc proc ${root}/proc; mount -t tmpfs tmpfs ${root}/run; mount -t tmpfs -o mode=1777 tmpfs ${root}/dev/shm;`;
    return execute("unshare", ["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", ...netns, "sh", "-ec", `hostname first; ${links} ${mounts} exec chroot ${root} sh -ec "$0"`, script]);
  }

  async function insideWell(script: string, network: "machine" | "own" = "own"): Promise<Outcome> {
    const outcome = await inside(script, network);
    assert.equal(outcome.status, 0, `${script}\n${outcome.stdout}${outcome.stderr}`);
    return outcome;
  }

  const has = (path: string): boolean => lstatSync(join(root, path), { throwIfNoEntry: false }) !== undefined;
  const modeOf = (path: string): string => (statSync(join(root, path)).mode & 0o7777).toString(8);
  const wanted = (unit: string): boolean => has(`/etc/systemd/system/multi-user.target.wants/${unit}`);

  test("is installed by apt with what it needs, and starts nothing", async () => {
    const { stdout, stderr } = await insideWell(`apt-get install --yes --no-install-recommends /${fileOf(OLD)}`, "machine");
    assert.match(stdout + stderr, /corosync\.service, which nobody had configured, was stopped and disabled/);
    for (const program of ["usr/sbin/corosync", "usr/sbin/nft", "usr/bin/openssl"]) assert.ok(has(program), program);
    assert.equal((await insideWell("dpkg-query -W -f '${Version} ${db:Status-Status}' muster")).stdout, `${OLD} installed`);
    assert.ok(wanted("muster.service"));
    assert.ok(wanted("muster-nlb.service"));
    assert.ok(!wanted("muster-witness.service"));
    assert.ok(!wanted("corosync.service"));
    assert.ok(!has("/var/lib/muster"));
  });

  test("has the modes, the times and the files that it says", async () => {
    for (const [path, mode] of [["/", "755"], ["/usr/bin/muster", "755"], [LIBRARY, "755"], [`${LIBRARY}/bin/muster.js`, "644"], [`${LIBRARY}/node_modules/node/bin/node`, "755"], ["/lib/systemd/system/muster.service", "644"], ["/var/cache/muster", "755"]] as const) assert.equal(modeOf(path), mode, path);
    assert.equal((await insideWell("dpkg --verify muster")).stdout, "");
    assert.equal((await insideWell("dpkg -L muster | grep -E '^/etc|\\.d\\.ts$|/test/|\\.git' || true")).stdout, "");
  });

  test("has all that a cluster on one machine needs", async () => {
    const { stdout } = await insideWell(`
      timeout --signal=INT 90 muster try --name trial -- sleep 600 >/tmp/try.log 2>&1 & trial=$!
      tries=0
      until muster status 2>/dev/null | grep -q "^sleep .*Online"; do
        tries=$((tries + 1)); test $tries -lt 120 || { cat /tmp/try.log; exit 1; }
        sleep 0.5
      done
      muster status
      kill -INT $trial; wait $trial && echo it ended well`);
    assert.match(stdout, /^n3 +Up/m);
    assert.match(stdout, /it ended well/);
  });

  test("has units that systemd understands", { skip: isInstalled("systemd-analyze") ? false : "there is no systemd-analyze" }, async () => {
    for (const unit of ["muster.service", "muster-nlb.service", "muster-witness.service"]) {
      const { stdout, stderr } = await execute("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", `--root=${root}`, `/lib/systemd/system/${unit}`]);
      assert.deepEqual(`${stdout}${stderr}`.split("\n").filter((line) => line.startsWith(unit)), []);
    }
  });

  test("makes a cluster", async () => {
    assert.match((await insideWell("muster --version")).stdout, /^\d+\.\d+\.\d+/);
    await insideWell("muster cluster create --name test --no-start");
    assert.equal(modeOf("/var/lib/muster"), "700");
    for (const name of ["cluster.json", "key", "authority.key", "certificate.key", "engine.key"]) assert.equal(modeOf(`/var/lib/muster/${name}`), "600", name);
    const { stdout } = await insideWell("muster cluster create --name test --no-start --json 2>/dev/null || true; cat /var/lib/muster/cluster.json");
    const configuration = JSON.parse(stdout.slice(stdout.indexOf('{\n  "format"'))) as { readonly nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[] };
    assert.deepEqual(configuration.nodes.map(({ name, addresses }) => ({ name, addresses })), [{ name: "first", addresses: ["192.0.2.1"] }]);
    assert.ok(readdirSync(join(root, "var/cache/muster")).length > 0);
  });

  test("is upgraded, and the membership stays", async () => {
    await insideWell(`dpkg --install /${fileOf(NEW)}`);
    assert.equal((await insideWell("dpkg-query -W -f '${Version} ${db:Status-Status}' muster")).stdout, `${NEW} installed`);
    assert.ok(has("/var/lib/muster/cluster.json"));
    assert.ok(wanted("muster.service"));
    assert.equal((await insideWell("dpkg --verify muster")).stdout, "");
  });

  test("is removed, and the membership stays; even when it is purged", async () => {
    const removed = await insideWell("dpkg --remove muster");
    assert.match(removed.stderr, /is a node of a cluster/);
    assert.ok(!has(LIBRARY));
    assert.ok(!has("/usr/bin/muster"));
    assert.ok(!has("/var/cache/muster"));
    assert.ok(has("/var/lib/muster/cluster.json"));
    const purged = await insideWell("dpkg --purge muster");
    assert.match(purged.stderr, /still a node of a cluster; \/var\/lib\/muster was kept/);
    assert.ok(has("/var/lib/muster/cluster.json"));
    assert.ok(!wanted("muster.service"));
  });

  test("leaves alone a corosync that somebody uses", async () => {
    appendFileSync(join(root, "etc/corosync/corosync.conf"), "# ours\n");
    const { stderr } = await insideWell(`DPKG_MAINTSCRIPT_PACKAGE=corosync deb-systemd-helper enable corosync.service; dpkg --install /${fileOf(NEW)}`);
    assert.match(stderr, /corosync is configured on this machine, or other packages use it; it was left alone/);
    assert.ok(wanted("corosync.service"));
  });

  test("is purged without a trace where the machine is no node any more", async () => {
    await insideWell("muster node clean --force; dpkg --purge muster");
    for (const path of [LIBRARY, "/usr/bin/muster", "/var/lib/muster", "/var/cache/muster", "/usr/share/doc/muster", "/lib/systemd/system/muster.service", "/etc/systemd/system/muster.service"]) assert.ok(!has(path), path);
    assert.equal((await insideWell("find /var/lib/systemd /etc/systemd -name '*muster*'")).stdout, "");
  });
});

function fileOf(version: string): string {
  return `muster_${version}_amd64.deb`;
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function execute(program: string, words: readonly string[]): Promise<Outcome> {
  // Ended with this process, however it ends; its namespaces end with it.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", program, ...words], { cwd: project, stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT_MS, killSignal: "SIGKILL", env: { ...process.env, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive", SOURCE_DATE_EPOCH: "1767225600" } });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].setEncoding("utf8").on("data", (part: string) => (texts[name] += part));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, ...texts }));
  });
}

async function succeed(program: string, words: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await execute(program, words);
  if (status !== 0) throw new Error(`${program} ${words.join(" ")} ended with ${status}: ${stdout.slice(-2_000)}${stderr.slice(-2_000)}`);
}
