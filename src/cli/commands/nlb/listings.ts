import type { Command as Program } from "commander";
import type { AffinityList, HostConnections, NlbStatus, StayingClient } from "../../../nlb-host/facade.ts";
import { ruleKey } from "../../../nlb/parameters.ts";
import { data, duration, json, table, talk } from "../../output.ts";
import { ask, asksNlb, hostOf, ruleOf, wholeNumber } from "./common.ts";
import type { NlbOptions } from "./common.ts";

interface LimitedOptions extends NlbOptions {
  readonly limit: string;
}

const LIMIT_DEFAULT = "100";
const LIMIT_MAX = 10_000;

/** What may be long: connections, and clients whom extended affinity keeps. */
export function nlbListingCommands(nlb: Program): void {
  limited(nlb.command("connections").description("connections of TCP that are open, for each rule and host: counted, or one by one"))
    .option("--list", "one by one")
    .option("--rule <rule>", "of one rule: its key, or a port that it covers")
    .action(async (options: LimitedOptions & { readonly list?: boolean; readonly rule?: string }) => {
      const { cluster } = await ask<NlbStatus>(options, "status");
      const rule = options.rule === undefined ? undefined : ruleKey(ruleOf(options.rule, cluster.rules));
      const limit = options.list === true ? limitOf(options) : 0;
      const found = await ask<readonly HostConnections[]>(options, "connections", { limit: String(limit), rule });
      if (options.json) json(found);
      else data(options.list === true ? listText(found) : countsText(found, rule));
      for (const { host, problem } of found) if (problem !== null) talk(`Host ${host} could not be asked: ${problem}`);
    });

  const affinity = nlb.command("affinity").description("extended affinity: clients who stay with a host after their last connection");
  limited(affinity.command("list").description("clients who stay with a host, and those whom it leaves to others"))
    .option("--host <host>", "id or name; default: this host")
    .action(async (options: LimitedOptions & { readonly host?: string }) => {
      const host = options.host === undefined ? undefined : String(hostOf(options.host, await ask<NlbStatus>(options, "status")));
      const found = await ask<AffinityList>(options, "affinity/list", { host, limit: String(limitOf(options)) });
      if (options.json) json(found);
      else data(affinityText(found));
    });
}

function limited(command: Program): Program {
  return asksNlb(command).option("--limit <count>", `how many of a host, at most; the rest is counted, up to ${LIMIT_MAX}`, LIMIT_DEFAULT);
}

function limitOf({ limit }: LimitedOptions): number {
  return wholeNumber(limit, "--limit", 1, LIMIT_MAX);
}

function countsText(found: readonly HostConnections[], rule: string | undefined): string {
  const rows = found.flatMap(({ host, list }) => Object.entries(list?.open ?? {}).filter(([key]) => rule === undefined || key === rule).map(([key, open]) => [ruleText(key), String(host), String(open)]));
  const counted = found.flatMap(({ host, list }) => (list === null ? [] : [`Counted on host ${host}: ${list.counted}.`]));
  return [table(["RULE", "HOST", "OPEN"], rows.sort((a, b) => (a[0]! < b[0]! ? -1 : a[0]! > b[0]! ? 1 : Number(a[1]) - Number(b[1])))), "", ...counted].join("\n");
}

function listText(found: readonly HostConnections[]): string {
  const rows = found.flatMap(({ host, list }) => (list?.connections ?? []).map(({ rule, client, clientPort, address, port, forwardedTo }) => [String(host), ruleText(rule), place(client, clientPort), place(address, port), forwardedTo === null ? "" : `passed on to ${forwardedTo}`]));
  const left = found.flatMap(({ host, list }) => (list === null || list.leftOut === 0 ? [] : [`${list.leftOut} more on host ${host}.`]));
  return [table(["HOST", "RULE", "CLIENT", "TO", ""], rows), ...left].join("\n");
}

function affinityText({ host, staying, stayingLeftOut, away, awayLeftOut }: AffinityList): string {
  const rows = (clients: readonly StayingClient[]): string => (clients.length === 0 ? "  none" : table(["RULE", "CLIENT", "HOST", "STAYS FOR"], clients.map((one) => [one.rule, one.client, String(one.host), duration(one.leftMs)])));
  const more = (count: number): string[] => (count === 0 ? [] : [`${count} more.`]);
  return [`Clients who stay with host ${host}:`, rows(staying), ...more(stayingLeftOut), "", `Clients whom host ${host} leaves to others, whoever owns their bucket:`, rows(away), ...more(awayLeftOut)].join("\n");
}

/** What no rule covers is counted too. */
function ruleText(key: string): string {
  return key === "default" ? "(no rule)" : key;
}

function place(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
