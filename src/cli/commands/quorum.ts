import type { Command as Program } from "commander";
import { MusterError } from "../../model/errors.ts";
import { witnessProperties } from "../../model/properties/witness.ts";
import { WitnessKinds } from "../../model/states.ts";
import type { QuorumExplanation, QuorumView } from "../../model/views.ts";
import { asking, change, changing } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, duration, json, table } from "../output.ts";
import { parsePairs } from "../properties.ts";
import type { Bag } from "../properties.ts";
import { readSecret } from "../secrets.ts";

/** Who decides (reference 4). */
export function quorumCommands(program: Program): void {
  const quorum = program.command("quorum").description("votes, the witness, and what can be lost");

  asking(quorum.command("show").description("who votes, and what can be lost next")).action(async (options: CommonOptions) => {
    const view = await (await connect(options)).get<QuorumView>("/v1/quorum");
    if (options.json) json(view);
    else data(quorumText(view));
  });

  asking(quorum.command("explain").description("why the votes are as they are, and what would change it")).action(async (options: CommonOptions) => {
    const why = await (await connect(options)).get<QuorumExplanation>("/v1/quorum/explain");
    if (options.json) json(why);
    else data(explanationText(why));
  });

  changing(quorum.command("set").argument("<witness>", `none, ${WitnessKinds.join(", ")}`).argument("[properties...]", "NAME=VALUE").description("configure the witness").option("--primary-key-file <file>", "PrimaryKey is the first line of this file; - is the standard input")).action((kind: string, words: string[], options: ChangeOptions & { readonly primaryKeyFile?: string }) => {
    const witness = witnessOf(kind, words, options.primaryKeyFile);
    return change(options, { method: "PUT", path: "/v1/quorum", body: { witness }, said: witness === null ? "The nodes alone decide now." : "The witness was configured." }, (client) => client.get("/v1/quorum"));
  });
}

/**
 * A witness as words of the command line say it; null = none.
 * @throws MusterError MUSTER_INVALID_ARGUMENT for an unknown kind or property
 */
export function witnessOf(kind: string, words: readonly string[], primaryKeyFile: string | undefined): { readonly kind: (typeof WitnessKinds)[number]; readonly properties: Bag } | null {
  if (kind === "none") return null;
  const given = primaryKeyFile === undefined ? words : [...words, `PrimaryKey=${readSecret(primaryKeyFile, "--primary-key-file")}`];
  return { kind: known(kind), properties: parsePairs(given, witnessProperties[known(kind)]) };
}

function known(kind: string): (typeof WitnessKinds)[number] {
  const found = WitnessKinds.find((one) => one.toLowerCase() === kind.toLowerCase());
  if (found === undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "witness", problem: `'${kind}' is not known; write none, ${WitnessKinds.join(", ")}` });
  return found;
}

function quorumText(view: QuorumView): string {
  const rows = view.nodes.map((node) => [node.node, String(node.vote), node.present ? "yes" : "no", node.reason]);
  if (view.witness !== null) rows.push([`witness (${view.witness.kind})`, String(view.witness.vote), view.witness.state, view.witness.reason]);
  return [
    `${view.votes} ${view.votes === 1 ? "vote" : "votes"}, ${view.needed} needed, ${view.held} here; votes ${view.dynamicQuorum ? "follow the nodes that are there" : "stay as configured"}.${view.forced ? " Started by force." : ""}`,
    table(["WHO", "VOTE", "HERE", "WHY"], rows),
    view.sentences.join("\n"),
  ].join("\n\n");
}

export function explanationText(why: QuorumExplanation): string {
  const parts = [why.summary, `Rule: ${why.rule}; for ${duration(why.forMs)}.`, why.canBeLost.join("\n")];
  if (why.whatWouldChangeIt.length > 0) parts.push(["What would change it:", ...why.whatWouldChangeIt.map((sentence) => `  ${sentence}`)].join("\n"));
  if (why.command !== null) parts.push(`Next: ${why.command}`);
  return parts.join("\n\n");
}
