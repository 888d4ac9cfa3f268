import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { quoteCommandLine } from "../../../src/model/command-line.ts";
import type { TestHost } from "../monitor/helpers.ts";
import { Workbench, until } from "../monitor/helpers.ts";

const has = (program: string): boolean => spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

describe("programs people run", () => {
  let bench: Workbench;
  let node: TestHost;
  let other: TestHost;
  before(async () => {
    bench = new Workbench();
    node = await bench.host(1).start();
    other = await bench.host(2).start();
    writeFileSync(bench.path("index.html"), "hello from the role\n");
  });
  after(() => bench.close());

  /** Serves on one node, is moved, and serves on the other, on the same port. */
  async function movesWith(id: string, words: readonly string[], port: number): Promise<void> {
    const url = `http://127.0.0.1:${port}/index.html`;
    const resource = bench.application(id, quoteCommandLine(words), { HealthCheckUrl: url });
    await node.bringOnline(bench.online(resource, 1));
    assert.match(await (await fetch(url)).text(), /hello/);
    const effect = bench.effect();
    node.host.send({ kind: "offline", effect, generation: 1, resource: id, reason: "moved" });
    await node.reaches(id, "offline", effect);
    await other.bringOnline(bench.online(resource, 2));
    assert.match(await (await fetch(url)).text(), /hello/);
    // The owner's monitor dies, and the first node takes over while the port may still be in the old hands.
    process.kill(other.monitorProcessId, "SIGKILL");
    await node.bringOnline(bench.online(resource, 3));
    assert.match(await (await fetch(url)).text(), /hello/);
    await until("the death to be noticed", () => other.deaths.length > 0);
    assert.match(bench.output(id), /node1\] started process \d+, generation 3/);
  }

  test("python3 -m http.server", { skip: !has("python3") }, async () => {
    const port = await freePort();
    await movesWith("python", ["python3", "-m", "http.server", "--bind", "127.0.0.1", String(port)], port);
  });

  test("a Node HTTP server", async () => {
    const port = await freePort();
    await movesWith("node", [process.execPath, "-e", `require("node:http").createServer((q, r) => r.end("hello")).listen(${port}, "127.0.0.1")`], port);
  });
});
