import type { Command as Program } from "commander";
import { MusterError } from "../../model/errors.ts";
import { AffinityRuleType, FaultDomainType } from "../../model/states.ts";
import type { AffinityRuleView, FaultDomainView } from "../../model/views.ts";
import { asking, change, changing, path, splitNames } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, json, list, table } from "../output.ts";

/** What placement goes by: where nodes stand, and which roles belong together or apart. */
export function placementCommands(program: Program): void {
  faultDomainCommands(program.command("faultdomain").description("sites, racks and chassis: where nodes stand"));
  affinityCommands(program.command("affinity").description("rules that keep roles together or apart"));
}

interface DomainOptions extends ChangeOptions {
  readonly parent?: string;
  readonly location?: string;
  readonly description?: string;
  readonly rename?: string;
}

function faultDomainCommands(domain: Program): void {
  asking(domain.command("list").description("all fault domains")).action(async (options: CommonOptions) => {
    const domains = await (await connect(options)).get<FaultDomainView[]>("/v1/fault-domains");
    if (options.json) json(domains);
    else data(table(["FAULT DOMAIN", "TYPE", "IN", "CONTAINS", "LOCATION", "DESCRIPTION"], domains.map((one) => [one.name, one.type, one.parent ?? "-", list(one.children), one.location, one.description])));
  });

  asking(domain.command("show").argument("<domain>").description("one fault domain")).action(async (name: string, options: CommonOptions) => {
    const one = await (await connect(options)).get<FaultDomainView>(path("fault-domains", name));
    if (options.json) json(one);
    else data([`${one.name}: ${one.type}${one.parent === null ? "" : ` in ${one.parent}`}`, `Contains: ${list(one.children)}`, `Location: ${one.location}`, `Description: ${one.description}`].join("\n"));
  });

  describing(changing(domain.command("create").argument("<domain>").argument("<type>", "Site, Rack or Chassis").description("create a site, rack or chassis")))
    .action((name: string, type: string, options: DomainOptions) =>
      change(options, { method: "POST", path: "/v1/fault-domains", body: { name, type: domainType(type), parent: options.parent === "" ? null : options.parent, location: options.location, description: options.description }, said: `The fault domain '${name}' was created.` }, (client) => client.get(path("fault-domains", name))),
    );

  describing(changing(domain.command("set").argument("<domain>").description("rename it, put it into another one, describe it")))
    .option("--rename <name>", "the new name")
    .action((name: string, options: DomainOptions) =>
      change(options, { method: "PATCH", path: path("fault-domains", name), body: { name: options.rename, parent: options.parent === "" ? null : options.parent, location: options.location, description: options.description }, said: `The fault domain '${options.rename ?? name}' was changed.` }, (client) =>
        client.get(path("fault-domains", options.rename ?? name)),
      ),
    );

  changing(domain.command("delete").argument("<domain>").description("delete an empty fault domain")).action((name: string, options: ChangeOptions) =>
    change(options, { method: "DELETE", path: path("fault-domains", name), said: `The fault domain '${name}' was deleted.` }),
  );
}

function describing(command: Program): Program {
  return command.option("--parent <domain>", "the domain it stands in; empty = none").option("--location <text>", "where it is").option("--description <text>", "what it is");
}

interface RuleOptions extends ChangeOptions {
  readonly groups?: string;
  readonly soft?: boolean;
  readonly hard?: boolean;
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly type?: string;
  readonly rename?: string;
}

function affinityCommands(affinity: Program): void {
  asking(affinity.command("list").description("all affinity rules, and whether they are kept")).action(async (options: CommonOptions) => {
    const rules = await (await connect(options)).get<AffinityRuleView[]>("/v1/affinity-rules");
    if (options.json) json(rules);
    else data(table(["RULE", "TYPE", "ROLES", "IN FORCE", "KEPT"], rules.map((one) => [one.name, one.type, list(one.groups), inForce(one), kept(one)])));
  });

  asking(affinity.command("show").argument("<rule>").description("one affinity rule")).action(async (name: string, options: CommonOptions) => {
    const one = await (await connect(options)).get<AffinityRuleView>(path("affinity-rules", name));
    if (options.json) json(one);
    else data([`${one.name}: ${one.type}, ${inForce(one)}`, `Roles: ${list(one.groups)}`, `Kept: ${kept(one)}`].join("\n"));
  });

  changing(affinity.command("create").argument("<rule>").argument("<type>", "SameNode, DifferentNode, SameFaultDomain or DifferentFaultDomain").description("keep roles together or apart"))
    .option("--groups <roles>", "comma-separated")
    .option("--soft", "may be broken rather than leave a role offline")
    .option("--disable", "not in force yet")
    .action((name: string, type: string, options: RuleOptions) =>
      change(options, { method: "POST", path: "/v1/affinity-rules", body: { name, type: ruleType(type), groups: splitNames(options.groups), soft: options.soft ?? false, enabled: options.disable !== true }, said: `The affinity rule '${name}' was created.` }, (client) => client.get(path("affinity-rules", name))),
    );

  changing(affinity.command("set").argument("<rule>").description("change an affinity rule"))
    .option("--rename <name>", "the new name")
    .option("--type <type>", "another type")
    .option("--groups <roles>", "comma-separated, instead of those it has; empty = none")
    .option("--soft", "may be broken rather than leave a role offline")
    .option("--hard", "is never broken by placement")
    .option("--enable", "in force")
    .option("--disable", "not in force")
    .action((name: string, options: RuleOptions) =>
      change(options, { method: "PATCH", path: path("affinity-rules", name), body: { name: options.rename, type: options.type === undefined ? undefined : ruleType(options.type), groups: splitNames(options.groups), soft: either(options.soft, options.hard), enabled: either(options.enable, options.disable) }, said: `The affinity rule '${options.rename ?? name}' was changed.` }, (client) =>
        client.get(path("affinity-rules", options.rename ?? name)),
      ),
    );

  changing(affinity.command("delete").argument("<rule>").description("delete an affinity rule")).action((name: string, options: ChangeOptions) =>
    change(options, { method: "DELETE", path: path("affinity-rules", name), said: `The affinity rule '${name}' was deleted.` }),
  );
}

/** In any case; what is not a type is refused here, with those there are. */
function ruleType(text: string): string {
  const types = Object.keys(AffinityRuleType);
  const found = types.find((type) => type.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "type", problem: `one of ${types.join(", ")}` });
  return found;
}

function either(yes: boolean | undefined, no: boolean | undefined): boolean | undefined {
  return yes === true ? true : no === true ? false : undefined;
}

function inForce(rule: AffinityRuleView): string {
  return `${rule.soft ? "soft" : "hard"}${rule.enabled ? "" : ", disabled"}`;
}

function kept(rule: AffinityRuleView): string {
  return rule.violations.length === 0 ? "yes" : rule.violations.join(" ");
}

function domainType(text: string): string {
  const types = Object.keys(FaultDomainType);
  const found = types.find((type) => type.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "type", problem: `one of ${types.join(", ")}` });
  return found;
}
