/**
 * Whether a history of one object can be explained by operations that each took effect at one moment between its call
 * and its return: the search of Wing and Gong with the memory of Lowe (states that were seen with the same operations
 * done are not looked at again).
 */

export interface Operation<Input, Output> {
  readonly calledMs: number;
  /** null = nobody knows whether it took effect: it may at any time after the call, or never. */
  readonly returnedMs: number | null;
  readonly input: Input;
  /** Absent where nobody knows it. */
  readonly output?: Output;
}

export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The state after it; undefined when an object in this state would not have answered so. `output` undefined = any answer. */
  step(state: State, input: Input, output: Output | undefined): State | undefined;
  /** Equal texts, equal states. */
  textOf(state: State): string;
}

export type Verdict = "linearizable" | "not linearizable" | "undecided";

const STEPS_MAX = 2_000_000;

interface Mark<Input, Output> {
  readonly number: number;
  readonly operation: Operation<Input, Output>;
  readonly isCall: boolean;
  /** Of a call, its return. */
  end: Mark<Input, Output> | null;
  before: Mark<Input, Output> | null;
  after: Mark<Input, Output> | null;
}

/**
 * An operation whose outcome nobody knows counts as one that returns after everything: to take effect there is the same as
 * never, so `step` must take it in any state when `output` is undefined.
 * @returns "undecided" when the search was given up
 */
export function checkLinearizable<State, Input, Output>(model: Model<State, Input, Output>, history: readonly Operation<Input, Output>[], stepsMax = STEPS_MAX): Verdict {
  const head = listOf(history);
  let known = history.filter((operation) => operation.returnedMs !== null).length;
  const done = new Uint32Array(Math.ceil(history.length / 32));
  const seen = new Set<string>();
  const taken: { readonly call: Mark<Input, Output>; readonly state: State }[] = [];
  let { initial: state } = model;
  let mark = head.after;
  for (let steps = 0; known > 0; steps++) {
    if (steps >= stepsMax) return "undecided";
    if (mark !== null && mark.isCall) {
      const { operation, number } = mark;
      const next = model.step(state, operation.input, operation.output);
      if (next !== undefined && isNew(seen, done, number, model.textOf(next))) {
        taken.push({ call: mark, state });
        state = next;
        toggle(done, number);
        if (operation.returnedMs !== null) known--;
        lift(mark);
        mark = head.after;
      } else {
        mark = mark.after;
      }
      continue;
    }
    // A return is reached whose operation could not be placed before it: another order of those before.
    const last = taken.pop();
    if (last === undefined) return "not linearizable";
    state = last.state;
    toggle(done, last.call.number);
    if (last.call.operation.returnedMs !== null) known++;
    unlift(last.call);
    mark = last.call.after;
  }
  return "linearizable";
}

function listOf<Input, Output>(history: readonly Operation<Input, Output>[]): Pick<Mark<Input, Output>, "after"> {
  const marks = history.flatMap((operation, number) => {
    const end: Mark<Input, Output> = { number, operation, isCall: false, end: null, before: null, after: null };
    return [{ atMs: operation.calledMs, mark: { ...end, isCall: true, end } }, { atMs: operation.returnedMs ?? Number.POSITIVE_INFINITY, mark: end }];
  });
  // At the same instant calls come first: then the two overlap, which allows more.
  marks.sort((a, b) => (a.atMs === b.atMs ? Number(b.mark.isCall) - Number(a.mark.isCall) : a.atMs - b.atMs));
  const head: Pick<Mark<Input, Output>, "after"> = { after: null };
  let last = head as Mark<Input, Output>;
  for (const { mark } of marks) {
    mark.before = last;
    last.after = mark;
    last = mark;
  }
  return head;
}

function isNew(seen: Set<string>, done: Uint32Array, number: number, state: string): boolean {
  toggle(done, number);
  const key = `${done.join(",")} ${state}`;
  toggle(done, number);
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

function toggle(done: Uint32Array, number: number): void {
  done[number >> 5]! ^= 1 << (number & 31);
}

function lift<Input, Output>(call: Mark<Input, Output>): void {
  for (const mark of [call, call.end!]) {
    mark.before!.after = mark.after;
    if (mark.after !== null) mark.after.before = mark.before;
  }
}

function unlift<Input, Output>(call: Mark<Input, Output>): void {
  for (const mark of [call.end!, call]) {
    mark.before!.after = mark;
    if (mark.after !== null) mark.after.before = mark;
  }
}

// ---- the objects ---------------------------------------------------------------

export type RegisterInput = { readonly kind: "read" } | { readonly kind: "write"; readonly value: number } | { readonly kind: "compareAndSet"; readonly expected: number; readonly value: number };
/** What a read found (null = nothing), whether a compare-and-set took effect; of a write nothing is asked. */
export type RegisterOutput = number | null | boolean;

export const register: Model<number | null, RegisterInput, RegisterOutput> = {
  initial: null,
  step(state, input, output) {
    switch (input.kind) {
      case "read":
        return output === state ? state : undefined;
      case "write":
        return input.value;
      case "compareAndSet": {
        const took = state === input.expected;
        if (output !== undefined && output !== took) return undefined;
        return took ? input.value : state;
      }
    }
  },
  textOf: String,
};

export type ListInput = { readonly kind: "read" } | { readonly kind: "append"; readonly item: string };

/** A read returns all items in their order, separated by blanks. */
export const list: Model<string, ListInput, string> = {
  initial: "",
  step(state, input, output) {
    if (input.kind === "read") return output === state ? state : undefined;
    return state === "" ? input.item : `${state} ${input.item}`;
  },
  textOf: (state) => state,
};
