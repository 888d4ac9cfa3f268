import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Member } from "../../../../src/model/identifiers.ts";
import type { MemberSettings } from "./member.ts";
import type { TestMachine } from "./network.ts";
import type { SupervisorSettings } from "./supervisor.ts";

/** Starts and drives programs (member.ts, supervisor.ts) on the machines of network.ts. */

export interface ProcessEvent {
  readonly at: number;
  readonly event: string;
  readonly members?: readonly Member[];
  readonly from?: Member;
  readonly [more: string]: unknown;
}

/** Generous: the machine may be busy, and nothing is asserted on it. */
const WAIT_MS = 20_000;

export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function pause(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs));
}

export function nodesOf(event: ProcessEvent): number[] {
  return (event.members ?? []).map((member) => member.node);
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export class TestProcess {
  readonly machine: TestMachine;
  readonly events: ProcessEvent[] = [];
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  #waiting: (() => void)[] = [];
  #errors = "";

  constructor(machine: TestMachine, program: string, settings: unknown, environment: Readonly<Record<string, string>> = {}) {
    this.machine = machine;
    const file = fileURLToPath(new URL(program, import.meta.url));
    this.child = machine.run(process.execPath, ["--disable-warning=ExperimentalWarning", file, JSON.stringify(settings)], environment);
    this.exited = new Promise((resolve) =>
      this.child.on("close", (code) => {
        resolve(code);
        this.#wake();
      }),
    );
    this.child.stderr?.on("data", (chunk: Buffer) => (this.#errors = `${this.#errors}${chunk.toString()}`.slice(-4_000)));
    if (this.child.stdout !== null) {
      createInterface({ input: this.child.stdout }).on("line", (line) => {
        this.events.push(JSON.parse(line) as ProcessEvent);
        this.#wake();
      });
    }
  }

  get mark(): number {
    return this.events.length;
  }

  get errors(): string {
    return this.#errors;
  }

  tell(command: Record<string, unknown>): void {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Gives a command and waits for the event that answers it. */
  async ask(command: Record<string, unknown>, event: string, waitMs = WAIT_MS): Promise<ProcessEvent> {
    const mark = this.mark;
    this.tell(command);
    return this.event((one) => one.event === event, mark, waitMs);
  }

  signal(name: NodeJS.Signals): number {
    const at = clock();
    this.child.kill(name);
    return at;
  }

  /** Waits for an event that matches, looking from number `from` on. */
  event(matches: (event: ProcessEvent) => boolean, from = 0, waitMs = WAIT_MS): Promise<ProcessEvent> {
    return this.#until(() => this.events.slice(from).find(matches), "an event", waitMs);
  }

  /** Waits until the newest membership has exactly these nodes. @returns the event that told it */
  membership(nodes: readonly number[], from = 0, waitMs = WAIT_MS): Promise<ProcessEvent> {
    return this.#until(
      () => {
        const last = this.events.slice(from).findLast((event) => event.event === "members");
        return last !== undefined && nodesOf(last).join() === nodes.join() ? last : undefined;
      },
      `the nodes ${nodes.join()}`,
      waitMs,
    );
  }

  async #until(look: () => ProcessEvent | undefined, what: string, waitMs: number): Promise<ProcessEvent> {
    const until = clock() + waitMs;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (clock() > until || this.child.exitCode !== null) {
        throw new Error(`${this.machine.name}: waited for ${what}; ${JSON.stringify(this.events.slice(-8)).slice(0, 3_000)} ${this.#errors}`);
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

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Starts a supervisor of corosync on a machine. */
export function startSupervisor(machine: TestMachine, settings: Partial<SupervisorSettings> = {}): TestProcess {
  const all: SupervisorSettings = {
    node: machine.node,
    configurationFile: join(machine.directory, "corosync.conf"),
    configuration: machine.network.configuration(machine),
    key: machine.network.key.toString("hex"),
    mode: "supervise",
    ...settings,
  };
  return new TestProcess(machine, "./supervisor.ts", all);
}

let incarnation = 1;

/** Starts an engine on a machine; each has a higher incarnation than those before unless it is given one. */
export function startMember(machine: TestMachine, settings: Partial<MemberSettings> = {}, environment: Readonly<Record<string, string>> = {}): TestProcess {
  const self = { node: machine.node, incarnation: incarnation++ };
  const all: MemberSettings = { clusterId: machine.network.clusterId, self, protocolVersion: 1, transfer: null, linkIntervalMs: 200, ...settings };
  return new TestProcess(machine, "./member.ts", all, environment);
}
