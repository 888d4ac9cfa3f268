import type { Database } from "../database/contract.ts";
import type { AcceptedInstall } from "../lease/ledger.ts";
import type { Engine } from "../engine/contract.ts";
import type { LeaveCause, LogEntry, LogStatus } from "../log/types.ts";
import { configuredWitness, witnessState } from "../core/index.ts";
import type { StepResult } from "../core/index.ts";
import { MusterError } from "../model/errors.ts";
import type { ClusterEvent } from "../model/events.ts";
import type { Member } from "../model/identifiers.ts";
import { monotonicMs, utcOffsetMinutes } from "../monitor/clock.ts";
import type { LeaseHost } from "../leasing/host.ts";
import type { MonitorHost } from "../monitor/contract.ts";
import { createMonitorHost } from "../monitor/host.ts";
import { machineAdapters } from "./adapters.ts";
import { clusterPaths, initialWeights } from "./cluster-files.ts";
import type { ClusterConfiguration } from "./cluster-files.ts";
import type { EngineSource } from "./engines.ts";
import { ClusterNode } from "./node.ts";
import { lastIncarnation, openStore } from "./store.ts";
import type { OpenedStore } from "./store.ts";
import { WitnessSight } from "./witness-sight.ts";

/** Everything that one incarnation of the service holds. */
export interface Life {
  readonly member: Member;
  readonly node: ClusterNode;
  readonly engine: Engine;
  readonly monitor: MonitorHost;
  readonly database: Database;
  readonly lease: LeaseHost | null;
  readonly sight: WitnessSight;
  readonly timer: NodeJS.Timeout;
  over: boolean;
  typesRegistered: boolean;
}

export interface LifeOptions {
  readonly directory: string;
  readonly configuration: ClusterConfiguration;
  readonly node: { readonly id: number; readonly name: string };
  readonly workingDirectory: string;
  readonly engines: EngineSource;
  /** A number above that of all lives before, even when the clock was set back; `known` is the highest in the database. */
  readonly nextIncarnation: (known: number) => number;
  readonly start?: "force" | "prevent";
  readonly log: (line: string) => void;
}

export interface LifeListener {
  /** No order is passed on any more but permits. */
  isStopping(): boolean;
  /** Runs what a step may throw out of. */
  guarded(action: () => void): void;
  onMessage(life: Life): void;
  onFetch(life: Life, request: Uint8Array): Promise<Uint8Array>;
  onEvents(events: readonly ClusterEvent[]): void;
  onStatus(life: Life, status: LogStatus): void;
  onEntry(life: Life, entry: LogEntry, result: StepResult): void;
  onLeave(life: Life, cause: LeaveCause | "engine" | "lease", reason: string): void;
}

const FETCH_TIMEOUT_MS = 30_000;

/**
 * Starts one life of the Cluster Service on the real world: its copy of the database, its monitor, its engine.
 * @returns null when it had to leave while it joined @throws MusterError when this node cannot run as it is set up
 */
export async function startLife(options: LifeOptions, listener: LifeListener): Promise<Life | null> {
  const opened = await openStore(options.directory, options.configuration, options.node.name);
  try {
    return await runLife(options, listener, opened);
  } catch (error) {
    // Its lock would keep out every later life of this process.
    await opened.database.close().catch(() => undefined);
    throw error;
  }
}

async function runLife(options: LifeOptions, listener: LifeListener, { database, durable, store }: OpenedStore): Promise<Life | null> {
  const { directory, configuration, node: self, workingDirectory, engines, log } = options;
  const member: Member = { node: self.id, incarnation: options.nextIncarnation(lastIncarnation(durable, self.id)) };
  if (durable.damage !== null) {
    log(new MusterError("MUSTER_DATABASE_CORRUPT", { path: clusterPaths.database(directory, self.name), ...durable.damage }).message);
  }
  const monitor = createMonitorHost({
    directory,
    clusterId: configuration.clusterId,
    clusterName: configuration.clusterName,
    node: self,
    incarnation: member.incarnation,
    workingDirectory,
    resourceTypeDirectory: clusterPaths.resourceTypes(directory),
    // Made below: nothing is owned before there is a lease.
    ...(engines.releaseOf === undefined ? {} : { release: engines.releaseOf(member) }),
    ...(engines.createLease === undefined ? {} : { addresses: { own: (addresses: readonly string[]) => life.lease!.ownAddresses(addresses) } }),
  });
  const engine = engines.create(member);
  const lease = engines.createLease?.(member, {
    onPermit: (untilMs) => {
      if (!life.over) listener.guarded(() => life.node.onPermit(untilMs));
    },
    onReleased: (released) => {
      if (!life.over) listener.guarded(() => life.node.onReleased(released));
    },
    onExit: (reason) => listener.onLeave(life, "lease", reason),
  }) ?? null;
  const life: { -readonly [Key in keyof Life]: Life[Key] } = { member, engine, monitor, database, lease, over: false, typesRegistered: false } as Life;
  const leave = (cause: LeaveCause | "engine" | "lease", reason: string): void => listener.onLeave(life, cause, reason);
  life.node = new ClusterNode({ ...engines.times, self: member, store, direct: engine.datagram !== undefined, ...(options.start === undefined ? {} : { start: options.start }) }, durable, initialWeights(configuration), {
    clock: () => ({ nowMs: monotonicMs(), wallTimeMs: Date.now() }),
    utcOffsetMinutes,
    multicast: (payload) => engine.multicast(payload),
    ...(engine.datagram === undefined ? {} : { datagram: (payload: Uint8Array) => engine.datagram!(payload) }),
    fetch: (from, request, done) => {
      engine.fetch(from, request, FETCH_TIMEOUT_MS).then(done, () => done(null));
    },
    write: (write, done) => database.write(write, done),
    writeLazily: (write) => database.writeLazily(write),
    order: (order) => {
      if (!listener.isStopping() || order.kind === "permit") monitor.send(order);
    },
    inventory: () => monitor.inventory(),
    ...(engines.heardThrough === undefined ? {} : { heardThrough: (addresses: readonly string[]) => engines.heardThrough!(addresses) }),
    ...(lease === null ? {} : { lease, holdsOf: (_excluded: readonly Member[], install: AcceptedInstall) => lease.accept(install) }),
    ...(engines.connectWitness === undefined ? {} : { connectWitness: engines.connectWitness }),
    adapters: engines.adapters ?? machineAdapters,
    onEvents: (happened) => listener.onEvents(happened),
    onStatus: (status) => listener.onStatus(life, status),
    onLeave: leave,
    onEntry: (entry, result) => listener.onEntry(life, entry, result),
  });
  life.sight = new WitnessSight({
    watched: () => {
      const { replica, machine } = life.node;
      return replica.status.phase === "active" && !replica.isOrderer && witnessState(machine.state)?.state === "online" ? configuredWitness(machine.state) : null;
    },
    connect: (record) => engines.connectWitness?.(record) ?? null,
    onNotice: log,
  });
  let isReady = false;
  // The lease worker takes a main loop that it does not hear of for dead, also while it starts.
  life.timer = setInterval(() => {
    lease?.alive();
    if (!isReady || life.over) return;
    listener.guarded(() => life.node.tick());
    life.sight.tick(monotonicMs());
  }, engines.loopMs);
  try {
    await lease?.start();
    await monitor.start({
      onReport: (report) => {
        if (!life.over && !listener.isStopping()) listener.guarded(() => life.node.onReport(report));
      },
      onDied: (reason) => {
        log(`the resource monitor died: ${reason}`);
        if (!life.over) listener.guarded(() => life.node.onMonitorDied());
      },
    });
    await engine.start({
      onMembers: (members) => {
        if (!life.over) listener.guarded(() => life.node.onMembers(members));
      },
      onMessage: (from, payload) => {
        if (life.over) return;
        listener.guarded(() => life.node.onMessage(from, payload));
        listener.onMessage(life);
      },
      onDatagram: (from, payload) => {
        if (life.over) return;
        listener.guarded(() => life.node.replica.onDatagram(from, payload));
        listener.onMessage(life);
      },
      onFetch: (_from, request) => listener.onFetch(life, request),
      onLost: (reason) => leave("engine", reason),
    });
  } catch (error) {
    const hasLeft = life.over;
    life.over = true;
    clearInterval(life.timer);
    await Promise.allSettled([engine.stop(), monitor.stop({ graceful: false, reason: "the service could not start" }), lease?.close(), database.close()]);
    // Whoever ended it has planned the next one.
    if (hasLeft) return null;
    throw error;
  }
  // It may have had to leave while it was joining.
  if (life.over) return null;
  isReady = true;
  return life;
}
