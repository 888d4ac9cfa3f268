import { data, json, talk } from "./output.ts";

/** What a command about this machine would do. No cluster works it out, as there may be none yet or none any more. */
export interface MachinePlan {
  /** For programs: what it is about, by name. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** In order, each a whole sentence. */
  readonly steps: readonly string[];
  /** What only the doing can show, and what would be refused. */
  readonly notes?: readonly string[];
  /** For people, below it all; programs have it among the facts. */
  readonly detail?: string;
}

export function showMachinePlan(plan: MachinePlan, options: { readonly json?: boolean }): void {
  const { facts, steps, notes = [] } = plan;
  if (options.json === true) json({ dryRun: true, ...facts, steps, notes });
  else data(machinePlanText(plan));
  talk("Nothing was changed.");
}

export function machinePlanText({ steps, notes = [], detail }: MachinePlan): string {
  const block = (title: string, sentences: readonly string[]): string[] => (sentences.length === 0 ? [] : [[title, ...sentences.map((sentence) => `  ${sentence}`)].join("\n")]);
  return [...block("What would be done:", steps), ...block("To know:", notes), ...(detail === undefined ? [] : [detail])].join("\n\n");
}
