import { spawnSync } from "node:child_process";
import { cpSync, globSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Metafile, Plugin } from "esbuild";

/**
 * Compiles src/ to dist/, what the published package runs. Its parts are joined to few files: a service that is loaded from
 * a thousand files takes three times as long to start, and more memory. Measured for the main thread alone: 490 ms and
 * 52 MB, joined 167 ms and 36 MB.
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = join(root, "dist");
/** What is started or imported by its name from outside; what a file starts itself is found below. */
const ENTRIES = ["src/cli/main.ts", "src/api/client.ts"];
/** Has a part that is no JavaScript, or is no library. */
const EXTERNAL = ["koffi", "node"];
const NOTICES = "THIRD-PARTY-NOTICES.txt";

rmSync(output, { recursive: true, force: true });
const { status, error } = spawnSync("tsc", ["--project", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (error !== undefined) throw new Error(`tsc: ${error.message}. Run it with: npm run build`);
if (status !== 0) process.exit(status ?? 1);
cpSync(join(root, "package.json"), join(output, "package.json"));
// The program of XDP and what it is made of: its licence asks for both.
cpSync(join(root, "src", "nlb-filter", "xdp"), join(output, "src", "nlb-filter", "xdp"), { recursive: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: [...ENTRIES, ...started()],
  outdir: "dist",
  outbase: ".",
  chunkNames: "src/parts/[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  external: EXTERNAL,
  legalComments: "none",
  // Packages of the older kind call it.
  banner: { js: `import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);` },
  plugins: [places()],
  metafile: true,
  logLevel: "warning",
});
writeFileSync(join(output, NOTICES), notices(metafile));

/** The files that become processes or threads of their own: those that say where they lie. */
function started(): string[] {
  const found = new Set<string>();
  for (const file of globSync("src/**/*.ts", { cwd: root })) {
    for (const [, target] of readFileSync(join(root, file), "utf8").matchAll(/endsWith\("\.ts"\) \? "(\.[^"]+\.ts)"/g)) found.add(normalize(join(dirname(file), target!)));
  }
  return [...found].sort();
}

/** A file finds others by where it lies itself; joined, it shall find them where it would lie. */
function places(): Plugin {
  const from = join(root, "src");
  return {
    name: "places",
    setup(context) {
      context.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (!path.startsWith(from)) return null;
        const place = relative(root, path).replace(/\.ts$/, ".js");
        const contents = readFileSync(path, "utf8").replaceAll("import.meta.url", `(import.meta.url.slice(0, import.meta.url.lastIndexOf("/dist/") + 6) + ${JSON.stringify(place)})`);
        return { contents, loader: "ts" };
      });
    },
  };
}

/** The licences of what was joined. @throws Error for a package that has none to show */
function notices({ inputs }: Metafile): string {
  const packages = new Set(Object.keys(inputs).flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  const texts = [...packages].sort().map((place) => {
    const { name, version, license, author } = JSON.parse(readFileSync(join(root, place, "package.json"), "utf8")) as { name: string; version: string; license?: string; author?: string | { name: string } };
    const file = readdirSync(join(root, place)).find((one) => /^(licen[cs]e|copying)/i.test(one));
    if (file === undefined && license === undefined) throw new Error(`${place} says nothing of its licence`);
    const by = typeof author === "string" ? author : author?.name;
    return `${name} ${version} (${license ?? "see below"})\n\n${file === undefined ? `Licence ${license}${by === undefined ? "" : `, by ${by}`}.` : readFileSync(join(root, place, file), "utf8").trim()}\n`;
  });
  return `Muster contains parts of these packages.\n\n${texts.join(`\n${"-".repeat(72)}\n\n`)}`;
}
