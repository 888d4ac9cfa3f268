import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Probes, problemOf } from "../../../src/nlb-host/probes.ts";
import type { Health } from "../../../src/nlb-host/probes.ts";
import { ruleKey } from "../../../src/nlb/parameters.ts";
import { cluster, rule } from "../nlb/support.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("what a probe finds after it was taken away counts no more", async () => {
  const waiting: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    waiting.push(response);
    server.emit("asked");
  });
  const told: Health[] = [];
  const probes = new Probes((_rule, health) => told.push(health));
  try {
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const probed = rule({ probe: { kind: "http", port, path: "/", expectedStatus: 200, intervalMs: 1, timeoutMs: 20_000 } });
    const answer = async (status: number): Promise<void> => {
      const response = waiting.shift()!;
      response.writeHead(status).end();
      await once(response, "close");
    };
    const asked = (): Promise<unknown> => once(server, "asked", { signal: AbortSignal.timeout(20_000) });
    let next = asked();
    probes.use(cluster([probed]));
    await next;
    next = asked();
    await answer(500);
    await next;
    // The second refusal, which would make it ill, is on its way.
    probes.use(cluster([rule()]));
    await answer(500);
    await pause(100);
    assert.deepEqual(told, []);
    assert.equal(probes.health(ruleKey(probed)).isHealthy, true);
  } finally {
    probes.stop();
    server.closeAllConnections();
    server.close();
  }
});

test("a balancer that begins later is told what is known", async () => {
  const told: (readonly [string, boolean])[] = [];
  const probed = rule({ probe: { kind: "command", command: "exit 1", intervalMs: 1, timeoutMs: 20_000 } });
  const probes = new Probes((key, { isHealthy }) => told.push([key, isHealthy]));
  try {
    probes.use(cluster([probed]));
    for (let looks = 0; told.length === 0 && looks < 500; looks++) await pause(20);
    probes.repeat();
    assert.deepEqual(told, [[ruleKey(probed), false], [ruleKey(probed), false]]);
  } finally {
    probes.stop();
  }
});

test("a command that does not end takes with it what it has started", async () => {
  const directory = mkdtempSync(join(tmpdir(), "muster-probe-"));
  const path = join(directory, "process");
  const isThere = (): boolean => {
    try {
      // Ended, and not yet waited for by whoever inherits it: gone as well.
      return !readFileSync(`/proc/${readFileSync(path, "utf8").trim()}/stat`, "utf8").includes(") Z ");
    } catch {
      return false;
    }
  };
  try {
    const problem = await problemOf({ kind: "command", command: `sleep 60 & echo $! > ${path}; wait`, intervalMs: 1_000, timeoutMs: 1_000 });
    assert.match(problem!, /did not end within 1000 ms/);
    assert.ok(existsSync(path));
    for (let looks = 0; isThere() && looks < 200; looks++) await pause(20);
    assert.equal(isThere(), false);
  } finally {
    try {
      if (isThere()) process.kill(Number(readFileSync(path, "utf8")), "SIGKILL");
    } catch {
      // It has ended.
    }
    rmSync(directory, { recursive: true });
  }
});

test("a command says with its status how it is, and with its first line why not", async () => {
  const look = (command: string): Promise<string | null> => problemOf({ kind: "command", command, intervalMs: 1_000, timeoutMs: 20_000 });
  assert.equal(await look("echo all is well"), null);
  assert.equal(await look("echo no disk; echo more; exit 3"), "'echo no disk; echo more; exit 3' ended with 3: no disk");
  assert.match((await look("yes"))!, /said more than 4096 characters: y$/);
});
