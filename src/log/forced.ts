import { tokensIn } from "../model/heartbeat.ts";
import { NODES_MAX } from "../model/identifiers.ts";
import type { Weights } from "../model/votes.ts";
import { accept, startForming } from "./formation.ts";
import type { Installing, LogState } from "./state.ts";
import { createInstalling, endEpoch, setStatus } from "./state.ts";
import { timesOf } from "./times.ts";
import type { Install } from "./types.ts";

/**
 * Forced start (PROTOCOL rule 13, reference 4.5): the operator states that the others are down. The node
 * waits until they can serve no more, begins a lineage of its own above all counters, alone and with the
 * only vote, and then takes in whoever is there.
 */

/** 2020. Counters of epochs rise by one, and do not reach what the minutes since then give, times the number of nodes. */
const EPOCH_ZERO_MS = 1_577_836_800_000;
const MINUTE_MS = 60_000;

/** Between the start and the forced view: it proposes nothing and promises nothing. */
export function isForcing(state: LogState): boolean {
  return state.start === "force" && state.view === null;
}

/** Starts once the hold has passed; called on every tick. */
export function forcedTick(state: LogState): void {
  if (!isForcing(state) || state.installing !== null) return;
  const { nowMs, wallTimeMs } = state.clock;
  state.startedAtMs ??= nowMs;
  const leftMs = state.startedAtMs + timesOf(state).holdMs - nowMs;
  if (leftMs > 0) {
    setStatus(state, { phase: "forming", reason: `it was started by force, and waits ${Math.ceil(leftMs)} ms until the others can serve no more` });
    return;
  }
  const { self, store } = state.options;
  const epoch = forcedEpoch(Math.max(state.promised, state.highestSeen), wallTimeMs, self.node);
  const newest = state.entries.weightsInForce(state.committed)[0];
  const weights: Weights = {
    version: (newest?.version ?? 0) + 1,
    votes: [{ node: self.node, store, votes: 1 }],
    witness: null,
    ...(newest === undefined ? {} : tokensIn(newest)),
  };
  const base = state.entries.tag(state.accepted);
  const install: Install = {
    epoch,
    base,
    committed: base.sequence,
    clusterTimeMs: state.clusterTimeMs,
    source: self,
    members: [self],
    stores: [store],
    leftOut: [],
    learners: [],
    orderer: self,
    runtime: null,
    claim: null,
    // The later forced start goes before the earlier one; of two at one moment, the one of the higher node.
    lineage: Math.max(Math.floor(wallTimeMs), Math.floor(state.lineage.number / NODES_MAX) + 1) * NODES_MAX + self.node - 1,
    forcedFrom: { accepted: base.accepted, sequence: base.sequence },
    forced: true,
    discarded: [],
  };
  endEpoch(state, "it is started by force");
  state.promised = epoch;
  state.highestSeen = epoch;
  const installing: Installing = { ...createInstalling(state, install), position: { epoch, index: -1 }, state: "empty", accepts: new Set([self.node]) };
  state.installing = installing;
  accept(state, installing, { promised: epoch, forcedWeights: state.entries.forceWeights(weights) });
}

/** The first number above all that this node knows of, and above all counters, that no other node takes for a forced start. */
function forcedEpoch(known: number, wallTimeMs: number, node: number): number {
  const minutes = Math.max(Math.floor((wallTimeMs - EPOCH_ZERO_MS) / MINUTE_MS), Math.floor(known / NODES_MAX) + 1);
  return minutes * NODES_MAX + node - 1;
}

/** Once it is active alone, whoever is here joins. */
export function takeInOthers(state: LogState): void {
  const { view } = state;
  if (view === null || !view.install.forced || state.engineMembers.length <= 1) return;
  startForming(state, "the forced cluster takes in who is here");
}
