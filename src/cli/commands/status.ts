import type { Command as Program } from "commander";
import type { ClusterView, Explanation, GroupView, Hypothesis, NodeView, Plan } from "../../model/views.ts";
import { MusterError } from "../../model/errors.ts";
import { asking, path, planText } from "../common.ts";
import type { CommonOptions } from "../common.ts";
import { askNodeItself, connect } from "../connect.ts";
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

  asking(program.command("why").argument("<group>", "the role").description("why a role is where and how it is, and what would change it")).action(async (group: string, options: CommonOptions) => {
    const why = await (await connect(options)).get<Explanation>(path("groups", group, "why"));
    if (options.json) json(why);
    else data(whyText(why));
  });

  asking(program.command("what-if").argument("<kind>", "node or resource").argument("<name>").argument("<event>", "down or up for a node, fails for a resource").description("what would happen, from the code that decides")).action(
    async (kind: string, name: string, event: string, options: CommonOptions) => {
      const plan = await (await connect(options)).send<Plan>("POST", "/v1/what-if", { body: { steps: [hypothesis(kind, name, event)] } });
      if (options.json) json(plan);
      else data(planText(plan));
    },
  );
}

function hypothesis(kind: string, name: string, event: string): Hypothesis {
  if (kind === "node" && event === "down") return { what: "nodeDown", node: name };
  if (kind === "node" && event === "up") return { what: "nodeUp", node: name };
  if (kind === "resource" && (event === "fails" || event === "fail")) return { what: "resourceFails", resource: name };
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "what-if", problem: `'${kind} ${name} ${event}' is not known; write: node NODE down, node NODE up, resource NAME fails` });
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
