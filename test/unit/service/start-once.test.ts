import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { forgetStartOnce, keepUntilInView, takeStartOnce, writeStartOnce } from "../../../src/host/start-once.ts";
import type { ServiceStatus } from "../../../src/service/facade.ts";

const WRITTEN_MS = 1_700_000_000_000;
const BOOT = "4c0a";

describe("how the next start shall be, once", () => {
  let directory: string;
  let path: string;
  let said: string[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "muster-once-"));
    path = join(directory, "start-once.json");
    said = [];
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const take = (laterMs = 1_000, boot = BOOT) => takeStartOnce(directory, (line) => said.push(line), { wallTimeMs: WRITTEN_MS + laterMs, boot });

  test("a forced start counts once, and only root can ask for it", () => {
    writeStartOnce(directory, "force", WRITTEN_MS);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(take(), "force");
    assert.equal(existsSync(path), false);
    assert.equal(take(), undefined);
    assert.deepEqual(said, []);
  });

  for (const mode of ["force", "prevent"] as const) {
    test(`${mode}: it counts for a minute, and never before its time`, () => {
      for (const [laterMs, why] of [[60_001, /60 s old/], [86_400_000, /86400 s old/], [-1, /set back/]] as const) {
        writeStartOnce(directory, mode, WRITTEN_MS);
        assert.equal(take(laterMs), undefined);
        assert.equal(existsSync(path), false);
        assert.match(said.at(-1)!, why);
      }
      writeStartOnce(directory, mode, WRITTEN_MS);
      assert.equal(take(60_000), mode);
    });
  }

  test("what cannot be read is removed, and the log says so", () => {
    for (const text of ["", "{", "null", "[]", '"force"', '{"mode":"force"}', '{"mode":"often","wallTimeMs":1}', `{"mode":"force","wallTimeMs":"${WRITTEN_MS}"}`, `{"mode":"prevent","wallTimeMs":${WRITTEN_MS},"boot":1}`]) {
      writeFileSync(path, text);
      assert.equal(take(), undefined, text);
      assert.equal(existsSync(path), false, text);
      assert.match(said.at(-1)!, /start-once\.json is ignored and removed: it cannot be read/);
    }
    mkdirSync(path);
    assert.equal(take(), undefined);
    assert.equal(existsSync(path), false);
  });

  test("that a node may only join outlasts the death of its service, but not the machine", () => {
    writeStartOnce(directory, "prevent", WRITTEN_MS);
    assert.equal(take(), "prevent");
    assert.equal(take(600_000), "prevent", "started anew by systemd, however late");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(said, []);
    assert.equal(take(1_000, "another"), undefined);
    assert.match(said.at(-1)!, /before the machine was started/);
    assert.equal(existsSync(path), false);
  });

  test("a forced start is kept by nothing that stands in the file", () => {
    writeFileSync(path, JSON.stringify({ mode: "force", wallTimeMs: WRITTEN_MS, boot: BOOT }));
    assert.equal(take(600_000), undefined);
  });

  test("it is over when the node has been in a view, or is stopped in good order", () => {
    const calls: string[] = [];
    const listeners = new Set<() => void>();
    const service = { status: { phase: "waiting", reason: "" } as ServiceStatus, onChange: (listener: () => void) => (listeners.add(listener), () => listeners.delete(listener)) };
    const change = (status: ServiceStatus): void => {
      service.status = status;
      for (const listener of listeners) listener();
    };
    const inner = { ready: () => void calls.push("ready"), stopping: (reason: string) => void calls.push(reason) };
    writeStartOnce(directory, "prevent", WRITTEN_MS);
    take();
    keepUntilInView(directory, inner).ready(service);
    change({ phase: "forming", reason: "" });
    assert.match(readFileSync(path, "utf8"), /prevent/);
    change({ phase: "active", epoch: 1, members: ["n1"], orderer: "n1" });
    assert.equal(existsSync(path), false);
    assert.equal(listeners.size, 0);

    service.status = { phase: "waiting", reason: "" };
    writeStartOnce(directory, "prevent", WRITTEN_MS);
    take();
    const observer = keepUntilInView(directory, inner);
    observer.ready(service);
    observer.stopping("asked to");
    assert.equal(existsSync(path), false);
    assert.equal(listeners.size, 0);
    assert.deepEqual(calls, ["ready", "ready", "asked to"]);
  });

  test("to forget is no error, whether it is there or not", () => {
    writeStartOnce(directory, "force");
    forgetStartOnce(directory);
    forgetStartOnce(directory);
    assert.equal(existsSync(path), false);
  });
});
