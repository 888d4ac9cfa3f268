import { createState, dryRun, events, step, whatIf } from "../../../src/core/index.ts";
import type { ClusterState } from "../../../src/core/index.ts";
import { MusterError } from "../../../src/model/errors.ts";
import type { CoreInput, Effect } from "../../../src/model/inputs.ts";
import { Joining } from "../../../src/service/joining.ts";
import type { ServiceFacade, ServiceStatus } from "../../../src/service/facade.ts";

/**
 * A service without processes: the real core, stepped here instead of by a log, with
 * programs that do as they are told.
 */
export class FacadeOfCore implements ServiceFacade {
  readonly nodeName = "n1";
  readonly configuration = { format: 1, clusterId: "c", clusterName: "test", nodes: [1, 2, 3].map((id) => ({ id, name: `n${id}`, store: `s${id}` })) } as const;
  readonly directory = "/nowhere";
  lease = async (): Promise<null> => null;
  /** Remembers nothing: what is kept is tested with real nodes. */
  readonly history: ServiceFacade["history"] = {
    list: async () => [],
    find: async (id) => Promise.reject(new MusterError("MUSTER_HISTORY_NOT_FOUND", { field: "id", id })),
    at: async (atMs) => Promise.reject(new MusterError("MUSTER_HISTORY_BEFORE", { field: "at", time: new Date(atMs).toISOString() })),
  };
  readonly joining = new Joining({ directory: this.directory, configuration: this.configuration, state: () => this.#state, read: () => this.read(), command: (command) => this.command(command), tokenMs: () => 0 });
  status: ServiceStatus = { phase: "active", epoch: 1, members: ["n1", "n2", "n3"], orderer: "n1" };
  /** Questions for a consistent state. */
  reads = 0;
  readonly #state: ClusterState = createState({ clusterId: "c", clusterName: "test", nodes: this.configuration.nodes });
  readonly #listeners = new Set<() => void>();
  readonly #databaseListeners = new Set<Parameters<ServiceFacade["onDatabaseChange"]>[0]>();
  #index = -1;
  #number = 0;

  constructor() {
    const members = this.configuration.nodes.map((node) => ({ node: node.id, incarnation: 1 }));
    this.#step({ kind: "view", members, learners: [], orderer: 1 });
    for (const from of members) this.#step({ kind: "inventory", from, resources: [] });
  }

  #step(input: CoreInput): ReturnType<typeof step> {
    this.#index++;
    const result = step(this.#state, { epoch: 1, index: this.#index, clusterTimeMs: 10 * this.#index, wallTimeMs: 1_000 + this.#index }, input);
    for (const effect of result.effects) this.#obey(effect);
    for (const listener of this.#listeners) listener();
    const keys = result.changes.filter((change) => change.table === "keys").map(({ key, value }) => ({ key, value: value === null ? null : JSON.parse(value) }));
    if (keys.length > 0) for (const listener of this.#databaseListeners) listener({ at: { epoch: 1, index: this.#index }, keys, readAgain: false });
    return result;
  }

  #obey(effect: Effect): void {
    const state = effect.action === "online" ? "online" : "offline";
    this.#step({ kind: "report", from: { node: effect.node, incarnation: 1 }, resource: effect.resource.id, generation: effect.generation, effect: effect.id, state, reason: "", processId: null });
  }

  problems(): readonly string[] {
    return [];
  }

  state(): ClusterState {
    if (this.status.phase === "left") throw new MusterError("MUSTER_NO_QUORUM", { reason: this.status.reason });
    return this.#state;
  }

  events() {
    return events(this.#state);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onDatabaseChange(listener: Parameters<ServiceFacade["onDatabaseChange"]>[0]): () => void {
    this.#databaseListeners.add(listener);
    return () => this.#databaseListeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async command(command: Parameters<ServiceFacade["command"]>[0]) {
    const { outcome } = this.#step({ kind: "command", requestId: { node: 1, incarnation: 1, number: ++this.#number }, command });
    if (outcome !== null && outcome.error !== null) throw MusterError.fromBody(outcome.error);
    return { error: null, note: outcome?.note ?? null, at: { epoch: 1, index: this.#index } };
  }

  async read(): Promise<void> {
    this.reads++;
  }

  dryRun(command: Parameters<ServiceFacade["dryRun"]>[0]) {
    return dryRun(this.#state, command);
  }

  whatIf(steps: Parameters<ServiceFacade["whatIf"]>[0]) {
    return whatIf(this.#state, steps);
  }

  async information() {
    return null;
  }

  links(): null {
    return null;
  }

  outputFile(resourceId: string): string {
    return `/nowhere/${resourceId}`;
  }
}
