import type { Command as Program } from "commander";
import type { ApiClient } from "../../api/client.ts";
import type { ClusterView, Explanation, GroupView, NodeExplanation, NodeView, Plan, QuorumExplanation, ResourceExplanation } from "../../model/views.ts";
import { MusterError } from "../../model/errors.ts";
import { asking, path, planText } from "../common.ts";
import type { CommonOptions } from "../common.ts";
import { askNodeItself, connect } from "../connect.ts";
import { HYPOTHESES, parseHypotheses } from "../hypotheses.ts";
import { explanationText } from "./quorum.ts";
import { data, duration, json, list, table } from "../output.ts";

type Answered = ClusterView & { readonly answeredBy: { readonly node: string; readonly phase: string; readonly reason: string | null } };

/** A node that is down may still have something to say. */
type AskedNode = NodeView & { readonly says: string | null };

/** The exit code of `status --check` when something is not healthy. */
const UNHEALTHY_EXIT_CODE = 1;

export function statusCommands(program: Program): void {
  asking(program.command("status").description("one screen: the cluster, its nodes and roles, and why anything is not healthy"))
    .option("--check", "exit with 1 when something is not healthy")
    .action(async (options: CommonOptions & { readonly check?: boolean }) => {
      const client = await connect(options);
      const [cluster, known, groups] = await Promise.all([client.get<Answered>("/v1/cluster"), client.get<NodeView[]>("/v1/nodes"), client.get<GroupView[]>("/v1/groups")]);
      const nodes = await Promise.all(known.map(async (node): Promise<AskedNode> => ({ ...node, says: node.state === "Down" ? await askNodeItself(options, node.name) : null })));
      if (options.json) json({ cluster, nodes, groups });
      else data(statusText(cluster, nodes, groups));
      if (options.check && (cluster.problems.length > 0 || cluster.answeredBy.phase !== "active")) process.exitCode = UNHEALTHY_EXIT_CODE;
    });

  asking(program.command("why").argument("<name>", "a role, a resource, a node, or 'quorum'").description("why something is as it is, and what would change it"))
    .option("--of <kind>", "group, resource or node, when a name could be several")
    .action(async (name: string, options: CommonOptions & { readonly of?: string }) => {
      const { why, text } = await explain(await connect(options), name, options.of);
      if (options.json) json(why);
      else data(text);
    });

  asking(program.command("what-if").argument("<words...>", "what is assumed; several with 'then' between").description("what would happen, from the code that decides"))
    .addHelpText("after", `\nWhat may be assumed:\n${HYPOTHESES.map(([form, meaning]) => `  ${form}\n      ${meaning}`).join("\n")}`)
    .action(async (words: string[], options: CommonOptions) => {
      const plan = await (await connect(options)).send<Plan>("POST", "/v1/what-if", { body: { steps: parseHypotheses(words) } });
      if (options.json) json(plan);
      else data(planText(plan));
    });
}

/** The kinds of things that have a name, in the order in which a name is looked for. */
const KINDS = ["group", "resource", "node"] as const;

async function explain(client: ApiClient, name: string, of: string | undefined): Promise<{ readonly why: unknown; readonly text: string }> {
  if (of === undefined && name.toLowerCase() === "quorum") {
    const why = await client.get<QuorumExplanation>("/v1/quorum/explain");
    return { why, text: explanationText(why) };
  }
  const kinds = of === undefined ? KINDS : KINDS.filter((kind) => kind === of);
  if (kinds.length === 0) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--of", problem: `one of ${KINDS.join(", ")}` });
  let first: unknown = null;
  for (const kind of kinds) {
    try {
      if (kind === "group") {
        const why = await client.get<Explanation>(path("groups", name, "why"));
        return { why, text: whyText(why) };
      }
      const why = await client.get<NodeExplanation | ResourceExplanation>(path(`${kind}s`, name, "why"));
      return { why, text: partText(why) };
    } catch (error) {
      if (!(error instanceof MusterError) || !error.code.endsWith("_NOT_FOUND")) throw error;
      first ??= error;
    }
  }
  throw first;
}

function partText(why: NodeExplanation | ResourceExplanation): string {
  const parts = [why.summary, `Rule: ${why.rule}; for ${duration(why.forMs)}.`, why.facts.join("\n")];
  if (why.whatWouldChangeIt.length > 0) parts.push(["What would change it:", ...why.whatWouldChangeIt.map((sentence) => `  ${sentence}`)].join("\n"));
  if (why.command !== null) parts.push(`Next: ${why.command}`);
  return parts.join("\n\n");
}

function statusText(cluster: Answered, nodes: readonly AskedNode[], groups: readonly GroupView[]): string {
  const { answeredBy } = cluster;
  const counts = `${cluster.nodesUp} of ${cluster.nodes} nodes up, ${cluster.groupsOnline} of ${cluster.groups} roles online`;
  const isActive = answeredBy.phase === "active";
  const parts = [
    isActive ? `Cluster ${cluster.name}: ${counts} (view ${cluster.epoch} of ${list(cluster.members)})` : `Cluster ${cluster.name}: no view is active at ${answeredBy.node}, so no role is served by it. Last known: ${counts}.`,
    table(["NODE", "STATE", "ROLES", "WHY"], nodes.map((node) => [node.name, node.state, list(node.groups), node.says === null ? node.reason.text : `${node.reason.text} It says: ${node.says}`])),
  ];
  if (groups.length > 0) parts.push(table(["ROLE", "STATE", "OWNER", "FOR", "WHY"], groups.map((group) => [group.name, group.state, group.ownerNode ?? "-", duration(group.reason.forMs), group.reason.text])));
  parts.push(cluster.problems.length === 0 ? "All is well." : ["Not healthy:", ...cluster.problems.map((problem) => `  ${problem}`)].join("\n"));
  return parts.join("\n\n");
}

export function whyText(why: Explanation): string {
  const parts = [
    why.summary,
    `Rule: ${why.rule}; for ${duration(why.forMs)}. Failovers: ${why.failovers.count} of ${why.failovers.threshold} allowed in ${why.failovers.periodHours} h.`,
    table(["NODE", "CAN HOST", "WHY"], why.nodes.map((node) => [node.isOwner ? `${node.node} (owner)` : node.node, node.canHost ? "yes" : "no", node.reason])),
  ];
  if (why.resources.length > 0) {
    parts.push(table(["RESOURCE", "STATE", "FAILURES", "WHY"], why.resources.map((one) => [one.resource, one.state, `${one.failures.count} of ${one.failures.threshold} in ${duration(one.failures.periodMs)}`, one.reason])));
  }
  if (why.whatWouldChangeIt.length > 0) parts.push(["What would change it:", ...why.whatWouldChangeIt.map((sentence) => `  ${sentence}`)].join("\n"));
  if (why.command !== null) parts.push(`Next: ${why.command}`);
  return parts.join("\n\n");
}
