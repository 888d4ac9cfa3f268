import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { isAbsolute } from "node:path";
import { MusterError } from "../../model/errors.ts";
import { PROFILES, TOKEN_MS_MAX, TOKEN_MS_MIN } from "../../model/heartbeat.ts";
import type { Profile } from "../../model/heartbeat.ts";
import { NODES_MAX } from "../../model/identifiers.ts";

/**
 * What corosync is told: pure text, the same on every node but for its paths. There is no quorum provider: its
 * device stalls all senders when one process hangs (ARCHITECTURE 3); a view is made by the log.
 */

/** What knet can have. */
export const LINKS_MAX = 8;
/** Link 0 uses this UDP port, link n the n-th after it. */
export const PORT_FIRST = 5_405;
const PORT_LAST = 65_535;

export interface ConfigurationNode {
  /** 1 to 64. */
  readonly id: number;
  readonly name: string;
  /** One per link, link 0 first; IPv4 or IPv6, the same kind on all nodes of a link. */
  readonly addresses: readonly string[];
}

export interface ConfigurationInput {
  readonly clusterName: string;
  readonly clusterId: string;
  readonly nodes: readonly ConfigurationNode[];
  /** Default: the profile "standard". A token wins over a profile. */
  readonly profile?: Profile;
  readonly tokenMs?: number;
  /** Added to the UDP ports of all links; for a second cluster on the same network. */
  readonly portOffset?: number;
  /** Absolute paths, which may differ from node to node. */
  readonly keyFile: string;
  readonly stateDirectory: string;
  readonly logFile: string;
}

/**
 * The text of `corosync.conf`. Its first line carries a checksum of the rest ({@link readCorosyncConfiguration}).
 * @throws MusterError MUSTER_INVALID_ARGUMENT, naming the field
 */
export function corosyncConfiguration(input: ConfigurationInput): string {
  checkInput(input);
  const tokenMs = input.tokenMs ?? PROFILES[input.profile ?? "standard"];
  const links = input.nodes[0]!.addresses.length;
  const body = [
    section("totem", [
      ["version", 2],
      // Only tells clusters apart in logs; what keeps strangers out is the key.
      ["cluster_name", input.clusterName],
      ["transport", "knet"],
      // With one link knet knows passive only; with more, passive changes the link too late for a short token.
      ["link_mode", links > 1 ? "active" : "passive"],
      ["crypto_model", "nss"],
      ["crypto_cipher", "aes256"],
      ["crypto_hash", "sha256"],
      ["keyfile", input.keyFile],
      ["token", tokenMs],
      ["token_coefficient", 0],
      ["token_retransmits_before_loss_const", retransmits(tokenMs)],
      // The default of 30 rotations after each message keeps the token spinning all the time between the ticks of
      // leases: 37 % of a core on each of three idle nodes, against 10 % with one. Who has something to send calls it.
      ["seqno_unchanged_const", 1],
      ...(input.nodes.length >= LARGE_CLUSTER_NODES ? ([["send_join", SEND_JOIN_MS]] as const) : []),
      ...Array.from({ length: links }, (_, link) => interfaceSection(link, tokenMs, input.portOffset ?? 0)),
    ]),
    section("system", [
      ["state_dir", input.stateDirectory],
      ["sched_rr", "yes"],
      ["move_to_root_cgroup", "no"],
      ["allow_knet_handle_fallback", "yes"],
    ]),
    section("logging", [
      ["to_stderr", "no"],
      ["to_syslog", "no"],
      ["to_logfile", "yes"],
      ["logfile", input.logFile],
      ["timestamp", "hires"],
      // 8 MB of locked memory for what nobody reads: what matters is in the log file.
      ["blackbox", "off"],
    ]),
    section(
      "nodelist",
      input.nodes
        .toSorted((a, b) => a.id - b.id)
        .map((node) => section("node", [["nodeid", node.id], ["name", node.name], ...node.addresses.map((address, link) => [`ring${link}_addr`, address] as const)])),
    ),
  ].join("");
  const text = `# Cluster ${input.clusterId}\n${body}`;
  return `${HEADER}${checksum(text)}\n${text}`;
}

export interface ReadConfiguration {
  /** `edited`: Muster wrote it and somebody changed it; `foreign`: Muster did not write it. */
  readonly origin: "muster" | "edited" | "foreign";
  readonly clusterId: string | null;
  readonly clusterName: string | null;
  readonly tokenMs: number | null;
  readonly keyFile: string | null;
  readonly stateDirectory: string | null;
  readonly logFile: string | null;
  /** UDP ports of the links that it names, link 0 first. */
  readonly ports: readonly number[];
  readonly nodes: readonly ConfigurationNode[];
}

/** Reads a `corosync.conf`, whoever wrote it; what is not understood is left out. */
export function readCorosyncConfiguration(text: string): ReadConfiguration {
  const headerEnd = text.indexOf("\n");
  const header = headerEnd < 0 ? text : text.slice(0, headerEnd);
  const rest = headerEnd < 0 ? "" : text.slice(headerEnd + 1);
  const isOurs = header.startsWith(HEADER);
  const tree = parseSections(text);
  const totem = tree.sections.find((one) => one.name === "totem");
  const nodes = (tree.sections.find((one) => one.name === "nodelist")?.sections ?? []).flatMap((one): ConfigurationNode[] => {
    const id = Number(one.values.get("nodeid"));
    if (one.name !== "node" || !Number.isInteger(id)) return [];
    const addresses = Array.from({ length: LINKS_MAX }, (_, link) => one.values.get(`ring${link}_addr`)).filter((address) => address !== undefined);
    return [{ id, name: one.values.get("name") ?? "", addresses }];
  });
  const token = Number(totem?.values.get("token") ?? Number.NaN);
  const valueOf = (name: string, key: string): string | null => tree.sections.find((one) => one.name === name)?.values.get(key) ?? null;
  const links = Math.max(0, ...nodes.map((node) => node.addresses.length));
  const interfaces = totem?.sections.filter((one) => one.name === "interface") ?? [];
  const ports = linkPorts(links).map((port, link) => Number(interfaces.find((one) => Number(one.values.get("linknumber")) === link)?.values.get("mcastport") ?? port));
  return {
    origin: !isOurs ? "foreign" : header.slice(HEADER.length).trim() === checksum(rest) ? "muster" : "edited",
    clusterId: /^# Cluster (\S+)$/m.exec(rest)?.[1] ?? null,
    clusterName: totem?.values.get("cluster_name") ?? null,
    tokenMs: Number.isFinite(token) ? token : null,
    keyFile: valueOf("totem", "keyfile"),
    stateDirectory: valueOf("system", "state_dir"),
    logFile: valueOf("logging", "logfile"),
    ports,
    nodes,
  };
}

/** The UDP ports of the links, link 0 first. */
export function linkPorts(links: number, portOffset = 0): number[] {
  return Array.from({ length: links }, (_, link) => PORT_FIRST + portOffset + link);
}

const HEADER = "# Written by Muster: change the cluster instead of this file. sha256 ";
/** corosync.conf(5) advises it from 32 nodes on. */
const LARGE_CLUSTER_NODES = 32;
const SEND_JOIN_MS = 80;
/**
 * Decoupled from the token: the default (token/4 and token/2) makes links flap below a token of 300 ms, because
 * libknet looks at its links about every 200 ms (reference corosync 5).
 */
const PING_TIMEOUT_MS = 2_000;
const PING_INTERVAL_MS = 200;
const PING_INTERVAL_SHORT_MS = 100;
/** The token is sent again after token / (this + 0.2), which must be more than 30 ms. */
const RETRANSMITS = 4;
const RETRANSMITS_SHORT = 2;
const RETRANSMIT_MS_MIN = 32;

function retransmits(tokenMs: number): number {
  return tokenMs / (RETRANSMITS + 0.2) < RETRANSMIT_MS_MIN ? RETRANSMITS_SHORT : RETRANSMITS;
}

function interfaceSection(link: number, tokenMs: number, portOffset: number): string {
  return section("interface", [
    ["linknumber", link],
    ["mcastport", PORT_FIRST + portOffset + link],
    ["knet_transport", "udp"],
    ["knet_ping_interval", tokenMs < PROFILES.standard ? PING_INTERVAL_SHORT_MS : PING_INTERVAL_MS],
    ["knet_ping_timeout", PING_TIMEOUT_MS],
    ["knet_pong_count", 1],
  ]);
}

/** A section with its lines; text among them is a section inside it. */
function section(name: string, lines: readonly (readonly [string, string | number] | string)[]): string {
  const inner = lines.map((line) => (typeof line === "string" ? line : `${line[0]}: ${line[1]}\n`)).join("");
  return `${name} {\n${inner.replaceAll(/^(?=.)/gm, "  ")}}\n`;
}

function checksum(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

interface Section {
  readonly name: string;
  readonly values: Map<string, string>;
  readonly sections: Section[];
}

function parseSections(text: string): Section {
  const root: Section = { name: "", values: new Map(), sections: [] };
  const open = [root];
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    const current = open.at(-1)!;
    if (line === "" || line.startsWith("#")) continue;
    if (line.endsWith("{")) {
      const inner: Section = { name: line.slice(0, -1).trim(), values: new Map(), sections: [] };
      current.sections.push(inner);
      open.push(inner);
    } else if (line === "}") {
      if (open.length > 1) open.pop();
    } else {
      const colon = line.indexOf(":");
      if (colon > 0) current.values.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    }
  }
  return root;
}

function checkInput(input: ConfigurationInput): void {
  checkWord("clusterName", input.clusterName, /^[\w. -]{1,200}$/, "letters, digits, blanks, _ . - only, at most 200");
  checkWord("clusterId", input.clusterId, /^[\w.-]{1,48}$/, "letters, digits, _ . - only, at most 48");
  if (input.profile !== undefined && !Object.hasOwn(PROFILES, input.profile)) invalid("profile", `one of ${Object.keys(PROFILES).join(", ")} is needed`);
  const { tokenMs, portOffset = 0 } = input;
  if (tokenMs !== undefined && (!Number.isInteger(tokenMs) || tokenMs < TOKEN_MS_MIN || tokenMs > TOKEN_MS_MAX)) {
    invalid("tokenMs", `a whole number from ${TOKEN_MS_MIN} to ${TOKEN_MS_MAX} is needed`);
  }
  const offsetMax = PORT_LAST - PORT_FIRST - LINKS_MAX + 1;
  if (!Number.isInteger(portOffset) || portOffset < 0 || portOffset > offsetMax) invalid("portOffset", `a whole number from 0 to ${offsetMax} is needed`);
  for (const field of ["keyFile", "stateDirectory", "logFile"] as const) {
    if (!isAbsolute(input[field]) || /[\n\r{}#]/.test(input[field])) invalid(field, "an absolute path without line ends, braces and # is needed");
  }
  checkNodes(input.nodes);
}

function checkNodes(nodes: readonly ConfigurationNode[]): void {
  const [first] = nodes;
  if (first === undefined || nodes.length > NODES_MAX) invalid("nodes", `1 to ${NODES_MAX} nodes are needed`);
  const links = first.addresses.length;
  if (links < 1 || links > LINKS_MAX) invalid("nodes[0].addresses", `1 to ${LINKS_MAX} addresses are needed, one for each link`);
  const ids = new Set<number>();
  const names = new Set<string>();
  const addresses = new Set<string>();
  nodes.forEach((node, position) => {
    const field = `nodes[${position}]`;
    if (!Number.isInteger(node.id) || node.id < 1 || node.id > NODES_MAX) invalid(`${field}.id`, `a whole number from 1 to ${NODES_MAX} is needed`);
    checkWord(`${field}.name`, node.name, /^[\w.-]{1,255}$/, "letters, digits, _ . - only, at most 255");
    if (ids.has(node.id)) invalid(`${field}.id`, `two nodes have the number ${node.id}`);
    if (names.has(node.name)) invalid(`${field}.name`, `two nodes have the name ${node.name}`);
    ids.add(node.id);
    names.add(node.name);
    if (node.addresses.length !== links) invalid(`${field}.addresses`, `${links} are needed, as node ${first.id} has: one for each link`);
    node.addresses.forEach((address, link) => {
      const kind = isIP(address);
      if (kind === 0) invalid(`${field}.addresses[${link}]`, `'${address}' is not an address`);
      if (kind !== isIP(first.addresses[link]!)) invalid(`${field}.addresses[${link}]`, `link ${link} is IPv${isIP(first.addresses[link]!)} at node ${first.id}; a link is of one kind on all nodes`);
      // Spelt differently, an address is the same all the same; knet would bind it twice.
      if (addresses.has(canonical(address))) invalid(`${field}.addresses[${link}]`, `${address} is given twice`);
      addresses.add(canonical(address));
    });
  });
}

function canonical(address: string): string {
  return isIP(address) === 6 && !address.includes("%") ? new URL(`http://[${address}]`).hostname : address.toLowerCase();
}

function checkWord(field: string, value: string, pattern: RegExp, problem: string): void {
  if (!pattern.test(value) || value.trim() !== value) invalid(field, problem);
}

function invalid(field: string, problem: string): never {
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}
