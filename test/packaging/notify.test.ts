import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import koffi from "koffi";
import { openDatagram } from "../../src/host/datagram.ts";
import { createObserver, observeForSupervisor, statusLine, takeSupervisor } from "../../src/host/notify.ts";
import type { ServiceStatus } from "../../src/service/facade.ts";

const base = mkdtempSync(join(tmpdir(), "muster-notify-"));
after(() => rmSync(base, { recursive: true, force: true }));

const library = koffi.load("libc.so.6");
const socketCall = library.func("int socket(int domain, int type, int protocol)") as (...words: readonly number[]) => number;
const bindCall = library.func("int bind(int fd, const void *address, uint32_t length)") as (fd: number, address: Buffer, length: number) => number;
const receiveCall = library.func("intptr_t recv(int fd, void *data, size_t length, int flags)") as (fd: number, data: Buffer, length: number, flags: number) => number;
const closeCall = library.func("int close(int fd)") as (fd: number) => number;

/** What systemd is to the service: a bound datagram socket. */
class Receiver {
  readonly #fd = socketCall(1, 2, 0);

  constructor(path: string) {
    const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
    const address = Buffer.concat([Buffer.from([1, 0]), name]);
    assert.equal(bindCall(this.#fd, address, address.length), 0);
  }

  /** Everything that has come and was not read yet. */
  read(): string[] {
    const messages: string[] = [];
    const data = Buffer.alloc(4_096);
    for (;;) {
      const length = receiveCall(this.#fd, data, data.length, 0x40);
      if (length < 0) return messages;
      messages.push(data.toString("utf8", 0, length));
    }
  }

  async until(text: string): Promise<string[]> {
    const messages: string[] = [];
    for (let round = 0; round < 200; round++) {
      messages.push(...this.read());
      if (messages.includes(text)) return messages;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`'${text}' did not come; ${JSON.stringify(messages)} did`);
  }

  close(): void {
    closeCall(this.#fd);
  }
}

describe("telling systemd", () => {
  for (const [kind, path] of [["a path", join(base, "notify")], ["an abstract name", `@muster-notify-${process.pid}`]] as const) {
    test(`reaches ${kind}`, (t) => {
      const receiver = new Receiver(path);
      t.after(() => receiver.close());
      openDatagram(path).send("READY=1\nSTATUS=Grüße");
      assert.deepEqual(receiver.read(), ["READY=1\nSTATUS=Grüße"]);
    });
  }

  test("goes on when nobody listens, and when nobody reads", (t) => {
    openDatagram(join(base, "nobody")).send("READY=1");
    const path = join(base, "full");
    const receiver = new Receiver(path);
    t.after(() => receiver.close());
    const datagram = openDatagram(path);
    for (let round = 0; round < 5_000; round++) datagram.send("WATCHDOG=1");
    assert.ok(receiver.read().length < 5_000);
  });

  test("says that it is ready, each phase once, and that it stops", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const sent: string[] = [];
    const observer = createObserver({ send: (text) => sent.push(text) }, 30_000);
    let status: ServiceStatus = { phase: "forming", reason: "the service starts" };
    let changed = (): void => undefined;
    observer.ready({ get status() { return status; }, onChange: (listener) => ((changed = listener), () => undefined) });
    changed();
    status = { phase: "active", epoch: 3, members: ["n1", "n2"], orderer: "n1" };
    changed();
    changed();
    t.mock.timers.tick(15_000);
    observer.stopping("the node was\nasked to stop");
    t.mock.timers.tick(10_000);
    assert.deepEqual(sent, ["READY=1\nSTATUS=Forming a view: the service starts", "STATUS=In view 3 with n1, n2.", "WATCHDOG=1", "STOPPING=1\nSTATUS=Stopping: the node was asked to stop", "EXTEND_TIMEOUT_USEC=60000000", "EXTEND_TIMEOUT_USEC=60000000"]);
  });

  test("shows no sign of life that nobody asked for", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const sent: string[] = [];
    createObserver({ send: (text) => sent.push(text) }, null).ready({ status: { phase: "starting", reason: "x" }, onChange: () => () => undefined });
    t.mock.timers.tick(600_000);
    assert.equal(sent.length, 1);
  });

  test("stands in the environment, and not in that of roles", () => {
    const environment: NodeJS.ProcessEnv = { NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7", PATH: "/bin" };
    assert.deepEqual(takeSupervisor({ ...environment }, 8), { socket: "/run/systemd/notify", watchdogMs: null });
    assert.deepEqual(takeSupervisor({ ...environment, WATCHDOG_USEC: "0" }, 7)?.watchdogMs, null);
    assert.deepEqual(takeSupervisor(environment, 7), { socket: "/run/systemd/notify", watchdogMs: 30_000 });
    assert.deepEqual(environment, { PATH: "/bin" });
    assert.equal(takeSupervisor(environment, 7), null);
    assert.equal(takeSupervisor({ NOTIFY_SOCKET: "vsock:2:1234" }, 7), null);
  });

  test("is optional: what cannot be told is logged once", async () => {
    const lines: string[] = [];
    assert.equal(await observeForSupervisor({ NOTIFY_SOCKET: `/${"x".repeat(200)}` }, (line) => lines.push(line)), null);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /^systemd cannot be told how the service is: .*too long/);
    assert.equal(await observeForSupervisor({}, (line) => lines.push(line)), null);
  });

  test("keeps a status to one line", () => {
    assert.equal(statusLine({ phase: "waiting", reason: `a\nREADY=1 ${"b".repeat(1_000)}` }).includes("\n"), false);
  });

  test("a main loop that hangs is missed", async (t) => {
    const path = join(base, "watched");
    const receiver = new Receiver(path);
    const environment: NodeJS.ProcessEnv = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "200000" };
    const program = `
      import { observeForSupervisor } from ${JSON.stringify(new URL("../../src/host/notify.ts", import.meta.url).href)};
      const observer = await observeForSupervisor(process.env, console.error);
      observer.ready({ status: { phase: "starting", reason: "a test" }, onChange: () => () => undefined });
      process.on("SIGUSR2", () => { for (;;); });`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { env: { ...process.env, ...environment }, stdio: "inherit" });
    t.after(() => {
      child.kill("SIGKILL");
      receiver.close();
    });
    await receiver.until("READY=1\nSTATUS=Starting: a test");
    await receiver.until("WATCHDOG=1");
    child.kill("SIGUSR2");
    // Its last one may still be on its way.
    await new Promise((resolve) => setTimeout(resolve, 500));
    receiver.read();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.deepEqual(receiver.read(), []);
  });
});
