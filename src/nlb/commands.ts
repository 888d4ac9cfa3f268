import { giveUp, stayOut } from "./adopting.ts";
import type { Turn } from "./convergence-state.ts";
import { isRunning } from "./convergence-state.ts";
import type { Command, Mode } from "./inputs.ts";
import { ReturnCode } from "./states.ts";
import type { RuleState } from "./assignment.ts";

/** What an administrator asks of a host, with the answers of Windows (reference: NLB 15.3). */

export function obey(turn: Turn, request: number, command: Command): void {
  turn.effects.push({ do: "answer", request, code: carryOut(turn, command) });
}

function carryOut(turn: Turn, command: Command): number {
  const { state } = turn;
  const wasDraining = state.mode === "draining";
  if (state.mode === "suspended" && command.verb !== "resume" && command.verb !== "suspend") return ReturnCode.suspended;
  switch (command.verb) {
    case "start":
      if (state.mode === "started") return ReturnCode.already;
      setMode(turn, "started");
      if (wasDraining) return ReturnCode.drainStop;
      listen(turn);
      return ReturnCode.ok;
    case "stop":
      if (state.mode === "stopped") return ReturnCode.already;
      halt(turn, "stopped");
      return wasDraining ? ReturnCode.drainStop : ReturnCode.ok;
    case "drainstop":
      if (state.mode === "stopped") return ReturnCode.stopped;
      if (wasDraining) return ReturnCode.already;
      setMode(turn, "draining");
      state.openConnections = null;
      return ReturnCode.ok;
    case "suspend": {
      if (state.mode === "suspended") return ReturnCode.already;
      const wasRunning = isRunning(state);
      halt(turn, "suspended");
      if (wasDraining) return ReturnCode.drainStop;
      return wasRunning ? ReturnCode.stopped : ReturnCode.ok;
    }
    case "resume":
      if (state.mode !== "suspended") return ReturnCode.already;
      setMode(turn, "stopped");
      return ReturnCode.ok;
    default:
      return controlRules(turn, command.verb, command.rule);
  }
}

function setMode(turn: Turn, mode: Mode): void {
  const { state } = turn;
  state.mode = mode;
  state.isStale = true;
  state.sendSoon = true;
  turn.effects.push({ do: "persist", mode });
}

/** Listens for H before it would be taken in, as at its begin. */
export function listen(turn: Turn): void {
  const { state, nowMs } = turn;
  state.listeningSinceMs = nowMs;
  stayOut(turn, "listening", 0);
  // Connections from before go on, although nothing is owned yet.
  state.isPlanStale = true;
}

/** Ends the part this host takes: established connections too are dropped. */
export function halt(turn: Turn, mode: "stopped" | "suspended"): void {
  setMode(turn, mode);
  turn.effects.push({ do: "event", name: "NlbHostInactive", cause: null, text: `Load balancing was ${mode} on host ${turn.state.self.host}.`, next: mode === "stopped" ? "muster nlb start" : "muster nlb resume" });
  giveUp(turn);
}

const STATES: Readonly<Record<"enable" | "disable" | "drain", RuleState>> = { enable: "enabled", disable: "disabled", drain: "draining" };
const EVENTS = { enable: "NlbRuleEnabled", disable: "NlbRuleDisabled", drain: "NlbRuleDraining" } as const;

function controlRules(turn: Turn, verb: "enable" | "disable" | "drain", rule: string | null): number {
  const { state } = turn;
  if (state.mode === "stopped") return ReturnCode.stopped;
  if (state.mode === "draining") return ReturnCode.draining;
  const keys = rule === null ? state.wanted.ruleKeys : state.wanted.ruleKeys.filter((key) => key === rule);
  if (keys.length === 0) return ReturnCode.notFound;
  const changed = keys.filter((key) => (state.ruleStates.get(key) ?? "enabled") !== STATES[verb]);
  if (changed.length === 0) return ReturnCode.already;
  for (const key of changed) {
    state.ruleStates.set(key, STATES[verb]);
    turn.effects.push({ do: "event", name: EVENTS[verb], cause: null, text: `The port rule '${key}' is ${STATES[verb]} on host ${state.self.host}.`, next: verb === "enable" ? null : `muster nlb enable '${key}'` });
  }
  state.isStale = true;
  state.sendSoon = true;
  // What is dropped at once, or let through again, does not wait for a new map.
  state.isPlanStale = true;
  return ReturnCode.ok;
}
