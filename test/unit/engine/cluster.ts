import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LocalEngineOptions } from "../../../src/engine/local/local.ts";
import type { Member } from "../../../src/model/identifiers.ts";

/** Starts and ends node processes (member.ts) for the tests of the embedded engine. */

export interface MemberEvent {
  readonly at: number;
  readonly event: string;
  readonly members?: readonly Member[];
  readonly from?: Member;
  readonly text?: string;
  readonly code?: string | null;
  readonly message?: string;
  readonly reason?: string;
  readonly seen?: number;
  readonly order?: number;
  readonly bytes?: number;
  readonly tail?: string;
  readonly tookMs?: number;
}

const WAIT_MS = 10_000;

/** Milliseconds of the clock the processes use as well. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function pause(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs));
}

export class TestMember {
  readonly self: Member;
  readonly events: MemberEvent[] = [];
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  /** When the kernel had closed its descriptors. */
  goneAt = Number.NaN;
  #waiting: (() => void)[] = [];
  #errors = "";

  constructor(self: Member, settings: Record<string, unknown>) {
    this.self = self;
    this.process = spawn(process.execPath, [fileURLToPath(new URL("./member.ts", import.meta.url)), JSON.stringify({ ...settings, self })], { stdio: ["pipe", "pipe", "pipe"] });
    this.exited = new Promise((resolve) =>
      this.process.on("exit", (code) => {
        resolve(code);
        this.#wake();
      }),
    );
    this.process.stderr?.on("data", (chunk: Buffer) => (this.#errors += chunk.toString()));
    this.process.stdin?.on("error", () => {}); // it may be dead
    this.process.stdout?.on("end", () => (this.goneAt = clock()));
    if (this.process.stdout !== null) {
      createInterface({ input: this.process.stdout }).on("line", (line) => {
        this.events.push(JSON.parse(line) as MemberEvent);
        this.#wake();
      });
    }
  }

  tell(command: Record<string, unknown>): void {
    this.process.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  signal(name: NodeJS.Signals): number {
    const at = clock();
    this.process.kill(name);
    return at;
  }

  /** Waits for an event that matches, looking from number `from` on. */
  async event(matches: (event: MemberEvent) => boolean, from = 0, waitMs = WAIT_MS): Promise<MemberEvent> {
    const until = clock() + waitMs;
    for (;;) {
      const found = this.events.slice(from).find(matches);
      if (found !== undefined) return found;
      if (clock() > until || this.process.exitCode !== null) {
        throw new Error(`node ${this.self.node}: no such event; ${JSON.stringify(this.events.slice(-8))} ${this.#errors}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Waits until the newest membership has exactly these nodes. @returns the event that told it */
  async membership(nodes: readonly number[], from = 0, waitMs = WAIT_MS): Promise<MemberEvent> {
    const until = clock() + waitMs;
    for (;;) {
      const last = this.events.slice(from).findLast((event) => event.event === "members");
      if (last !== undefined && nodesOf(last).join() === nodes.join()) return last;
      if (clock() > until) throw new Error(`node ${this.self.node} waits for the nodes ${nodes.join()}; ${JSON.stringify(this.events.slice(-8))} ${this.#errors}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export function nodesOf(event: MemberEvent): number[] {
  return (event.members ?? []).map((member) => member.node);
}

export class TestCluster {
  readonly clusterId = `test-${randomBytes(6).toString("hex")}`;
  readonly key = randomBytes(32).toString("hex");
  readonly members: TestMember[] = [];
  readonly #settings: Partial<LocalEngineOptions>;
  #incarnation = 1;

  constructor(settings: Partial<LocalEngineOptions> = {}) {
    this.#settings = settings;
  }

  add(node: number, settings: Record<string, unknown> = {}): TestMember {
    const { incarnation = this.#incarnation++, ...more } = settings as { incarnation?: number };
    const member = new TestMember({ node, incarnation }, { clusterId: this.clusterId, key: this.key, protocolVersion: 1, ...this.#settings, ...more });
    this.members.push(member);
    return member;
  }

  /** Starts nodes 1 to `count`, one after the other (so node 1 has the sequencer), and waits until all know all. */
  async form(count: number): Promise<TestMember[]> {
    const members: TestMember[] = [];
    for (let node = 1; node <= count; node++) {
      const member = this.add(node);
      members.push(member);
      await member.event((event) => event.event === "started");
    }
    const all = members.map((member) => member.self.node);
    await Promise.all(members.map((member) => member.membership(all)));
    return members;
  }

  /** Lines of the kernel's table that name this cluster. */
  sockets(): string[] {
    return readFileSync("/proc/net/unix", "latin1").split("\n").filter((line) => line.includes(this.clusterId));
  }

  /** Generations that are listened on. */
  generations(): number[] {
    return this.sockets()
      .filter((line) => line.trim().split(/\s+/)[3] === "00010000" && !line.includes("-direct-"))
      .map((line) => Number(line.slice(line.lastIndexOf("-") + 1)));
  }

  /** Whether a process listens on a sequencer's name: by the inodes of its descriptors. */
  holdsSequencer(member: TestMember): boolean {
    const inodes = this.sockets()
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , flags, , , , path]) => flags === "00010000" && !path?.includes("-direct-"))
      .map((columns) => `socket:[${columns[6]}]`);
    const directory = `/proc/${member.process.pid}/fd`;
    return readdirSync(directory).some((descriptor) => {
      try {
        return inodes.includes(readlinkSync(`${directory}/${descriptor}`));
      } catch {
        return false; // closed meanwhile
      }
    });
  }

  async end(): Promise<void> {
    for (const member of this.members) {
      if (member.process.exitCode === null && member.process.signalCode === null) member.process.kill("SIGKILL");
    }
    await Promise.all(this.members.map((member) => member.exited));
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
