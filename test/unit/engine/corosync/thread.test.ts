import assert from "node:assert/strict";
import { test } from "node:test";
import { CorosyncThread } from "../../../../src/engine/corosync/thread.ts";
import type { MusterError } from "../../../../src/model/errors.ts";

/** The engine's side of a thread that fails; no corosync is needed here, but its libraries' callers are not loaded either. */

interface Told {
  readonly alone: string[];
  readonly notices: string[];
  readonly over: MusterError[];
}

function start(failure: string, hangTimeoutMs: number): { thread: CorosyncThread; told: Told } {
  const told: Told = { alone: [], notices: [], over: [] };
  const thread = new CorosyncThread({
    worker: { self: { node: 1, incarnation: 1 }, protocolVersion: 1, group: failure, linkIntervalMs: 1_000 },
    workerUrl: new URL("./broken-worker.ts", import.meta.url),
    hangTimeoutMs,
    onMembers: () => {},
    onMessage: () => {},
    onAlone: (problem) => told.alone.push(problem),
    onLinks: () => {},
    onNotice: (text) => told.notices.push(text),
    onRefused: () => undefined,
    onOver: (error) => told.over.push(error),
  });
  return { thread, told };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 15_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a thread that is held up: alone, another one is started, and after a few this incarnation is over", async () => {
  const { thread, told } = start("hangs", 120);
  await until("alone", () => told.alone.length > 0);
  await until("replaced", () => told.notices.some((text) => text.includes("another one is started")));
  await until("over", () => told.over.length > 0);
  assert.match(told.over[0]!.message, /2 threads of the engine hang/);
  await thread.stop();
});

test("a thread that ends by itself is started again, and this node is alone meanwhile", async () => {
  const { thread, told } = start("ends", 300);
  await until("started again", () => told.notices.filter((text) => text.includes("it is started again")).length >= 2);
  await until("alone", () => told.alone.length > 0);
  await thread.stop();
});

test("a thread that lives and has nothing to tell: alone, so that the service can start", async () => {
  const { thread, told } = start("silent", 300);
  await until("alone", () => told.alone.length > 0);
  assert.deepEqual(told.alone, ["corosync has formed no membership yet"]);
  await thread.stop();
  assert.deepEqual(told.over, []);
});
