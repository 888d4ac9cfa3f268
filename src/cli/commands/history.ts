import type { Command as Program } from "commander";
import { MusterError } from "../../model/errors.ts";
import type { ClusterEvent } from "../../model/events.ts";
import type { ClusterView, Explanation, GroupView, NodeView } from "../../model/views.ts";
import { asking, path } from "../common.ts";
import type { CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, json, list, table } from "../output.ts";
import { parseTime, timeOption } from "../times.ts";
import { whyText } from "./status.ts";

interface Line {
  readonly id: string;
  readonly wallTimeMs: number;
  readonly kind: string;
  readonly text: string;
  readonly orders: number;
  readonly moves: number;
}

interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly stamp: { readonly wallTimeMs: number };
  readonly input: string;
  readonly decision: {
    readonly events: readonly ClusterEvent[];
    readonly orders: readonly { readonly node: number; readonly action: string; readonly resource: string; readonly reason: string }[];
    readonly refusal: string | null;
  };
}

interface Past {
  readonly entryMs: number;
  readonly cluster: ClusterView;
  readonly nodes: readonly NodeView[];
  readonly groups: readonly GroupView[];
  readonly why: Explanation | null;
}

/** What happened, from what a node was told and decided. */
export function historyCommands(program: Program): void {
  const history = program.command("history").description("what was decided, and why, also of last night");

  asking(history.command("list").description("what came in and what followed, oldest first"))
    .option("--since <time>", "from then on: 2026-05-04T02:00, or 90min, 12h, 3d ago")
    .option("--until <time>", "before then")
    .option("--about <name>", "of this role, resource or node")
    .option("--limit <count>", "the newest so many", "100")
    .action(async (options: CommonOptions & { readonly since?: string; readonly until?: string; readonly about?: string; readonly limit: string }) => {
      if (!/^[1-9][0-9]{0,2}$|^1000$/.test(options.limit)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--limit", problem: "from 1 to 1000" });
      const query = { sinceMs: timeOption(options.since, "--since"), untilMs: timeOption(options.until, "--until"), about: options.about, limit: options.limit };
      const lines = await (await connect(options)).get<Line[]>("/v1/history", { query });
      if (options.json) json(lines);
      else data(lines.length === 0 ? "Nothing is kept of that time." : table(["TIME", "ENTRY", "ORDERS", "MOVES", "WHAT CAME IN"], lines.map((line) => [moment(line.wallTimeMs), line.id, String(line.orders), String(line.moves), line.text])));
    });

  asking(history.command("show").argument("<entry>", "epoch.index, as in the list").description("one entry: what came in, what was decided and ordered")).action(async (id: string, options: CommonOptions) => {
    if (!/^\d+\.\d+$/.test(id)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "entry", problem: "write it as in the list, for example 12.34" });
    const entry = await (await connect(options)).get<Entry>(path("history", "entries", id));
    if (options.json) json(entry);
    else data(entryText(entry));
  });

  asking(history.command("replay").description("the cluster as it was at a moment; with --why, why a role was where it was"))
    .requiredOption("--at <time>", "2026-05-04T02:00, 02:00, or 90min, 12h, 3d ago")
    .option("--why <group>", "explain this role as it was then")
    .action(async (options: CommonOptions & { readonly at: string; readonly why?: string }) => {
      const query = { atMs: String(parseTime(options.at, "--at")), group: options.why };
      const past = await (await connect(options)).get<Past>("/v1/history/at", { query });
      if (options.json) json(past);
      else data(pastText(past));
    });
}

function entryText({ id, kind, stamp, input, decision }: Entry): string {
  const parts = [`${moment(stamp.wallTimeMs)}  entry ${id} (${kind})`, `What came in:\n  ${input === "" ? "(too large to be kept)" : input}`];
  if (decision.refusal !== null) parts.push(`It was refused: ${decision.refusal}`);
  if (decision.events.length > 0) parts.push(`What was decided:\n${decision.events.map((event) => `  ${event.level.padEnd(11)} ${event.text}`).join("\n")}`);
  if (decision.orders.length > 0) parts.push(`What was ordered:\n${decision.orders.map((order) => `  node ${order.node}: ${order.action} ${order.resource}. ${order.reason}`).join("\n")}`);
  return parts.join("\n\n");
}

function pastText({ entryMs, cluster, nodes, groups, why }: Past): string {
  const parts = [`As of ${moment(entryMs)}: ${cluster.nodesUp} of ${cluster.nodes} nodes up, ${cluster.groupsOnline} of ${cluster.groups} roles online (view ${cluster.epoch} of ${list(cluster.members)})`];
  if (why === null) {
    parts.push(table(["NODE", "STATE", "ROLES", "WHY"], nodes.map((node) => [node.name, node.state, list(node.groups), node.reason.text])));
    if (groups.length > 0) parts.push(table(["ROLE", "STATE", "OWNER", "WHY"], groups.map((group) => [group.name, group.state, group.ownerNode ?? "-", group.reason.text])));
  } else parts.push(whyText(why));
  return parts.join("\n\n");
}

/** Of this machine's day and time. */
function moment(wallTimeMs: number): string {
  const at = new Date(wallTimeMs);
  return new Date(wallTimeMs - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 23).replace("T", " ");
}
