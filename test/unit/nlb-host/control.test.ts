import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { BalancerThread } from "../../../src/nlb-host/balancer-thread.ts";
import { HostControl } from "../../../src/nlb-host/control.ts";
import type { CommandRequest } from "../../../src/nlb-host/facade.ts";
import type { BalancerSnapshot } from "../../../src/nlb-host/messages.ts";
import type { Others } from "../../../src/nlb-host/others.ts";
import { step } from "../../../src/nlb/convergence.ts";
import { createState } from "../../../src/nlb/convergence-state.ts";
import type { Command } from "../../../src/nlb/inputs.ts";
import { ruleKey } from "../../../src/nlb/parameters.ts";
import { ReturnCode } from "../../../src/nlb/states.ts";
import { cluster, host, rule } from "../nlb/support.ts";

const WEB = rule();
const MAIL = rule({ startPort: 25, endPort: 25 });
const CLUSTER = cluster([WEB, MAIL]);

/** A host whose commands go to the real convergence, by a clock that the test moves. */
function controlled(context: TestContext) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const state = createState(CLUSTER, host(1), 10, 0, "started", 0);
  step(state, { kind: "begin" }, 0);
  let refusal: number | null = null;
  const ask = async ({ command }: { readonly command: Command }): Promise<number> => refusal ?? step(state, { kind: "command", request: 1, command }, 0).find((effect) => effect.do === "answer")!.code;
  const control = new HostControl(() => ({ ask }) as unknown as BalancerThread, {} as Others, () => CLUSTER, () => undefined);
  const obey = async (verb: CommandRequest["verb"], of: Partial<CommandRequest> = {}): Promise<number | null> => (await control.command({ self: { host: 1 }, peers: [] } as unknown as BalancerSnapshot, { verb, rule: null, hosts: null, deadlineMs: null, ...of }))[0]!.code;
  const pass = async (timeMs: number): Promise<void> => {
    context.mock.timers.tick(timeMs);
    // What a deadline set off comes to its end.
    for (let turns = 0; turns < 20; turns++) await Promise.resolve();
  };
  const states = (): (string | undefined)[] => [WEB, MAIL].map((one) => state.ruleStates.get(ruleKey(one)));
  return { state, control, obey, pass, states, refuse: (code: number | null) => (refusal = code) };
}

test("a rule's deadline ends with its draining, whether one rule or all are enabled, or drained", async (context) => {
  const { obey, pass, states } = controlled(context);
  await obey("drain", { rule: ruleKey(WEB), deadlineMs: 600_000 });
  await obey("enable");
  await pass(600_000);
  assert.deepEqual(states(), ["enabled", undefined]);
  await obey("drain", { deadlineMs: 600_000 });
  await obey("enable", { rule: ruleKey(WEB) });
  await pass(600_000);
  assert.deepEqual(states(), ["enabled", "disabled"]);
});

test("a deadline of a command that was refused does not count, and takes away none", async (context) => {
  const { state, obey, pass, refuse } = controlled(context);
  refuse(ReturnCode.suspended);
  await obey("drainstop", { deadlineMs: 60_000 });
  refuse(null);
  await pass(60_000);
  assert.equal(state.mode, "started");
  await obey("drainstop", { deadlineMs: 60_000 });
  refuse(ReturnCode.suspended);
  await obey("start");
  refuse(null);
  await pass(60_000);
  assert.equal(state.mode, "stopped");
});

test("who drains already keeps the deadline, or gets another one; a start ends it", async (context) => {
  const { state, obey, pass } = controlled(context);
  await obey("drainstop", { deadlineMs: 60_000 });
  assert.equal(await obey("drainstop"), ReturnCode.already);
  await pass(60_000);
  assert.equal(state.mode, "stopped");
  await obey("start");
  await obey("drainstop", { deadlineMs: 60_000 });
  await obey("drainstop", { deadlineMs: 120_000 });
  await pass(60_000);
  assert.equal(state.mode, "draining");
  await obey("start");
  await pass(120_000);
  assert.equal(state.mode, "started");
});

test("a stopped host that refused to drain a rule does not disable it after its start", async (context) => {
  const { obey, pass, states } = controlled(context);
  await obey("stop");
  assert.equal(await obey("drain", { rule: ruleKey(WEB), deadlineMs: 60_000 }), ReturnCode.stopped);
  await obey("start");
  await pass(60_000);
  assert.deepEqual(states(), [undefined, undefined]);
});
