import { MusterError } from "../model/errors.ts";
import type { ErrorBody } from "../model/errors.ts";
import type { ClusterEvent } from "../model/events.ts";
import type { GroupId } from "../model/identifiers.ts";
import type { CommandInput, CoreInput, CoreRequest, Effect, RequestId, Stamp, WeightsInput } from "../model/inputs.ts";
import type { DurableRow } from "./storage.ts";
import { configure } from "./command.ts";
import type { Reaction } from "./command.ts";
import { StepContext } from "./context.ts";
import type { OwnerChange } from "./context.ts";
import { attemptDue } from "./failure.ts";
import { holdDue, reactToReleased } from "./holds.ts";
import { reactToInventory } from "./inventory-step.ts";
import { REQUEST_FAILURES_KEPT, SERVE_ROUNDS_MAX } from "./limits.ts";
import { settleDrain, settleFailback } from "./drain.ts";
import { reactToConnectivity } from "./network-step.ts";
import { noteLocalTime, placementDue } from "./placement-due.ts";
import { touchFreed } from "./placing.ts";
import { recordWhenDue } from "./recording.ts";
import { configureWeights, reactToWeights, reactToWitness } from "./quorum-step.ts";
import { recordedFailure } from "./recorded.ts";
import { reactToReport } from "./report-step.ts";
import { serveTouched } from "./serve.ts";
import { GROUP_DEADLINE, ONLY, VIEW_DEADLINE } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { openWhenAllReported, reactToView } from "./view-step.ts";

/** A durable row that a step wrote; null = deleted. */
export type DurableRowChange = Omit<DurableRow, "value"> & { readonly value: string | null };

export interface StepOutcome {
  readonly requestId: RequestId;
  readonly error: ErrorBody | null;
  /** The request was handled before: nothing happened, and `error` is the answer of that time. */
  readonly duplicate: boolean;
  /** A remark for the one who asked: "nothing to do", "used next time". */
  readonly note: string | null;
}

export interface StepResult {
  readonly effects: readonly Effect[];
  readonly changes: readonly DurableRowChange[];
  readonly events: readonly ClusterEvent[];
  readonly ownerChanges: readonly OwnerChange[];
  /** Of commands only. */
  readonly outcome: StepOutcome | null;
  /** Commands the state gives rise to: the service of the orderer sends them. */
  readonly requests: readonly CoreRequest[];
  /** A fault of the core itself: the step left no trace in the run-time state, equally on all nodes. */
  readonly fault: ErrorBody | null;
}

const NOTHING: StepResult = { effects: [], changes: [], events: [], ownerChanges: [], outcome: null, requests: [], fault: null };

/**
 * Handles one entry of the log. The same entries give the same state on every node; a step that
 * throws inside changes nothing. Only a command and new votes write durable tables, and only from what the
 * durable tables held before: so a log replayed without run-time state makes an equal database.
 */
export function step(state: ClusterState, stamp: Stamp, input: CoreInput): StepResult {
  if (input.kind === "command") return stepCommand(state, stamp, input);
  if (input.kind === "weights") return stepWeights(state, stamp, input);
  // Reports and deadlines mean nothing before the first view.
  if (input.kind !== "view" && state.tables.view.get(ONLY) === undefined) return NOTHING;
  try {
    const { effects, events, ownerChanges, requests } = react(state, stamp, (context) => {
      switch (input.kind) {
        case "view":
          reactToView(context, input);
          return null;
        case "report":
          reactToReport(context, input);
          return null;
        case "inventory":
          reactToInventory(context, input);
          return null;
        case "released":
          reactToReleased(context, input);
          return null;
        case "connectivity":
          reactToConnectivity(context, input);
          return null;
        case "witness":
          reactToWitness(context, input);
          return null;
        case "due":
          noteLocalTime(context, input.utcOffsetMinutes);
          recordWhenDue(context);
          for (const key of state.dueDeadlines(context.now)) {
            if (holdDue(context, key) || placementDue(context, key)) continue;
            if (key === VIEW_DEADLINE) openWhenAllReported(context);
            else if (key.startsWith(GROUP_DEADLINE)) lookAtGroup(context, key.slice(GROUP_DEADLINE.length));
            else attemptDue(context, key);
          }
          return null;
        default:
          return null;
      }
    });
    return { ...NOTHING, effects, events, ownerChanges, requests };
  } catch (error) {
    state.rollback();
    return { ...NOTHING, fault: MusterError.from(error).toBody() };
  }
}

/** A group waits no longer than this, unless it says so again: a moment that stayed in the past would be the next one for ever. */
function lookAtGroup(context: StepContext, id: GroupId): void {
  context.setGroup(id, { lookAtMs: null });
  context.touched.add(id);
}

/** New votes are part of the database: every node that has the entry has them. */
function stepWeights(state: ClusterState, stamp: Stamp, input: WeightsInput): StepResult {
  state.begin("configure");
  const before = configureWeights(state, input);
  const changes = state.commit();
  if (state.tables.view.get(ONLY) === undefined) return { ...NOTHING, changes };
  const { effects, events, ownerChanges } = react(state, stamp, (context) => {
    reactToWeights(context, input, before);
    return null;
  });
  return { ...NOTHING, effects, events, ownerChanges, changes };
}

function stepCommand(state: ClusterState, stamp: Stamp, { requestId, command }: CommandInput): StepResult {
  const repeated = repetition(state, requestId);
  if (repeated !== null) return { ...NOTHING, outcome: repeated };

  let reaction: Reaction | null = null;
  let failure: ErrorBody | null = null;
  state.begin("configure");
  try {
    reaction = configure({ state, stamp }, command);
  } catch (error) {
    state.rollback();
    failure = MusterError.from(error).toBody();
    state.begin("configure");
  }
  recordRequest(state, requestId, failure);
  const changes = state.commit();
  const outcome = { requestId, error: failure, duplicate: false, note: null };
  // Without a view this is a replay of the log: what runs is not known, and nothing is ordered.
  if (reaction === null || state.tables.view.get(ONLY) === undefined) return { ...NOTHING, changes, outcome };

  try {
    const { effects, events, ownerChanges, requests, note } = react(state, stamp, reaction);
    return { effects, events, ownerChanges, changes, outcome: { ...outcome, note }, requests, fault: null };
  } catch (error) {
    state.rollback();
    const refusal = MusterError.from(error).toBody();
    rememberRefusal(state, requestId, refusal);
    return { ...NOTHING, changes, outcome: { ...outcome, error: refusal }, fault: refusal.code === "MUSTER_INTERNAL" ? refusal : null };
  }
}

/** Runs the second half of a step, then serves every group it touched. */
function react(state: ClusterState, stamp: Stamp, reaction: Reaction): Pick<StepContext, "effects" | "events" | "ownerChanges" | "requests"> & { note: string | null } {
  state.begin("react");
  const context = new StepContext(state, stamp);
  const note = reaction(context);
  serveAll(context);
  for (const id of [...context.relieved].sort((left, right) => left - right)) settleDrain(context, id);
  for (const id of [...context.returning].sort((left, right) => left - right)) settleFailback(context, id);
  state.tables.position.put(ONLY, { epoch: stamp.epoch, index: stamp.index, clusterTimeMs: context.now, wallTimeMs: stamp.wallTimeMs });
  state.commit();
  return { effects: context.effects, events: context.events, ownerChanges: context.ownerChanges, requests: context.requests, note };
}

/** What one role gives up another may take, and so on: each round places or stops something, and there is an end to that. */
function serveAll(context: StepContext): void {
  for (let round = 0; round < SERVE_ROUNDS_MAX; round++) {
    serveTouched(context);
    if (!touchFreed(context)) return;
  }
}

// ---- requests that come twice (PROTOCOL rule 8) -------------------------------

function repetition(state: ClusterState, requestId: RequestId): StepOutcome | null {
  const row = state.tables.requests.get(String(requestId.node));
  if (row === undefined || requestId.incarnation > row.incarnation) return null;
  if (requestId.incarnation < row.incarnation) {
    // Nobody waits for a former life; but a clock that was set back makes the present one look like it, and it must not be told that all is done.
    const refusal = new MusterError("MUSTER_NO_QUORUM", { reason: "a later life of this node is known; if its clock was set back, start its service again when the clock is right" });
    return { requestId, error: refusal.toBody(), duplicate: true, note: null };
  }
  if (requestId.incarnation === row.incarnation && requestId.number > row.highest) return null;
  return { requestId, error: recordedFailure(state, requestId), duplicate: true, note: null };
}

function recordRequest(state: ClusterState, requestId: RequestId, failure: ErrorBody | null): void {
  const key = String(requestId.node);
  const row = state.tables.requests.get(key);
  const before = row?.incarnation === requestId.incarnation ? row.failures : [];
  const failures = failure === null ? before : [...before, [requestId.number, failure] as const].slice(-REQUEST_FAILURES_KEPT);
  state.tables.requests.put(key, { incarnation: requestId.incarnation, highest: requestId.number, failures });
}

/** A refusal that depends on what runs cannot be durable: a replay would not know it. */
function rememberRefusal(state: ClusterState, requestId: RequestId, refusal: ErrorBody): void {
  const key = String(requestId.node);
  state.begin("react");
  const row = state.tables.refusals.get(key);
  const before = row?.incarnation === requestId.incarnation ? row.failures : [];
  state.tables.refusals.put(key, { incarnation: requestId.incarnation, failures: [...before, [requestId.number, refusal] as const].slice(-REQUEST_FAILURES_KEPT) });
  state.commit();
}
