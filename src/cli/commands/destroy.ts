import type { Command as Program } from "commander";
import type { ApiClient } from "../../api/client.ts";
import { forgetOwnMembership } from "../../host/create.ts";
import { ownMembership, stopService } from "../../host/service-control.ts";
import { MusterError } from "../../model/errors.ts";
import type { GroupView, NodeView } from "../../model/views.ts";
import { path, until } from "../common.ts";
import { connect } from "../connect.ts";
import { data, json, list, talk } from "../output.ts";
import { CORE_GROUP } from "./core-group.ts";
import { directoryOf, requireRoot } from "./host.ts";

const OFFLINE_LIMIT_MS = 120_000;
const EVICTED_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 120_000;

interface DestroyOptions {
  readonly directory?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** The end of a cluster (reference 10.2): its roles go offline, the other nodes are evicted, this one forgets it. */
export function destroyCommand(cluster: Program): void {
  cluster
    .command("destroy")
    .description("end the cluster that this machine is a node of: nothing of it is left on the nodes that run")
    .option("--force", "also when it has roles: they are taken offline and forgotten")
    .option("--dry-run", "show what would happen, change nothing")
    .option("--json", "print JSON")
    .option("--directory <dir>", "where this machine keeps its membership")
    .action(async (options: DestroyOptions) => {
      requireRoot("Destroying a cluster");
      const directory = directoryOf(options);
      const { host, clusterName } = ownMembership(directory);
      const client = await connect({ directory });
      const roles = (await client.get<GroupView[]>("/v1/groups")).map((group) => group.name);
      const others = (await client.get<NodeView[]>("/v1/nodes")).filter((node) => node.name !== host.node);
      const own = roles.filter((name) => name !== CORE_GROUP);
      if (own.length > 0 && options.force !== true && options.dryRun !== true) throw new MusterError("MUSTER_CLUSTER_HAS_ROLES", { cluster: clusterName, roles: own.join(", ") });
      const down = others.filter((node) => node.state === "Down").map((node) => node.name);
      const plan = { cluster: clusterName, offline: roles, evicted: others.map((node) => node.name), last: host.node, unreachable: down };
      if (options.dryRun === true) {
        if (options.json === true) json(plan);
        else data(`Roles that would be taken offline and forgotten: ${list(roles)}.\nNodes that would be evicted: ${list(plan.evicted)}; last this one, ${host.node}.`);
        return;
      }
      await takeOffline(client, roles);
      for (const node of others) await client.send("DELETE", path("nodes", node.name), { query: { force: "true" } });
      await untilGone(client, others.filter((node) => node.state !== "Down").length, others.length);
      await stopService(directory, STOP_LIMIT_MS);
      await forgetOwnMembership(directory, talk);
      if (options.json === true) json(plan);
      talk(`The cluster ${clusterName} is no more.`);
      if (down.length > 0) talk(`These were down and still believe in it; on each of them: muster node clean --force (${list(down)})`);
    });
}

async function takeOffline(client: ApiClient, roles: readonly string[]): Promise<void> {
  for (const role of roles) await client.send("POST", path("groups", role, "offline"), { body: {} });
  await until(() => client.get<GroupView[]>("/v1/groups"), (groups) => groups.every((group) => group.state === "Offline" || group.state === "Failed"), OFFLINE_LIMIT_MS);
}

/** Evicted nodes go by themselves; when they are gone this one is the last. */
async function untilGone(client: ApiClient, running: number, all: number): Promise<void> {
  if (all === 0 || running === 0) return;
  await until(() => client.get<NodeView[]>("/v1/nodes"), (nodes) => nodes.length === 1, EVICTED_LIMIT_MS);
}
