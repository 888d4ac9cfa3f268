import type { Member, NodeId } from "../../../src/model/identifiers.ts";
import type { Weights } from "../../../src/model/votes.ts";
import { GateModel } from "../../../src/lease/gate.ts";
import { LeaseLedger } from "../../../src/lease/ledger.ts";
import type { AcceptedInstall } from "../../../src/lease/ledger.ts";
import { LeaseWorker, leaseMembers } from "../../../src/lease/lease.ts";
import { leaseParameters } from "../../../src/lease/parameters.ts";
import type { LeaseMember, LeaseProgram, LeaseStep, LeaseTerms, LeaseTick } from "../../../src/lease/steps.ts";

/** L 300, P 37, H 397, permit 5000. */
export const PARAMETERS = leaseParameters({ tokenMs: 200 });

export function member(node: NodeId, incarnation = 1): Member {
  return { node, incarnation };
}

export function members(...nodes: readonly NodeId[]): LeaseMember[] {
  return leaseMembers(nodes.map((node) => member(node)), nodes.map((node) => `s${node}`));
}

export function weights(version: number, votes: readonly number[], witness = 0): Weights {
  return { version, votes: votes.map((count, position) => ({ node: position + 1, store: `s${position + 1}`, votes: count })), witness: witness === 0 ? null : { id: "w", votes: witness } };
}

export function terms(overrides: Partial<LeaseTerms> = {}): LeaseTerms {
  return { number: 1, epoch: 5, members: members(1, 2, 3), claim: null, weights: [weights(1, [1, 1, 1])], ...overrides };
}

export function install(epoch: number, excluded: readonly NodeId[], inForce: readonly Weights[] = []): AcceptedInstall {
  return { epoch, excluded, weights: inForce };
}

export function tick(from: NodeId, number: number, overrides: Partial<LeaseTick> = {}): LeaseTick {
  return { from: member(from), epoch: 5, weights: 1, number, heard: [], ...overrides };
}

/** One node: a worker, the main thread's ledger and the kernel's gate, all by one clock. */
export class Bench {
  nowMs = 10_000;
  readonly worker: LeaseWorker;
  readonly ledger: LeaseLedger;
  readonly gate = new GateModel(1);
  readonly cells = new Map<string, number>();
  readonly sent: LeaseTick[] = [];
  readonly permits: number[] = [];
  readonly answers: number[] = [];
  readonly exits: string[] = [];
  readonly posted: LeaseTerms[] = [];
  /** Every step so far, by name. */
  readonly steps: string[] = [];

  constructor(node: NodeId = 1) {
    this.worker = new LeaseWorker(member(node), PARAMETERS);
    this.ledger = new LeaseLedger(member(node), PARAMETERS, this.nowMs);
    this.run(this.ledger.alive());
    this.run(this.worker.begin());
    this.steps.length = 0;
  }

  /** Runs a program to its end; `between` is called before each of its steps. */
  run<Result>(program: LeaseProgram<Result>, between: (step: LeaseStep) => void = () => {}): Result {
    let next = program.next(0);
    while (!next.done) {
      between(next.value);
      next = program.next(this.perform(next.value));
    }
    return next.value;
  }

  /** A step of the clock and one round of the worker, with a main loop that is alive. */
  round(passedMs = PARAMETERS.tickMs): LeaseTick {
    this.nowMs += passedMs;
    this.run(this.ledger.alive());
    this.run(this.worker.timer());
    return this.sent.at(-1)!;
  }

  /** The worker is under these terms, and the cell says so. */
  under(value: LeaseTerms): void {
    this.cells.set("terms 0", value.number);
    this.run(this.worker.changeTerms(value));
  }

  get isOpen(): boolean {
    return this.gate.isOpen(this.nowMs);
  }

  perform(step: LeaseStep): number {
    this.steps.push("cell" in step ? `${step.do} ${step.cell}` : "slot" in step ? `${step.do} ${step.slot}` : step.do);
    switch (step.do) {
      case "readClock":
        return this.nowMs;
      case "load":
        return this.cells.get(`${step.cell} ${step.node}`) ?? 0;
      case "store":
        this.cells.set(`${step.cell} ${step.node}`, step.value);
        return 0;
      case "arm":
        this.gate.arm(step.slot, step.timeoutMs, this.nowMs);
        return 0;
      case "sendTick":
        this.sent.push(step.tick);
        return 0;
      case "point":
        this.gate.point(step.slot);
        return 0;
      case "close":
        this.gate.close();
        return 0;
      case "own":
        this.gate.own(step.addresses);
        return 0;
      case "answer":
        this.answers.push(step.order);
        return 0;
      case "permit":
        this.permits.push(step.untilMs);
        return 0;
      case "exit":
        this.exits.push(step.reason);
        return 0;
      case "post":
        this.posted.push(step.terms);
        return 0;
    }
  }
}
