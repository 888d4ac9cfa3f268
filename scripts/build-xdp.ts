import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Compiles the program of XDP: `node scripts/build-xdp.ts`. The object is in the repository and in the package, so that
 * nobody who installs needs a compiler. `--check` compiles it again and compares: the very bytes with the compiler it was
 * made with, and otherwise it says which one that was.
 * Needs clang, llvm and libbpf-dev, and the kernel's headers for programs.
 */

const COMPILER = "14";
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, "src", "nlb-filter", "xdp");
const object = join(sources, "nlb.bpf.o");
const directory = mkdtempSync(join(tmpdir(), "muster-xdp-"));

try {
  const made = join(directory, "nlb.bpf.o");
  const machine = run("clang", ["-print-multiarch"]).trim();
  // Where it was compiled shall not be seen: the object tells the kernel's verifier its lines and their file.
  run("clang", ["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3", `-fdebug-prefix-map=${sources}=.`, `-I/usr/include/${machine}`, "-c", "nlb.bpf.c", "-o", made]);
  run("llvm-strip", ["-g", made]);
  if (!process.argv.includes("--check")) {
    copyFileSync(made, object);
    process.stdout.write(`${object}: ${readFileSync(object).length} bytes\n`);
  } else if (readFileSync(made).equals(readFileSync(object))) {
    process.stdout.write("xdp: the object is what its sources make\n");
  } else {
    const version = /version (\d+)/.exec(run("clang", ["--version"]))?.[1] ?? "unknown";
    const hint = version === COMPILER ? "Make it anew: node scripts/build-xdp.ts" : `It was made with clang ${COMPILER}, and this is clang ${version}.`;
    process.stderr.write(`xdp: the object is not what its sources make. ${hint}\n`);
    process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** @returns what it printed @throws Error with its words */
function run(program: string, words: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, words, { cwd: sources, encoding: "utf8", timeout: 120_000, killSignal: "SIGKILL" });
  if (error !== undefined) throw new Error(`${program}: ${error.message}. Debian packages: clang llvm libbpf-dev`);
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  return stdout;
}
