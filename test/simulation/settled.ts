import { describeGroups, whatIf, witnessState } from "../../src/core/index.ts";
import type { ClusterState } from "../../src/core/index.ts";
import type { GroupRecord } from "../../src/model/objects.ts";
import type { GroupView } from "../../src/model/views.ts";
import { BrokenInvariant } from "./checker.ts";
import type { SimulatedCluster } from "./cluster-process.ts";
import { mayHost } from "./rules.ts";
import type { World } from "./world.ts";

/** What must hold once everything has been well for a while. */

/** Every role that shall be online is, on one node, and runs there and nowhere else; or a rule says why not. */
export function mustServe(world: World, cluster: SimulatedCluster): void {
  const { state } = cluster.nodes.get(1)!.machine;
  for (const view of describeGroups(state)) {
    const wanted = view.wantedState === "Online" ? "Online" : "Offline";
    if (view.state === wanted) continue;
    const problem = wanted === "Offline" ? "nobody wants it" : whyItShouldServe(state, view);
    if (problem === null) world.coverage.count(`in the end: ${view.reason.rule}`);
    else throw new BrokenInvariant(`the role ${view.name} shall be ${wanted} and is ${view.state} on ${view.ownerNode}, ${problem}: ${view.reason.rule}: ${view.reason.text}`);
  }
  runsAsItSays(state, cluster);
}

/** null = it is rightly not online. */
function whyItShouldServe(state: ClusterState, view: GroupView): string | null {
  const group = state.tables.groups.get(view.id)!;
  const here = state.tables.nodeRuntime.keys().map(Number).filter((node) => mayHost(state, group, node));
  switch (view.reason.rule) {
    case "by hand":
      return group.properties["Priority"] === 0 || group.properties["ColdStartSetting"] === 1 || state.tables.cluster.get("-")?.properties["IgnorePersistentStateOnStartup"] === 1 ? null : "but nothing says that it is started by hand";
    case "start order":
      return waitsRightly(state, group) ? null : "but everything it waits for is online";
    case "waiting":
    case "preempted":
      return here.length === 0 ? null : `but n${here.join(", n")} may host it`;
    default:
      return "and no rule says so";
  }
}

/** Whether a role or a member of a set that comes before it is not online. A set may ask for more than that. */
function waitsRightly(state: ClusterState, group: GroupRecord): boolean {
  const { groupSets, groupRuntime, groups } = state.tables;
  const sets = groupSets.keys().map((key) => groupSets.get(key)!);
  const own = sets.find((set) => set.groups.includes(group.id));
  const names = [...(group.startsAfter ?? []), ...(own?.startsAfter ?? []), ...sets.filter((set) => set.properties["IsGlobal"] === 1 && set !== own).map((set) => set.id)];
  const providers = names.flatMap((id) => groupSets.get(id)?.groups ?? [id]);
  return providers.some((id) => groups.has(id) && groupRuntime.get(id)?.announced !== "Online");
}

function runsAsItSays(state: ClusterState, cluster: SimulatedCluster): void {
  const running = cluster.machine.running();
  const owners = new Map(describeGroups(state).flatMap((group) => group.resources.map((resource) => [resource, group] as const)));
  for (const copy of running) {
    const group = owners.get(copy.resource);
    if (group === undefined || group.ownerNode !== `n${copy.node}` || group.state !== "Online") throw new BrokenInvariant(`${copy.resource} runs on node ${copy.node}, but ${group === undefined ? "it was deleted" : `its role is ${group.state} on ${group.ownerNode}`}`);
  }
  for (const [resource, group] of owners) {
    if (group.state === "Online" && !running.some((copy) => copy.resource === resource)) throw new BrokenInvariant(`${resource} shall run on ${group.ownerNode} and does not`);
  }
}

/** A node is lost, and what comes of it is what was foretold. */
export function lossIsAsForetold(world: World, cluster: SimulatedCluster): void {
  const lost = world.random.pick(world.slots);
  const witness = world.slots.find((slot) => slot !== lost)!;
  const stateNow = (): ClusterState => cluster.nodes.get(witness.node)!.machine.state;
  // Whoever is drawn by lot is drawn anew in every view.
  const before = describeGroups(stateNow());
  const plan = whatIf(stateNow(), [{ what: "nodeDown", node: `n${lost.node}` }]);
  const isWitnessInDoubt = witnessState(stateNow())?.state !== "online" && (witness.process?.weights[0]?.witness?.votes ?? 0) > 0;
  world.trace.add(world.scheduler.nowMs, lost.node, "foretold", JSON.stringify({ stopped: plan.stopped, groups: plan.groups }));
  world.crash(lost);
  world.runUntil(world.scheduler.nowMs + 8_000);
  const isActive = witness.process?.status.phase === "active";
  // A witness that was last found failed may have come back; one that was taken out has its vote until the next change.
  if (isActive && plan.stopped && isWitnessInDoubt) return world.start(lost);
  if (isActive === plan.stopped) throw new BrokenInvariant(`without n${lost.node} the cluster ${isActive ? "goes on" : "stands still"}, but it was foretold to ${plan.stopped ? "stop" : "go on"}`);
  world.coverage.count(plan.stopped ? "what if: the cluster stops, as foretold" : "what if: a loss is as foretold");
  if (!plan.stopped && plan.quiet && plan.durationMs < 5_000) {
    for (const group of describeGroups(stateNow())) {
      const foretold = plan.groups.find((one) => one.group === group.name)?.after ?? before.find((one) => one.name === group.name)?.state;
      if (foretold !== group.state) throw new BrokenInvariant(`without n${lost.node} the role ${group.name} is ${group.state} (${group.reason.text}), but ${foretold} was foretold`);
    }
  }
  world.start(lost);
}
