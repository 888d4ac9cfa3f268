import { addressBytes } from "./address-text.ts";
import type { SlotFamily } from "./lease-slots.ts";
import { armedSlots, closeSlots, pointedSlots, slotLines } from "./lease-slots.ts";
import { replaceBatch } from "./nftables-batch.ts";
import { chain, hook } from "./ruleset-text.ts";

/**
 * The gate as nftables text and batches (PROTOCOL part 2): pure. One table `inet` and one `arp` of the same
 * name. A clustered address passes while it is owned and the slot that the gate points at lives.
 *
 * | hook | what of a clustered address |
 * |---|---|
 * | prerouting, before connection tracking and DNAT | to it: owned, or not on this machine |
 * | input | to it, also after DNAT: owned |
 * | output | from it, and neighbour advertisements of it: owned |
 * | postrouting, after SNAT | from it, also of containers behind it: owned, or not on this machine |
 * | arp output | replies, requests and announcements with it as the sender: owned |
 *
 * "Owned" goes on to the lease: while no slot lives, nothing passes, forwarded or not. What is
 * neither owned nor on this machine is the traffic of another owner that this machine only carries
 * on (a router, a bridge of virtual machines) or that its own programs begin as clients: it passes.
 *
 * The lease is in slots (./lease-slots.ts). The two tables are changed in one transaction.
 */

/** Before fragments are joined (-400), connections looked up (-200) and destinations changed (-100). */
const EARLY = -500;
/** After sources were changed (100). */
const LATE = 500;
const TABLE_CHARACTERS_MAX = 64;

const FAMILIES: readonly SlotFamily[] = [
  { name: "inet", key: "meta nfproto", values: ["ipv4", "ipv6"] },
  { name: "arp", key: "meta protocol", values: ["arp"] },
];
/** What a packet meets whose slot lives. */
const OPEN = "accept";

/** The name of the tables of a cluster. Letters, digits and underscores stay; others become their code. */
export function gateTable(cluster: string): string {
  const safe = [...cluster].map((character) => (/[A-Za-z0-9]/.test(character) ? character : `_${character.codePointAt(0)!.toString(16)}_`)).join("");
  return `muster_${safe}`.slice(0, TABLE_CHARACTERS_MAX);
}

/** Makes both tables anew, closed, in one transaction: whatever was there before ends with it. */
export function installText(table: string, clustered: readonly string[], owned: readonly string[]): string {
  const fresh = FAMILIES.flatMap(({ name }) => [`add table ${name} ${table}`, `delete table ${name} ${table}`]);
  const parts = [...fresh, `table inet ${table} {`, ...slotLines(FAMILIES[0]!, OPEN), ...INET_LINES, "}", `table arp ${table} {`, ...slotLines(FAMILIES[1]!, OPEN), ...ARP_LINES, "}"];
  return [...parts, clusteredText(table, clustered), ownText(table, owned)].filter((part) => part !== "").join("\n");
}

export function removeText(table: string): string {
  return FAMILIES.flatMap(({ name }) => [`add table ${name} ${table}`, `delete table ${name} ${table}`]).join("\n");
}

/** For {@link NftablesSocket}: what is done several times a second. */
export function armBatch(table: string, slot: number, timeoutMs: number): Buffer {
  return replaceBatch(armedSlots(FAMILIES, table, slot, timeoutMs));
}

/** For {@link NftablesSocket}. */
export function pointBatch(table: string, slot: number): Buffer {
  return replaceBatch(pointedSlots(FAMILIES, table, slot));
}

export function closeText(table: string): string {
  return closeSlots(FAMILIES, table);
}

/** Replaces the addresses that the gate is for. */
export function clusteredText(table: string, addresses: readonly string[]): string {
  return addressSets(table, "clustered", addresses);
}

/** Replaces the addresses that pass while the gate is open. */
export function ownText(table: string, addresses: readonly string[]): string {
  return addressSets(table, "owned", addresses);
}

function addressSets(table: string, name: "clustered" | "owned", addresses: readonly string[]): string {
  const four = addresses.filter((address) => !address.includes(":"));
  const six = addresses.filter((address) => address.includes(":"));
  return [
    replaceElements("inet", table, `${name}4`, four),
    replaceElements("inet", table, `${name}6`, six),
    // nftables 1.0.6 has no name for the target of an advertisement, and raw bytes only match a set of raw bytes.
    replaceElements("inet", table, `${name}_target`, six.map((address) => `0x${Buffer.from(addressBytes(address)).toString("hex")}`)),
    replaceElements("arp", table, `${name}4`, four),
  ].join("\n");
}

function replaceElements(family: string, table: string, set: string, elements: readonly string[]): string {
  const flush = `flush set ${family} ${table} ${set}`;
  return elements.length === 0 ? flush : `${flush}\nadd element ${family} ${table} ${set} { ${elements.join(", ")} }`;
}

const INET_LINES: readonly string[] = [
  ...["clustered", "owned"].flatMap((name) => [`set ${name}4 {`, "type ipv4_addr", "}", `set ${name}6 {`, "type ipv6_addr", "}", `set ${name}_target {`, "typeof @th,64,128", "}"]),
  ...(["4", "6"] as const).flatMap((version) => {
    const header = version === "4" ? "ip" : "ip6";
    return [
      ...chain(`to${version}`, [`${header} daddr @owned${version} goto lease`, "fib daddr type local counter drop"]),
      ...chain(`in${version}`, [`${header} daddr @owned${version} goto lease`, "counter drop"]),
      ...chain(`out${version}`, [`${header} saddr @owned${version} goto lease`, "counter drop"]),
      ...chain(`from${version}`, [`${header} saddr @owned${version} goto lease`, "fib saddr type local counter drop"]),
    ];
  }),
  ...chain("target", ["@th,64,128 @owned_target goto lease", "counter drop"]),
  ...hook("prerouting", EARLY, ["ip daddr @clustered4 jump to4", "ip6 daddr @clustered6 jump to6"]),
  ...hook("input", EARLY, ["ip daddr @clustered4 goto in4", "ip6 daddr @clustered6 goto in6"]),
  ...hook("output", EARLY, ["ip saddr @clustered4 goto out4", "ip6 saddr @clustered6 goto out6", "icmpv6 type nd-neighbor-advert @th,64,128 @clustered_target goto target"]),
  ...hook("postrouting", LATE, ["ip saddr @clustered4 jump from4", "ip6 saddr @clustered6 jump from6"]),
];

const ARP_LINES: readonly string[] = [
  ...["clustered4", "owned4"].flatMap((name) => [`set ${name} {`, "type ipv4_addr", "}"]),
  ...chain("sender", ["arp saddr ip @owned4 goto lease", "counter drop"]),
  ...hook("output", EARLY, ["arp saddr ip @clustered4 goto sender"]),
];
