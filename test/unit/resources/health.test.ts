import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { getEventListeners } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { quoteCommandLine } from "../../../src/model/command-line.ts";
import { checkUrl, parseHealthCheckUrl } from "../../../src/resources/health-check.ts";
import type { TestHost } from "../monitor/helpers.ts";
import { Workbench, runs, until } from "../monitor/helpers.ts";

const FAST_POLLS = { LooksAlivePollInterval: 100, IsAlivePollInterval: 150 };

/** A server that answers slowly at first, and as the files "sick" and "mute" beside it say. */
const SERVER = `
const fs = require("node:fs");
console.log("starting");
setTimeout(() => {
  require("node:http").createServer((request, response) => {
    if (fs.existsSync("mute")) return;
    response.statusCode = fs.existsSync("sick") ? 503 : 404;
    response.end("hello");
  }).listen(0, "127.0.0.1", function () { fs.writeFileSync("port", String(this.address().port)); });
}, 300);
`;

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

describe("health of a Generic Application", () => {
  let bench: Workbench;
  let node: TestHost;
  before(async () => {
    bench = new Workbench();
    node = await bench.host().start();
  });
  after(() => bench.close());

  async function server(id: string, properties: Record<string, string | number>): Promise<{ port: number; line: string }> {
    const port = await freePort();
    const line = quoteCommandLine([process.execPath, "-e", SERVER.replace("listen(0", `listen(${port}`)]);
    node.host.send(bench.online(bench.application(id, line, { HealthCheckUrl: `http://127.0.0.1:${port}/`, HealthCheckTimeout: 300, ...properties }, FAST_POLLS)));
    return { port, line };
  }

  test("with a health check URL it is online when it answers for the first time, and failed when it hangs", async () => {
    const { port } = await server("h1", {});
    await node.reaches("h1", "onlinePending");
    await node.reaches("h1", "online");
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404, "below 500 is alive");
    writeFileSync(bench.path("mute"), "");
    const failed = await node.reaches("h1", "failed");
    assert.match(failed.reason, /^health check: http:\/\/127\.0\.0\.1:\d+\/ did not answer within 300 ms$/);
    rmSync(bench.path("mute"));
  });

  test("status 500 and above is failed", async () => {
    await server("h2", {});
    await node.reaches("h2", "online");
    writeFileSync(bench.path("sick"), "");
    assert.match((await node.reaches("h2", "failed")).reason, /answered with status 503/);
    rmSync(bench.path("sick"));
  });

  test("a program that ends before it answers fails at once", async () => {
    const order = bench.online(bench.application("h3", `sh -c 'echo no luck; sleep 0.2; exit 4'`, { HealthCheckUrl: "tcp://127.0.0.1:1" }));
    node.host.send(order);
    assert.match((await node.reaches("h3", "failed", order.effect)).reason, /exited with code 4; its last line: no luck/);
  });

  test("a program that never answers fails after PendingTimeout", async () => {
    const order = bench.online(bench.application("h4", "sleep 1000", { HealthCheckUrl: "tcp://127.0.0.1:1" }, { PendingTimeout: 400 }));
    node.host.send(order);
    assert.match((await node.reaches("h4", "failed", order.effect)).reason, /online did not answer within 400 ms/);
  });

  test("SIGSTOP is noticed by LooksAlive, and the reason says so", async () => {
    const online = await node.bringOnline(bench.online(bench.application("h5", "sleep 1000", {}, { LooksAlivePollInterval: 100 })));
    process.kill(online.processId ?? 0, "SIGSTOP");
    assert.match((await node.reaches("h5", "failed")).reason, new RegExp(`its process ${online.processId} is stopped \\(SIGSTOP\\)`));
    assert.ok(!runs(online.processId ?? 0));
  });

  test("a health check command decides by its exit code; a new program has HealthCheckDelay to become healthy", async () => {
    const properties = { HealthCheckCommand: "sh -c 'echo asked; test -e healthy'", HealthCheckTimeout: 5000, HealthCheckDelay: 3_600_000 };
    await node.bringOnline(bench.online(bench.application("h6", "sleep 1000", properties, FAST_POLLS)));
    await until("three checks", () => bench.output("h6").split("asked").length > 3);
    assert.equal((await node.reaches("h6", "online")).state, "online", "not yet healthy is not failed");
    writeFileSync(bench.path("healthy"), "");
    const before = bench.output("h6").split("asked").length;
    await until("a good check", () => bench.output("h6").split("asked").length > before + 1);
    rmSync(bench.path("healthy"));
    assert.match((await node.reaches("h6", "failed")).reason, /health check: 'sh' exited with code 1/);
  });

  test("a health check command that hangs is ended and counts as failed", async () => {
    const properties = { HealthCheckCommand: "sh -c 'echo $$ >check.pid; sleep 1000'", HealthCheckTimeout: 200, HealthCheckDelay: 0 };
    await node.bringOnline(bench.online(bench.application("h7", "sleep 1000", properties, FAST_POLLS)));
    assert.match((await node.reaches("h7", "failed")).reason, /health check: 'sh' did not end within 200 ms/);
  });

  test("an update changes the polls of what runs", async () => {
    const resource = bench.application("h8", "sleep 1000", {}, { LooksAlivePollInterval: 3_600_000, IsAlivePollInterval: 3_600_000 });
    const online = await node.bringOnline(bench.online(resource));
    node.host.send({ kind: "update", resource: { ...resource, properties: FAST_POLLS, privateProperties: { ...resource.privateProperties, HealthCheckCommand: "false", HealthCheckDelay: 0 } } });
    assert.match((await node.reaches("h8", "failed")).reason, /'false' exited with code 1/);
    assert.ok(!runs(online.processId ?? 0));
  });
});

describe("health checks", () => {
  const never = new AbortController().signal;

  test("tcp: connecting is enough", async () => {
    const server = createTcpServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    assert.equal(await checkUrl(parseHealthCheckUrl(`tcp://127.0.0.1:${port}`), 5000, never), null);
    await new Promise((resolve) => server.close(resolve));
    assert.match((await checkUrl(parseHealthCheckUrl(`tcp://127.0.0.1:${port}`), 5000, never)) ?? "", /ECONNREFUSED/);
  });

  test("http: the status decides, within the time", async () => {
    const server = createServer((request, response) => {
      if (request.url === "/mute") return;
      response.statusCode = Number(request.url?.slice(1));
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const status of [200, 302, 404, 499]) assert.equal(await checkUrl(parseHealthCheckUrl(`${base}/${status}`), 5000, never), null);
    assert.match((await checkUrl(parseHealthCheckUrl(`${base}/500`), 5000, never)) ?? "", /status 500/);
    assert.match((await checkUrl(parseHealthCheckUrl(`${base}/mute`), 100, never)) ?? "", /did not answer within 100 ms/);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    assert.match((await checkUrl(parseHealthCheckUrl(`${base}/mute`), 60_000, abort.signal)) ?? "", /abort/);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("a thousand checks leave nothing attached to the resource's signal", async () => {
    const server = createServer((_request, response) => response.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const abort = new AbortController();
    for (let round = 0; round < 333; round++) for (const url of [`http://127.0.0.1:${port}`, `tcp://127.0.0.1:${port}`, "tcp://127.0.0.1:1"]) await checkUrl(parseHealthCheckUrl(url), 20_000, abort.signal);
    assert.equal(getEventListeners(abort.signal, "abort").length, 0);
    abort.abort();
    assert.match((await checkUrl(parseHealthCheckUrl(`http://127.0.0.1:${port}`), 20_000, abort.signal)) ?? "", /aborted/);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("what is no URL for it is refused", () => {
    for (const text of ["nonsense", "ftp://x/", "tcp://127.0.0.1", "http://"]) assert.throws(() => parseHealthCheckUrl(text), { code: "MUSTER_INVALID_ARGUMENT" });
  });
});
