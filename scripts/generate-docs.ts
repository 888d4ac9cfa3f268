import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import type { Argument, Option } from "commander";
import type { ApiServer } from "../src/api/http-server.ts";
import { createApi } from "../src/api/server.ts";
import { asking, changing, waiting } from "../src/cli/common.ts";
import { exitCodes } from "../src/cli/exit-codes.ts";
import { createProgram } from "../src/cli/program.ts";
import { ErrorCatalogue } from "../src/model/errors.ts";
import { EventCatalogue } from "../src/model/events.ts";
import { commonProperties } from "../src/model/properties.ts";
import type { PropertyDefinition, PropertyTable } from "../src/model/properties.ts";
import { builtInResourceTypes } from "../src/model/resource-types.ts";
import { UNSET } from "../src/model/states.ts";
import { createNlbApi } from "../src/nlb-api/server.ts";
import type { NlbFacade } from "../src/nlb-host/facade.ts";
import type { ServiceFacade } from "../src/service/facade.ts";

/**
 * Writes docs/reference.md from the code: `node scripts/generate-docs.ts`. With `--check` nothing
 * is written; it fails when the file is not what the code says, when a link in a page leads
 * nowhere, or when a page names a source file that does not exist.
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = "docs/reference.md";
const pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "test/stories/README.md", ...globSync("docs/**/*.md", { cwd: root })].filter((page) => existsSync(join(root, page))).sort();

/** Options that many commands share, from the smallest set to the largest: each set holds the one before it. */
const SHARED = [
  { title: "*Asking*: every command that asks a cluster", options: asking(new Command()).options },
  { title: "*Changing*: every command that changes something has these as well", options: changing(new Command()).options },
  { title: "*Waiting*: every command that can wait for a state has this as well", options: waiting(new Command()).options },
];

const problems: string[] = [];
const text = await reference();
if (process.argv.includes("--check")) {
  const path = join(root, target);
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) problems.push(`${target} is not what the code says; write it anew with: npm run docs`);
} else {
  writeFileSync(join(root, target), text);
}
for (const page of pages) checkPage(page);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stdout.write(problems.length === 0 ? `docs: ${target} follows the code, every link and source path exists\n` : `docs: ${problems.length} problem${problems.length === 1 ? "" : "s"}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;

// ---- the reference ---------------------------------------------------------

async function reference(): Promise<string> {
  const sections = [
    "# Reference\n\nMade from the code by `npm run docs`; do not edit. Task by task: [user guide](user-guide.md).",
    "* [Commands](#commands)\n* [Exit codes](#exit-codes)\n* [Properties](#properties)\n* [Events](#events)\n* [Errors](#errors)\n* [API routes](#api-routes)",
    commands(),
    exits(),
    properties(),
    events(),
    errors(),
    await routes(),
  ];
  return `${sections.join("\n\n")}\n`;
}

function commands(): string {
  const all = leaves(createProgram(), []);
  const parts = ["## Commands", "Data goes to standard output, talk to standard error. Names are compared without regard to case. In a clone of the repository, write `npx muster`."];
  parts.push(["```text", ...all.map((leaf) => leaf.usage), "```"].join("\n"), "### Options that many commands share");
  SHARED.forEach(({ title, options }, level) => {
    const before = new Set(SHARED[level - 1]?.options.map((option) => option.flags));
    parts.push(`${title}.`, table(["option", "meaning", "default"], options.filter((option) => !before.has(option.flags)).map(optionRow)));
  });
  for (const { name, command } of all) {
    const has = new Set(command.options.map((option) => option.flags));
    const level = SHARED.findLastIndex(({ options }) => options.every((option) => has.has(option.flags)));
    const shared = new Set(SHARED[level]?.options.map((option) => option.flags));
    const rows = [...command.registeredArguments.map(argumentRow), ...command.options.filter((option) => !shared.has(option.flags)).map(optionRow)];
    const note = ["", " Options: those of asking.", " Options: those of asking and changing.", " Options: those of asking, changing and waiting."][level + 1]!;
    parts.push(`### ${code(name)}`, `${sentence(command.description())}${note}`);
    if (rows.length > 0) parts.push(table(["argument or option", "meaning", "default"], rows));
  }
  return parts.join("\n\n");
}

interface Leaf {
  readonly name: string;
  readonly usage: string;
  readonly command: Command;
}

/** Every command that does something, in the order of the help. */
function leaves(command: Command, before: readonly string[]): Leaf[] {
  const words = [...before, command.name()];
  if (command.commands.length > 0) return command.commands.flatMap((child) => leaves(child, words));
  const own = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}…` : argument.name();
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [{ name: words.join(" "), usage: [...words, ...own, ...(command.options.length > 0 ? ["[options]"] : [])].join(" "), command }];
}

function argumentRow(argument: Argument): string[] {
  const name = argument.variadic ? `${argument.name()}…` : argument.name();
  return [code(argument.required ? `<${name}>` : `[${name}]`), argument.description, defaultOf(argument.defaultValue)];
}

function optionRow(option: Option): string[] {
  return [code(option.flags), option.mandatory ? `${option.description} (required)` : option.description, option.negate ? "" : defaultOf(option.defaultValue)];
}

function defaultOf(value: unknown): string {
  return value === undefined || value === "" ? "" : code(String(value));
}

function exits(): string {
  const rows = exitCodes().map(({ exitCode, meaning, errors: names }) => [String(exitCode), meaning, names.map(code).join(", ")]);
  return ["## Exit codes", "The same as `muster exit-codes`. The errors are explained [below](#errors).", table(["code", "meaning", "errors that end in it"], rows)].join("\n\n");
}

function properties(): string {
  const unset = `${UNSET} (0xFFFFFFFF) stands for "unset" or "unlimited".`;
  const parts = ["## Properties", `Set them with \`muster group set\` and \`muster resource set\`, as NAME=VALUE. ${unset}`];
  const titles = { cluster: "A cluster", node: "A node", group: "A role (group)", resource: "A resource, whatever its type", resourceType: "A resource type", groupSet: "A group set", network: "A network", networkInterface: "A network interface" } as const;
  for (const [owner, title] of Object.entries(titles) as [keyof typeof titles, string][]) parts.push(`### ${title}`, propertyTable(commonProperties[owner]));
  for (const type of builtInResourceTypes) parts.push(`### Private properties of ${type.name}`, type.description, propertyTable(type.privateProperties));
  return parts.join("\n\n");
}

function propertyTable(definitions: PropertyTable): string {
  return table(
    ["property", "type", "default", "range", "unit", "meaning"],
    definitions.map((one) => [code(one.name), one.type, one.required ? "(required)" : valueOf(one.default), rangeOf(one), one.unit ?? "", one.readOnly ? `${one.description} Read-only.` : one.description]),
  );
}

function valueOf(value: PropertyDefinition["default"]): string {
  return value === UNSET ? "unset" : Array.isArray(value) ? (value.length === 0 ? "none" : value.join(", ")) : value === "" ? "empty" : String(value);
}

function rangeOf(one: PropertyDefinition): string {
  if (one.type === "number") return `${one.minimum ?? 0} to ${one.maximum ?? Number.MAX_SAFE_INTEGER}`;
  if (one.oneOf !== undefined) return one.oneOf.join(", ");
  return one.type === "boolean" ? "true, false" : "";
}

function events(): string {
  const rows = Object.entries(EventCatalogue).map(([name, { code: number, level, title }]) => [String(number), code(name), level, title]);
  return ["## Events", "What `muster events` tells. Numbers below 20000 are those of Windows, with the same meaning.", table(["number", "name", "level", "when"], rows)].join("\n\n");
}

function errors(): string {
  const rows = Object.entries(ErrorCatalogue).map(([name, one]) => [code(name), String(one.httpStatus), String(one.exitCode), one.message, one.next]);
  const note = "With `--json`, and from the API, an error is `{\"error\":{\"code\",\"message\",\"field\",\"next\",\"details\"}}`. Words in braces are filled in.";
  return ["## Errors", note, table(["code", "HTTP", "exit", "message", "what to do next"], rows)].join("\n\n");
}

interface Described {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, { readonly summary?: string; readonly parameters?: readonly { readonly in: string; readonly name: string }[] }>>>>;
}

async function routes(): Promise<string> {
  // No route is called: what an API can do is known when it has been put together.
  const rows = await rowsOf(await createApi({} as ServiceFacade, { token: "none" }));
  const nlbRows = await rowsOf(await createNlbApi({} as NlbFacade, { token: "none" }));
  const heading = ["method", "path", "what it does", "query"];
  const note = "Every node answers for the whole cluster: on its Unix socket, or over TCP with `Authorization: Bearer TOKEN`. Bodies and answers are described at `/openapi.json`.";
  const nlbNote = "A balanced host answers for itself and tells what it hears of the others: on its Unix socket, and to the other hosts over TLS. Bodies are described at its own `/openapi.json`.";
  return ["## API routes", note, table(heading, rows), "### Of a balanced host", nlbNote, table(heading, nlbRows)].join("\n\n");
}

async function rowsOf(server: ApiServer): Promise<string[][]> {
  await server.ready();
  const { paths = {} } = server.swagger() as Described;
  await server.close();
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary, parameters }]) => {
      const query = (parameters ?? []).filter((parameter) => parameter.in === "query").map((parameter) => code(parameter.name));
      return [method.toUpperCase(), code(path.replace("{*}", "…")), summary ?? "", query.join(", ")];
    }),
  );
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(heading), `|${heading.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

function code(word: string): string {
  return `\`${word}\``;
}

function sentence(words: string): string {
  const first = `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

// ---- links and paths -------------------------------------------------------

function checkPage(page: string): void {
  const content = readFileSync(join(root, page), "utf8");
  const prose = content.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, (span) => (span.includes("](") ? "" : span));
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g), ...prose.matchAll(/\b(?:src|href|srcset)="([^"]+)"/g)].map((match) => match[1]!);
  for (const link of links) if (!/^[a-z]+:/.test(link)) checkLink(page, link);
  for (const [path] of content.matchAll(/(?<![\w./-])(?:src|test|scripts|bin|bench|docs)\/[A-Za-z0-9_./*{}-]*[A-Za-z0-9_*}/-]/g)) checkPath(page, path);
}

function checkLink(page: string, link: string): void {
  const [file, anchor] = link.split("#") as [string, string?];
  const path = file === "" ? page : normalize(join(dirname(page), file));
  if (!existsSync(join(root, path))) problems.push(`${page}: the link '${link}' leads nowhere`);
  else if (anchor !== undefined && path.endsWith(".md") && !anchorsOf(path).includes(anchor)) problems.push(`${page}: there is no heading for '${link}'`);
}

/** A path in a page; one with a pattern must match something. */
function checkPath(page: string, path: string): void {
  const exists = /[*{]/.test(path) ? globSync(path, { cwd: root }).length > 0 : existsSync(join(root, path)) || existsSync(join(root, dirname(page), path));
  if (!exists) problems.push(`${page}: there is no ${path}`);
}

/** Anchors of a page's headings, as code hosts make them. */
function anchorsOf(page: string): string[] {
  const headings = readFileSync(join(root, page), "utf8").replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (.+)$/gm);
  return [...headings].map((match) => match[1]!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"));
}
