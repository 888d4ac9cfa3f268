import * as core from "../../src/core/index.ts";
import type { ClusterState, StepResult } from "../../src/core/index.ts";
import type { Member } from "../../src/model/identifiers.ts";
import type { Command, CoreInput, CoreRequest, Effect, InventoryItem, ReportedState, ReportedStatus, ViewInput } from "../../src/model/inputs.ts";
import { parseHypotheses } from "../../src/cli/hypotheses.ts";
import { MusterError } from "../../src/model/errors.ts";
import type { PropertyBag, PropertyValue } from "../../src/model/objects.ts";
import { groupProperties, groupSetProperties, networkProperties, nodeProperties, resourceProperties } from "../../src/model/properties.ts";
import type { PropertyTable } from "../../src/model/properties.ts";
import type { AffinityRuleType, FaultDomainType, WitnessKind } from "../../src/model/states.ts";

/**
 * Plays a story: lines of inputs in, a golden log out. The nodes are played here, with what
 * each of them runs; the decisions are the core's. The language is described in README.md.
 */
export function playStory(text: string): string {
  const story = new Story();
  for (const line of text.split("\n")) story.play(line);
  return story.log();
}

/** How long a played resource takes to do as it is told. */
const ONLINE_MS = 50;
const OFFLINE_MS = 20;
const FIRST_WALL_MS = 1_800_000_000_000;

interface PlayedNode {
  readonly id: number;
  readonly name: string;
  incarnation: number;
  up: boolean;
  readonly runs: Map<string, InventoryItem>;
}

interface Answer {
  readonly at: number;
  readonly effect: Effect;
}

class Story {
  #state: ClusterState | null = null;
  readonly #nodes: PlayedNode[] = [];
  readonly #learners = new Set<number>();
  readonly #lines: string[] = [];
  readonly #shown = new Map<string, string>();
  readonly #names = new Map<string, string>();
  /** Resource -> nodes on which it cannot come online. */
  readonly #broken = new Map<string, Set<string>>();
  readonly #requests = new Map<number, number>();
  /** Orders to be answered, and in manual mode those that wait for the story to say how. */
  #answers: Answer[] = [];
  #open: Effect[] = [];
  readonly #given = new Set<string>();
  #answersManual = false;
  #inventoriesManual = false;
  #losing = false;
  #votesShown = false;
  #nextView: Partial<ViewInput> = {};
  #recording = true;
  #zoneMinutes = 0;
  /** Ids of interfaces without a link, and for others the nodes that they do not reach. */
  readonly #unplugged = new Set<string>();
  readonly #cut = new Map<string, Set<number>>();
  #connectivityManual = false;
  #epoch = 0;
  #index = -1;
  #now = 0;
  #processId = 100;

  log(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  play(line: string): void {
    const words = splitWords(line);
    if (words.length === 0) {
      if (line.startsWith("#")) this.#lines.push("", `${line}`);
      return;
    }
    this.#lines.push("", `> ${line.trim()}`);
    this.#perform(words);
    this.#settle();
    this.#followVotes();
  }

  #perform(words: readonly string[]): void {
    const [verb = "", first = "", ...rest] = words;
    switch (verb) {
      case "cluster":
        return first === "set" ? this.#command(parseCommand(words), false) : this.#begin([first, ...rest]);
      case "answers":
        this.#answersManual = first === "manual";
        return;
      case "inventories":
        this.#inventoriesManual = first === "manual";
        return;
      case "up":
        return this.#arrive([first, ...rest], false);
      case "learner":
        return this.#arrive([first], true);
      case "down":
        return this.#leave([first, ...rest]);
      case "restart":
        this.#newLife(this.#node(first));
        return this.#view();
      case "view":
        return this.#view();
      case "forget":
        return this.#forget();
      case "quorum":
        if (first === "set") break;
        return first === "why" ? this.#whyQuorum() : this.#quorum();
      case "witness":
        return this.#witness(first === "online" ? "online" : "failed", rest.join(" "));
      case "next":
        this.#nextView = { ...this.#nextView, ...this.#remark(first, rest) };
        return;
      case "released":
        return void this.#step({ kind: "released", from: this.#memberOf(this.#nodes.find((node) => node.up)!), released: { node: this.#node(first).id, incarnation: this.#node(first).incarnation - 1 } });
      case "votes":
        this.#votesShown = first === "shown";
        return;
      case "broken":
        this.#broken.set(first, new Set(rest[0] === "on" ? (rest[1] ?? "").split(",") : this.#nodes.map((node) => node.name)));
        return;
      case "repaired":
        this.#broken.delete(first);
        return;
      case "fails":
        return this.#fails(first, rest.join(" "));
      case "answer":
        return this.#answerByHand(first, rest[0] ?? "online", rest.slice(1).join(" "));
      case "lose":
        this.#losing = first === "orders";
        this.#recording = first !== "records";
        return;
      case "bits":
        for (const group of core.describeGroups(this.#cluster)) this.#say("bits", `${group.name}: ${group.state}, StatusInformation ${String(group.properties["StatusInformation"])}`);
        return;
      case "rules":
        for (const rule of core.describeAffinityRules(this.#cluster)) this.#say("rule", `${rule.name}: ${rule.type} of ${rule.groups.join(", ")}: ${rule.violations.length === 0 ? "kept" : rule.violations.join(" ")}`);
        return;
      case "owners":
        return this.#sayOwners(first === "stored");
      case "zone":
        this.#zoneMinutes = Number(first);
        return;
      case "connectivity":
        this.#connectivityManual = first === "manual";
        return;
      case "unplug":
        this.#unplugged.add(this.#interface(first, rest[0]));
        return this.#tellConnectivity();
      case "plug":
        this.#unplugged.delete(this.#interface(first, rest[0]));
        return this.#tellConnectivity();
      case "cut":
        this.#cut.set(this.#interface(first, rest[0]), new Set((rest[1] ?? "").split(",").map((name) => this.#node(name).id)));
        return this.#tellConnectivity();
      case "mend":
        this.#cut.delete(this.#interface(first, rest[0]));
        return this.#tellConnectivity();
      case "connected":
        return this.#connectivity(this.#node(first));
      case "networks":
        return this.#sayNetworks();
      case "plant":
        return this.#plant(first, rest[0] ?? "", rest[1]);
      case "vanish":
        this.#node(first).runs.delete(this.#id(rest[0] ?? ""));
        return;
      case "inventory":
        return this.#inventory(this.#node(first));
      case "status":
        return this.#status(first, rest);
      case "nodes":
        return this.#sayNodes();
      case "sets":
        return this.#saySets();
      case "report":
        return this.#report(this.#node(first), rest[0] ?? "", (rest[1] ?? "online") as ReportedState);
      case "wait":
        return this.#wait(milliseconds(first));
      case "again":
        return this.#command(parseCommand([first, ...rest]), true);
      case "whatif":
        return this.#whatIf([first, ...rest]);
      case "dryrun":
        return this.#dryRun(parseCommand([first, ...rest]));
      case "why":
        return this.#why(first);
      default:
    }
    this.#command(parseCommand(words), false);
  }

  // ---- the cluster and its nodes ------------------------------------------------

  #begin(names: readonly string[]): void {
    for (const [position, name] of names.entries()) this.#nodes.push({ id: position + 1, name, incarnation: 1, up: true, runs: new Map() });
    this.#state = core.createState({ clusterId: "story", clusterName: "story", nodes: this.#nodes.map(({ id, name }) => ({ id, name })) });
    this.#view();
  }

  get #cluster(): ClusterState {
    if (this.#state === null) throw new Error("the story does not begin with: cluster NODE…");
    return this.#state;
  }

  #node(name: string): PlayedNode {
    const node = this.#nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`the story has no node ${name}`);
    return node;
  }

  #newLife(node: PlayedNode): void {
    node.runs.clear();
    node.incarnation += 1;
    this.#answers = this.#answers.filter(({ effect }) => effect.node !== node.id);
    this.#open = this.#open.filter((effect) => effect.node !== node.id);
  }

  #arrive(names: readonly string[], learner: boolean): void {
    for (const name of names) {
      const node = this.#node(name);
      node.up = true;
      if (learner) this.#learners.add(node.id);
      else this.#learners.delete(node.id);
    }
    this.#view();
  }

  #leave(names: readonly string[]): void {
    for (const name of names) {
      const node = this.#node(name);
      node.up = false;
      this.#newLife(node);
    }
    this.#view();
  }

  #view(): void {
    this.#epoch += 1;
    this.#index = -1;
    const present = this.#nodes.filter((node) => node.up);
    const members: Member[] = present.map((node) => ({ node: node.id, incarnation: node.incarnation }));
    const remarks = this.#nextView;
    this.#nextView = {};
    this.#step({ kind: "view", members, learners: [...this.#learners], orderer: present[0]?.id ?? 1, ...remarks });
    if (!this.#inventoriesManual) for (const node of present) this.#inventory(node);
    this.#tellConnectivity();
  }

  /** All copies of the run-time state are gone; what runs goes on. */
  #forget(): void {
    this.#state = core.loadState(core.durableRows(this.#cluster));
    this.#shown.clear();
    this.#answers = [];
    this.#open = [];
  }

  #inventory(node: PlayedNode): void {
    this.#step({ kind: "inventory", from: { node: node.id, incarnation: node.incarnation }, resources: [...node.runs.values()] });
  }

  // ---- networks ---------------------------------------------------------------------

  #interface(node: string, adapter = ""): string {
    return core.interfaceId(this.#node(node).id, adapter);
  }

  #tellConnectivity(): void {
    if (!this.#connectivityManual) for (const node of this.#nodes) if (node.up) this.#connectivity(node);
  }

  /** Whom a node hears follows from the cables: both ends have a link, and nobody has cut what is between. */
  #connectivity(node: PlayedNode): void {
    const all = core.describeNetworkInterfaces(this.#cluster);
    const mine = all.filter((one) => one.node === node.name);
    if (mine.length === 0) return;
    const works = (id: string): boolean => !this.#unplugged.has(id);
    const hears = (id: string, network: string): number[] =>
      this.#nodes
        .filter((other) => other.up && other.id !== node.id && works(id) && this.#cut.get(id)?.has(other.id) !== true)
        .filter((other) => all.some((one) => one.node === other.name && one.network === network && works(one.id) && this.#cut.get(one.id)?.has(node.id) !== true))
        .map((other) => other.id);
    this.#step({ kind: "connectivity", from: { node: node.id, incarnation: node.incarnation }, interfaces: mine.map(({ id, network }) => ({ interface: id, linkUp: works(id), hears: hears(id, network) })) });
  }

  #sayNetworks(): void {
    for (const one of core.describeNetworks(this.#cluster)) this.#say("network", `${one.name}: ${one.state}, ${one.prefixes.join(", ")}, role ${one.properties["Role"]}, metric ${one.properties["Metric"]}${one.properties["AutoMetric"] === 1 ? "" : " (set)"}. ${one.reason.text}`);
    for (const one of core.describeNetworkInterfaces(this.#cluster)) this.#say("network", `  ${one.name} (${one.network}): ${one.state}. ${one.reason.text}`);
  }

  // ---- resources ------------------------------------------------------------------

  #id(name: string): string {
    for (const [id, known] of this.#names) if (known === name) return id;
    return name;
  }

  #fails(name: string, reason: string): void {
    const id = this.#id(name);
    for (const node of this.#nodes) {
      const item = node.runs.get(id);
      if (item === undefined) continue;
      node.runs.delete(id);
      this.#send(node, item, "failed", null, reason === "" ? "it ended" : reason);
    }
  }

  #plant(nodeName: string, name: string, generation: string | undefined): void {
    const id = this.#id(name);
    const known = core.describeResources(this.#cluster).find((resource) => resource.id === id);
    const current = known === undefined ? 0 : core.describeGroup(this.#cluster, known.group).generation;
    this.#node(nodeName).runs.set(id, { resource: id, generation: generation === undefined ? current : Number(generation), state: "online", effect: null, processId: 9 });
  }

  /** What a running resource's type says beside its state: `locked`, `!locked`, `embeddedFailure`… */
  #status(name: string, words: readonly string[]): void {
    const id = this.#id(name);
    const node = this.#nodes.find((candidate) => candidate.runs.has(id));
    const item = node?.runs.get(id);
    if (node === undefined || item === undefined) throw new Error(`${name} runs nowhere`);
    this.#say("report", `${node.name}: ${name} says ${words.join(", ")}`);
    const status: ReportedStatus = Object.fromEntries(words.map((word) => [word.replace("!", ""), !word.startsWith("!")]));
    node.runs.set(id, { ...item, status: { ...item.status, ...status } });
    this.#step({ kind: "report", from: { node: node.id, incarnation: node.incarnation }, resource: id, generation: item.generation, effect: null, state: "online", reason: "the guest says so", processId: item.processId, status });
  }

  #sayNodes(): void {
    for (const node of core.describeNodes(this.#cluster)) {
      const failback = node.failbackStatus === "NotInitiated" ? "" : `, failback ${node.failbackStatus}`;
      this.#say("node", `${node.name}: ${node.state}, status ${node.properties["StatusInformation"]}${node.stopping ? `, stopping (may stop: ${node.mayStop})` : ""}${failback}. ${node.reason.text}`);
    }
  }

  #saySets(): void {
    for (const set of core.describeGroupSets(this.#cluster)) this.#say("set", `${set.name}: ${set.isReady ? "ready" : "not ready"}, status ${set.properties["StatusInformation"]}, waiting for it: ${set.waiting.join(", ") || "nobody"}. ${set.reason}`);
  }

  #report(node: PlayedNode, name: string, state: ReportedState): void {
    const id = this.#id(name);
    const item = node.runs.get(id) ?? { resource: id, generation: 1, state, effect: null, processId: null };
    this.#send(node, item, state, null, "");
  }

  #send(node: PlayedNode, item: InventoryItem, state: ReportedState, effect: string | null, reason: string): void {
    const name = this.#names.get(item.resource) ?? item.resource;
    this.#say("report", `${node.name}: ${name} is ${state}${reason === "" ? "" : ` (${reason})`}`);
    this.#step({
      kind: "report",
      from: { node: node.id, incarnation: node.incarnation },
      resource: item.resource,
      generation: item.generation,
      effect,
      state,
      reason,
      processId: state === "online" ? item.processId : null,
    });
  }

  #answerByHand(name: string, how: string, reason: string): void {
    const position = this.#open.findLastIndex((effect) => effect.resource.name === name || effect.resource.id === name);
    const effect = this.#open[position];
    if (effect === undefined) throw new Error(`no order for ${name} waits for an answer`);
    this.#open.splice(position, 1);
    this.#carryOut(effect, how === "failed" ? (reason === "" ? "it cannot start" : reason) : null);
  }

  /** The node does as it is told, or fails to. */
  #carryOut(effect: Effect, failure: string | null): void {
    const node = this.#nodes.find((candidate) => candidate.id === effect.node);
    if (node === undefined || !node.up) return;
    const id = effect.resource.id;
    const had = node.runs.get(id);
    if (effect.action !== "online") {
      if (had !== undefined && had.generation > effect.generation) return;
      node.runs.delete(id);
      this.#send(node, had ?? { resource: id, generation: effect.generation, state: "offline", effect: null, processId: null }, failure === null ? "offline" : "failed", effect.id, failure ?? "");
      return;
    }
    const item: InventoryItem = { resource: id, generation: effect.generation, state: "online", effect: effect.id, processId: (this.#processId += 1) };
    if (failure === null) node.runs.set(id, item);
    else node.runs.delete(id);
    this.#send(node, item, failure === null ? "online" : "failed", effect.id, failure ?? "");
  }

  // ---- time ---------------------------------------------------------------------

  /** Answers what is to be answered. */
  #settle(): void {
    for (;;) {
      const next = this.#answers.reduce<Answer | null>((best, answer) => (best === null || answer.at < best.at ? answer : best), null);
      if (next === null) return;
      this.#fireUntil(next.at);
      this.#answers.splice(this.#answers.indexOf(next), 1);
      this.#now = Math.max(this.#now, next.at);
      const broken = next.effect.action === "online" && this.#broken.get(next.effect.resource.name)?.has(this.#nodeName(next.effect.node)) === true;
      this.#carryOut(next.effect, broken ? "it cannot start here" : null);
    }
  }

  #wait(ms: number): void {
    const until = this.#now + ms;
    this.#fireUntil(until);
    this.#now = Math.max(this.#now, until);
  }

  #fireUntil(until: number): void {
    for (;;) {
      const deadline = core.nextDeadline(this.#cluster);
      if (deadline === null || deadline > until) return;
      const answer = this.#answers.find((candidate) => candidate.at <= deadline);
      if (answer !== undefined && answer.at < until) {
        this.#settle();
        continue;
      }
      this.#now = Math.max(this.#now, deadline);
      this.#step({ kind: "due", utcOffsetMinutes: this.#zoneMinutes });
      this.#settle();
    }
  }

  /** What is out of the ordinary about the view that comes next. */
  #remark(what: string, rest: readonly string[]): Partial<ViewInput> {
    const ids = (names: readonly string[]): number[] => names.map((name) => this.#node(name).id);
    switch (what) {
      case "claimed":
        return { claimed: true };
      case "forced":
        return { forced: true };
      case "discarded":
        return { discarded: ids(rest) };
      case "cold":
        return { holdAbsentMs: milliseconds(rest[0] ?? "") };
      default: {
        const node = this.#node(rest[0] ?? "");
        return { holds: [{ node: node.id, incarnation: node.incarnation, leaseMs: milliseconds(rest[1] ?? ""), permitMs: milliseconds(rest[2] ?? rest[1] ?? "") }] };
      }
    }
  }

  #memberOf(node: PlayedNode): Member {
    return { node: node.id, incarnation: node.incarnation };
  }

  #witness(state: "online" | "failed", reason: string): void {
    const configured = core.configuredWitness(this.#cluster);
    const from = this.#nodes.find((node) => node.up);
    if (configured === null || from === undefined) throw new Error("the story has no witness, or nobody to look after it");
    this.#step({ kind: "witness", from: this.#memberOf(from), witness: configured.id, state, reason });
  }

  #quorum(): void {
    const view = core.describeQuorum(this.#cluster);
    this.#say("quorum", `${view.votes} votes, ${view.needed} needed, ${view.held} here${view.claimed ? ", on a claim" : ""}${view.forced ? ", forced" : ""}`);
    for (const node of view.nodes) this.#say("quorum", `  ${node.node}: ${node.vote}. ${node.reason}`);
    if (view.witness !== null) this.#say("quorum", `  witness ${view.witness.kind} ${view.witness.state}: ${view.witness.vote}. ${view.witness.reason}`);
    for (const sentence of view.sentences) this.#say("quorum", `  ${sentence}`);
  }

  #whyQuorum(): void {
    const why = core.explainQuorum(this.#cluster);
    this.#say("quorum", `${why.summary} (${why.rule})`);
    for (const sentence of why.whatWouldChangeIt) this.#say("quorum", `  ${sentence}`);
    if (why.command !== null) this.#say("quorum", `  try: ${why.command}`);
  }

  /** What the log does with the votes: one change after the other, until they are as the state wants them. */
  #followVotes(): void {
    for (;;) {
      const weights = this.#state === null ? null : core.wantedWeights(this.#state, core.knownWeights(this.#state));
      if (weights === null) return;
      if (this.#votesShown) this.#step({ kind: "weights", weights });
      // Most stories are about something else: there the votes change unseen, and take no place in the log.
      else core.step(this.#cluster, { epoch: this.#epoch, index: this.#index, clusterTimeMs: this.#now, wallTimeMs: FIRST_WALL_MS + this.#now }, { kind: "weights", weights });
    }
  }

  // ---- commands -------------------------------------------------------------------

  #command(command: Command, again: boolean): void {
    const from = this.#nodes.find((node) => node.up) ?? this.#node("node1");
    const number = (this.#requests.get(from.id) ?? 0) + (again ? 0 : 1);
    this.#requests.set(from.id, number);
    const { outcome, changes } = this.#step({ kind: "command", requestId: { node: from.id, incarnation: from.incarnation, number }, command });
    if (outcome === null) return;
    if (outcome.duplicate) this.#say("answer", "this request was handled before");
    if (outcome.error !== null) this.#say("answer", `${outcome.error.code}: ${outcome.error.message} ${outcome.error.next}`);
    else if (outcome.note !== null) this.#say("answer", outcome.note);
    // A service tells of its adapters as soon as the configuration knows them.
    if (changes.some((change) => change.table === "networkInterfaces")) this.#tellConnectivity();
  }

  #whatIf(words: readonly string[]): void {
    try {
      this.#sayPlan(core.whatIf(this.#cluster, parseHypotheses(words)));
    } catch (error) {
      this.#say("plan", `refused: ${MusterError.from(error).message}`);
    }
  }

  #dryRun(command: Command): void {
    const { plan, error } = core.dryRun(this.#cluster, command);
    if (error !== null) this.#say("plan", `refused: ${error.message} ${error.next}`);
    else this.#sayPlan(plan);
  }

  /** What the configuration alone remembers is what a state made from it says. */
  #sayOwners(stored: boolean): void {
    const state = stored ? core.loadState(core.durableRows(this.#cluster)) : this.#cluster;
    for (const group of core.describeGroups(state)) this.#say("owners", `${group.name}: ${group.defaultOwner ?? "nobody"}`);
  }

  #sayPlan(plan: ReturnType<typeof core.whatIf>): void {
    for (const move of plan.moves) this.#say("plan", `${move.group}: ${move.from ?? "nobody"} -> ${move.to ?? "nobody"}: ${move.reason}`);
    for (const group of plan.groups) this.#say("plan", `${group.group}: ${group.before ?? "(new)"} -> ${group.after ?? "(gone)"}, owner ${group.ownerNode ?? "nobody"}`);
    for (const note of plan.notes) this.#say("plan", note);
    if (plan.stopped) this.#say("plan", "the cluster would stop");
    if (plan.moves.length === 0 && plan.groups.length === 0) this.#say("plan", "no role would change");
  }

  #why(group: string): void {
    const why = core.explainGroup(this.#cluster, group);
    this.#say("why", why.summary);
    for (const node of why.nodes) this.#say("why", `  ${node.node}${node.isOwner ? " (owner)" : ""}: ${node.reason}`);
    for (const resource of why.resources) this.#say("why", `  ${resource.resource} is ${resource.state}: ${resource.reason} Failures ${resource.failures.count}, restarts allowed ${resource.failures.threshold}.`);
    this.#say("why", `  failovers ${why.failovers.count} of ${why.failovers.threshold} in ${why.failovers.periodHours} h`);
    for (const sentence of why.whatWouldChangeIt) this.#say("why", `  ${sentence}`);
    if (why.command !== null) this.#say("why", `  try: ${why.command}`);
  }

  // ---- the log --------------------------------------------------------------------

  #step(input: CoreInput): StepResult {
    this.#index += 1;
    const result = core.step(this.#cluster, { epoch: this.#epoch, index: this.#index, clusterTimeMs: this.#now, wallTimeMs: FIRST_WALL_MS + this.#now }, input);
    if (result.fault !== null) throw new Error(`the core failed: ${result.fault.message}`);
    for (const resource of core.describeResources(this.#cluster)) this.#names.set(resource.id, resource.name);
    for (const event of result.events) this.#say(event.level === "information" ? "event" : event.level, `${String(event.code).padStart(5)} ${event.text}${event.next === null ? "" : ` [${event.next}]`}`);
    for (const effect of result.effects) this.#order(effect);
    this.#sayStates();
    for (const request of result.requests) if (this.#recording) this.#record(request);
    return result;
  }

  /** What the service of the orderer does with what the state asks for: a command like any other. */
  #record(request: CoreRequest): void {
    const quarantines = request.quarantines?.map(({ node, untilWallMs }) => `${this.#nodeName(node)} is quarantined ${untilWallMs === null ? "until it is cleared" : "for a while"}`) ?? [];
    for (const text of quarantines) this.#say("record", text);
    this.#command(request, false);
  }

  #order(effect: Effect): void {
    const lost = this.#losing;
    const again = this.#given.has(effect.id);
    this.#given.add(effect.id);
    this.#say("order", `${this.#nodeName(effect.node)}: ${effect.action} ${effect.resource.name}${again ? " (the same order again)" : ""}${lost ? " (lost on the way)" : ""}`);
    // A monitor carries out an order once; one that is still waiting there is not doubled.
    if (lost || this.#answers.some((answer) => answer.effect.id === effect.id) || this.#open.some((open) => open.id === effect.id)) return;
    if (this.#answersManual) this.#open.push(effect);
    else this.#answers.push({ at: this.#now + (effect.action === "online" ? ONLINE_MS : OFFLINE_MS), effect });
  }

  #sayStates(): void {
    for (const node of core.describeNodes(this.#cluster)) {
      const drain = `${node.drainStatus === "NotInitiated" ? "" : `, drain ${node.drainStatus}`}${node.quarantinedUntil === null ? "" : ", quarantined"}`;
      this.#sayIfNew(`node ${node.name}`, `node ${node.name}: ${node.state}${drain}`);
    }
    const resources = core.describeResources(this.#cluster);
    const alive = new Set<string>();
    for (const group of core.describeGroups(this.#cluster)) {
      alive.add(group.id);
      const parts = resources.filter((resource) => resource.group === group.name).map((resource) => `${resource.name} ${resource.state}`);
      this.#sayIfNew(group.id, `role ${group.name}: ${group.state}, owner ${group.ownerNode ?? "nobody"}${group.movingTo === null ? "" : ` moving to ${group.movingTo}`}${statusText(group.properties["StatusInformation"])}${group.state === "Offline" && group.wantedState === "Online" ? `: ${group.reason.text}` : ""}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`);
    }
    for (const key of this.#shown.keys()) if (key.startsWith("g") && !alive.has(key)) this.#shown.delete(key);
  }

  #sayIfNew(key: string, text: string): void {
    if (this.#shown.get(key) === text) return;
    this.#shown.set(key, text);
    this.#say("state", text);
  }

  #say(kind: string, text: string): void {
    const shortKinds: Readonly<Record<string, string>> = { information: "event" };
    this.#lines.push(`${String(this.#now).padStart(9)}  ${`${this.#epoch}.${Math.max(0, this.#index)}`.padEnd(6)} ${(shortKinds[kind] ?? kind).padEnd(8)} ${text}`);
  }

  #nodeName(id: number): string {
    return this.#nodes.find((node) => node.id === id)?.name ?? `node ${id}`;
  }
}

/** The bits of StatusInformation, when there are any. */
function statusText(bits: PropertyValue | undefined): string {
  return Number(bits) === 0 ? "" : `, status 0x${Number(bits).toString(16)}`;
}

// ---- the line language ----------------------------------------------------------------

/** Words, with "…" keeping blanks together, also after a `=`. A `#` at the beginning makes a comment. */
function splitWords(line: string): string[] {
  if (line.trimStart().startsWith("#")) return [];
  return [...line.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([word]) => word.replaceAll('"', ""));
}

function milliseconds(text: string): number {
  const match = /^(\d+)(ms|s|min|h)$/.exec(text);
  if (match === null) throw new Error(`${text} is not a time`);
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 };
  return Number(match[1]) * (units[match[2] ?? "ms"] ?? 1);
}

/** Words of the story = fields of the command. */
const MOVE_FLAGS = ["queue=queue", "ignore-locked=ignoreLocked", "return=returnToSource", "out-of-turn=highPriorityStart", "ignore-affinity=ignoreAffinity"];

/** The administrator's commands, in nearly the words of the command line. */
function parseCommand(words: readonly string[]): Command {
  const plain = words.filter((word) => !word.includes("="));
  const pairs = new Map(words.filter((word) => word.includes("=")).map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
  const list = (name: string): string[] | undefined => pairs.get(name)?.split(",").filter((item) => item !== "");
  const [object = "", verb = "", name = "", extra] = plain;
  const force = plain.includes("force");
  const common = (table: PropertyTable): PropertyBag => bagOf(pairs, (key) => table.some((property) => property.name === key));
  const isPrivate = (key: string): boolean => /^[A-Z]/.test(key) && !resourceProperties.some((property) => property.name === key);
  const flags = (...wanted: readonly string[]): Record<string, true> => Object.fromEntries(wanted.map((flag) => flag.split("=") as [string, string]).filter(([word]) => plain.slice(3).includes(word)).map(([, field]) => [field, true as const]));
  switch (`${object} ${verb}`) {
    case "group create":
      return { verb: "group.create", name, properties: common(groupProperties), ...given("preferredOwners", list("preferred")) };
    case "group delete":
      return { verb: "group.delete", group: name, force };
    case "group set":
      return { verb: "group.set", group: name, properties: common(groupProperties), ...given("preferredOwners", list("preferred")), ...given("name", pairs.get("name")), ...given("startsAfter", list("after")) };
    case "group online":
      return { verb: "group.online", group: name, ...given("node", pairs.get("node")), ...flags("best=bestPossible", "ignore-affinity=ignoreAffinity") };
    case "group offline":
      return { verb: "group.offline", group: name, ...flags("ignore-locked=ignoreLocked") };
    case "group move":
      return { verb: "group.move", group: name, ...given("node", pairs.get("node") ?? (extra !== undefined && !MOVE_FLAGS.some((flag) => flag.startsWith(`${extra}=`)) ? extra : undefined)), ...flags(...MOVE_FLAGS) };
    case "group cancel":
      return { verb: "group.cancel", group: name };
    case "groupset create":
      return { verb: "groupset.create", name, properties: common(groupSetProperties), ...given("groups", list("groups")), ...given("startsAfter", list("after")) };
    case "groupset set":
      return { verb: "groupset.set", set: name, properties: common(groupSetProperties), ...given("groups", list("groups")), ...given("startsAfter", list("after")), ...given("name", pairs.get("name")) };
    case "groupset delete":
      return { verb: "groupset.delete", set: name };
    case "cluster set":
      return { verb: "cluster.set", properties: bagOf(pairs, (key) => key !== "name"), ...given("name", pairs.get("name")) };
    case "quorum set":
      return { verb: "quorum.set", witness: name === "none" ? null : { kind: name as WitnessKind, properties: bagOf(pairs, () => true) } };
    case "resource create":
      return {
        verb: "resource.create",
        name,
        group: pairs.get("group") ?? "",
        type: pairs.get("type") ?? "Generic Application",
        properties: common(resourceProperties),
        privateProperties: pairs.get("type") === "IP Address" ? { Address: "127.0.0.100", ...bagOf(pairs, isPrivate) } : { CommandLine: "program", ...bagOf(pairs, isPrivate) },
        ...given("dependency", pairs.get("needs")),
        ...given("possibleOwners", list("possible")),
      };
    case "resource delete":
      return { verb: "resource.delete", resource: name, force };
    case "resource set":
      return { verb: "resource.set", resource: name, properties: common(resourceProperties), privateProperties: bagOf(pairs, isPrivate), ...given("possibleOwners", list("possible")), ...given("name", pairs.get("name")) };
    case "resource depend":
      return { verb: "resource.depend", resource: name, dependency: pairs.get("needs") ?? "" };
    case "resource online":
      return { verb: "resource.online", resource: name };
    case "resource offline":
      return { verb: "resource.offline", resource: name };
    case "resource move":
      return { verb: "resource.move", resource: name, group: extra ?? "" };
    case "resource fail":
      return { verb: "resource.fail", resource: name };
    case "node set":
      return { verb: "node.set", node: name, properties: common(nodeProperties), ...given("faultDomain", pairs.get("domain") === "-" ? null : pairs.get("domain")) };
    case "node clear-quarantine":
      return { verb: "node.clearQuarantine", node: name };
    case "faultdomain create":
      return { verb: "faultdomain.create", name, type: (extra ?? "Site") as FaultDomainType, ...given("parent", pairs.get("parent")) };
    case "faultdomain set":
      return { verb: "faultdomain.set", domain: name, ...given("name", pairs.get("name")), ...given("parent", pairs.get("parent") === "-" ? null : pairs.get("parent")) };
    case "faultdomain delete":
      return { verb: "faultdomain.delete", domain: name };
    case "affinity create":
      return { verb: "affinity.create", name, type: (extra ?? "None") as AffinityRuleType, soft: plain.includes("soft"), ...given("groups", list("groups")) };
    case "affinity set":
      return { verb: "affinity.set", rule: name, ...given("groups", list("groups")), ...(plain.includes("disabled") ? { enabled: false } : {}), ...(plain.includes("soft") ? { soft: true } : {}) };
    case "affinity delete":
      return { verb: "affinity.delete", rule: name };
    case "node pause":
      return { verb: "node.pause", node: name, drain: plain.includes("drain"), ...given("target", pairs.get("target")), ...flags("force=force", "retry=retry") };
    case "node resume":
      return { verb: "node.resume", node: name, failback: extra === "policy" ? "FailbackGroupsPerPolicy" : extra === "failback" };
    case "node shutdown":
      return { verb: "node.shutdown", node: name, ...(plain.includes("nodrain") ? { drain: false } : {}) };
    case "network discover":
      return { verb: "network.discover", node: name, interfaces: [...pairs].filter(([adapter]) => adapter !== "gateway").map(([adapter, addresses]) => ({ adapter, hardwareAddress: "", addresses: addresses.split(","), defaultGateway: pairs.get("gateway") === adapter })) };
    case "network set":
      return { verb: "network.set", network: name, ...given("name", pairs.get("name")), ...([...pairs.keys()].some((key) => key !== "name") ? { properties: common(networkProperties) } : {}) };
    case "node add":
      return { verb: "node.add", name };
    case "node evict":
      return { verb: "node.evict", node: name, force };
    default:
      throw new Error(`not understood: ${words.join(" ")}`);
  }
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { [Key in Name]?: Value };
}

function bagOf(pairs: ReadonlyMap<string, string>, wanted: (key: string) => boolean): PropertyBag {
  const bag: Record<string, PropertyValue> = {};
  for (const [key, value] of pairs) if (wanted(key)) bag[key] = key === "AntiAffinityClassNames" ? value.split(",").filter((item) => item !== "") : /^\d+$/.test(value) ? Number(value) : value;
  return bag;
}
