import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { ClusterState } from "../../../src/core/index.ts";
import { HISTORY_LIMITS } from "../../../src/history/contract.ts";
import type { HistoryStore } from "../../../src/history/contract.ts";
import { HistoryFile } from "../../../src/history/file.ts";
import { HistoryRecorder } from "../../../src/history/recorder.ts";
import { replay } from "../../../src/history/replay.ts";
import { createHistory } from "../../../src/history/store.ts";
import type { CoreInput } from "../../../src/model/inputs.ts";
import { Driver } from "../core/driver.ts";

function inDirectory(run: (directory: string) => Promise<void> | void): () => Promise<void> {
  return async () => {
    const directory = mkdtempSync(join(tmpdir(), "muster-history-"));
    try {
      await run(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
}

/** A driver whose steps are remembered. */
class Remembering extends Driver {
  recorder: HistoryRecorder | null = null;
  /** What the state was, by wall time. */
  readonly past: { readonly wallTimeMs: number; readonly snapshot: string }[] = [];

  override step(input: CoreInput): ReturnType<Driver["step"]> {
    this.now += 7;
    const result = super.step(input);
    const stamp = { epoch: this.epoch, index: this.index, clusterTimeMs: this.now, wallTimeMs: this.now };
    this.recorder?.onEntry(stamp, JSON.stringify(input), result, this.state);
    this.past.push({ wallTimeMs: this.now, snapshot: core.snapshot(this.state) });
    return result;
  }
}

function play(driver: Remembering): void {
  driver.view();
  driver.role("web", { preferred: ["node1"] });
  driver.role("mail");
  driver.fails("web-program");
  driver.wait(1_000);
  driver.down(1);
  driver.settle();
  driver.do({ verb: "group.move", group: "mail" });
}

describe("history", () => {
  test("what is played again is what was, at any moment", inDirectory(async (directory) => {
    const store = createHistory({ path: join(directory, "history.sqlite"), onFailure: (problem) => assert.fail(problem) });
    await store.open();
    const driver = new Remembering();
    driver.recorder = new HistoryRecorder(store);
    play(driver);
    for (const { wallTimeMs, snapshot } of driver.past) {
      const from = await store.replayable(wallTimeMs);
      assert.ok(from !== null, `nothing is known of ${wallTimeMs}`);
      assert.equal(core.snapshot(replay(from)), snapshot);
    }
    assert.equal(await store.replayable(1), null, "before the beginning there is nothing");
    await store.close();
  }));

  test("a state that does not follow from the entries before it is kept at once", inDirectory(async (directory) => {
    const store = createHistory({ path: join(directory, "history.sqlite"), onFailure: (problem) => assert.fail(problem) });
    await store.open();
    const driver = new Remembering();
    driver.recorder = new HistoryRecorder(store);
    play(driver);
    // Fetched from another node: the entries between are unknown here.
    const elsewhere: ClusterState = core.restore(core.snapshot(driver.state));
    driver.recorder = null;
    const recorder = new HistoryRecorder(store);
    driver.do({ verb: "group.offline", group: "web" });
    driver.state = core.restore(core.snapshot(driver.state));
    driver.recorder = recorder;
    driver.do({ verb: "group.online", group: "web" });
    const last = driver.past.at(-1);
    const from = await store.replayable(last?.wallTimeMs ?? 0);
    assert.ok(from !== null && last !== undefined);
    assert.equal(core.snapshot(replay(from)), last.snapshot);
    assert.notEqual(core.snapshot(elsewhere), last.snapshot);
    await store.close();
  }));

  test("the list finds what speaks of a role, and an entry tells what was decided", inDirectory(async (directory) => {
    const store = createHistory({ path: join(directory, "history.sqlite"), onFailure: (problem) => assert.fail(problem) });
    await store.open();
    const driver = new Remembering();
    driver.recorder = new HistoryRecorder(store);
    play(driver);
    const all = await store.list({ sinceMs: null, untilMs: null, about: null, limit: 1_000 });
    const ofMail = await store.list({ sinceMs: null, untilMs: null, about: "mail", limit: 1_000 });
    assert.equal(all.length, driver.past.length);
    assert.ok(ofMail.length > 0 && ofMail.length < all.length);
    assert.ok(ofMail.every((line) => !line.text.includes("'web")), JSON.stringify(ofMail));
    const loss = all.find((line) => line.kind === "view" && line.id.startsWith("2."));
    const entry = await store.find(loss?.id ?? "");
    assert.ok(entry?.decision.events.some((event) => event.code === 1135));
    assert.ok(entry?.decision.orders.some((order) => order.action === "online" && order.resource === "web-program"));
    assert.equal(await store.find("99.99"), null);
    const last = all.at(-1)?.wallTimeMs ?? 0;
    assert.equal((await store.list({ sinceMs: last, untilMs: null, about: null, limit: 10 })).length, 1);
    assert.deepEqual(await store.list({ sinceMs: null, untilMs: 5, about: null, limit: 10 }), []);
    await store.close();
  }));

  test("writes to the free part of the database push nothing out", inDirectory(async (directory) => {
    const store = createHistory({ path: join(directory, "history.sqlite"), onFailure: (problem) => assert.fail(problem) });
    await store.open();
    const driver = new Remembering();
    driver.recorder = new HistoryRecorder(store);
    driver.view();
    const before = driver.past.length;
    for (let number = 0; number < 50; number++) driver.do({ verb: "database.batch", operations: [{ operation: "set", key: `k${number}`, value: { type: "number", value: number } }] });
    assert.equal((await store.list({ sinceMs: null, untilMs: null, about: null, limit: 1_000 })).length, before);
    await store.close();
  }));

  test("the file stays within its limits and keeps a state for every entry it keeps", inDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const file = new HistoryFile(path, { ...HISTORY_LIMITS, bytesMax: 400_000 });
    const filler = "x".repeat(2_000);
    for (let number = 1; number <= 1_000; number++) {
      const stamp = { epoch: 1, index: number, clusterTimeMs: number, wallTimeMs: number };
      const decision = { events: [], orders: [], moves: [], request: null, refusal: null };
      file.record([{ id: `1.${number}`, stamp, kind: "due", input: JSON.stringify({ kind: "due", filler }), decision }], number % 100 === 0 ? `state ${number}` : null);
    }
    const kept = file.list({ sinceMs: null, untilMs: null, about: null, limit: 1_000 });
    assert.ok(kept.length > 20 && kept.length < 400, `${kept.length} entries`);
    assert.equal(kept.at(-1)?.id, "1.1000", "the newest stays");
    for (const line of kept) assert.ok(file.replayable(line.wallTimeMs) !== null, `${line.id} cannot be played again`);
    file.close();
    assert.ok(statSync(path).size < 1_500_000, `${statSync(path).size} bytes`);
  }));

  test("what is older than the limit goes", inDirectory((directory) => {
    const file = new HistoryFile(join(directory, "history.sqlite"), { ...HISTORY_LIMITS, ageMsMax: 1_000 });
    for (let number = 1; number <= 600; number++) {
      const stamp = { epoch: 1, index: number, clusterTimeMs: number, wallTimeMs: number * 10 };
      file.record([{ id: `1.${number}`, stamp, kind: "due", input: '{"kind":"due"}', decision: { events: [], orders: [], moves: [], request: null, refusal: null } }], null);
    }
    const [first] = file.list({ sinceMs: null, untilMs: null, about: null, limit: 1_000 });
    assert.ok(Number(first?.id.slice(2)) >= 400, first?.id);
    file.close();
  }));

  test("a file that cannot be used costs the history and nothing else", inDirectory(async (directory) => {
    const path = join(directory, "history.sqlite");
    writeFileSync(path, "this is no database, and long enough to be taken for one ".repeat(40));
    const problems: string[] = [];
    const store: HistoryStore = createHistory({ path, onFailure: (problem) => problems.push(problem) });
    await store.open();
    const driver = new Remembering();
    driver.recorder = new HistoryRecorder(store);
    play(driver);
    assert.equal(problems.length, 1);
    await assert.rejects(store.list({ sinceMs: null, untilMs: null, about: null, limit: 1 }), /keeps no history/);
    await store.close();
  }));
});
