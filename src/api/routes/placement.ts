import { Type } from "@fastify/type-provider-typebox";
import { describeAffinityRule, describeAffinityRules, describeFaultDomain, describeFaultDomains } from "../../core/index.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { AffinityRuleSchema, ChangeQuerySchema, CreateAffinityRuleSchema, CreateFaultDomainSchema, DoneSchema, FaultDomainSchema, NameSchema, ReadQuerySchema, SetAffinityRuleSchema, SetFaultDomainSchema } from "../schemas.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

const Domain = Type.Object({ domain: NameSchema });
const Rule = Type.Object({ rule: NameSchema });
const done = { 200: DoneSchema, ...failures };

/** Fault domains and affinity rules: what placement goes by. */
export function placementRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/fault-domains", { schema: { summary: "All sites, racks and chassis", querystring: ReadQuerySchema, response: { 200: Type.Array(FaultDomainSchema), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeFaultDomains(facade.state()));
  });
  server.get("/fault-domains/:domain", { schema: { summary: "One fault domain", params: Domain, querystring: ReadQuerySchema, response: { 200: FaultDomainSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeFaultDomain(facade.state(), request.params.domain));
  });
  server.post("/fault-domains", { schema: { summary: "Create a site, rack or chassis", querystring: ChangeQuerySchema, body: CreateFaultDomainSchema, response: done } }, (request) => change(facade, { verb: "faultdomain.create", ...request.body }, request.query));
  server.patch("/fault-domains/:domain", { schema: { summary: "Rename it, move it, describe it", params: Domain, querystring: ChangeQuerySchema, body: SetFaultDomainSchema, response: done } }, (request) =>
    change(facade, { verb: "faultdomain.set", domain: request.params.domain, ...request.body }, request.query),
  );
  server.delete("/fault-domains/:domain", { schema: { summary: "Delete an empty fault domain", params: Domain, querystring: ChangeQuerySchema, response: done } }, (request) => change(facade, { verb: "faultdomain.delete", domain: request.params.domain }, request.query));

  server.get("/affinity-rules", { schema: { summary: "All affinity rules, and whether they are kept", querystring: ReadQuerySchema, response: { 200: Type.Array(AffinityRuleSchema), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeAffinityRules(facade.state()));
  });
  server.get("/affinity-rules/:rule", { schema: { summary: "One affinity rule", params: Rule, querystring: ReadQuerySchema, response: { 200: AffinityRuleSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeAffinityRule(facade.state(), request.params.rule));
  });
  server.post("/affinity-rules", { schema: { summary: "Keep roles together or apart", querystring: ChangeQuerySchema, body: CreateAffinityRuleSchema, response: done } }, (request) => change(facade, { verb: "affinity.create", ...request.body }, request.query));
  server.patch("/affinity-rules/:rule", { schema: { summary: "Change an affinity rule", params: Rule, querystring: ChangeQuerySchema, body: SetAffinityRuleSchema, response: done } }, (request) =>
    change(facade, { verb: "affinity.set", rule: request.params.rule, ...request.body }, request.query),
  );
  server.delete("/affinity-rules/:rule", { schema: { summary: "Delete an affinity rule", params: Rule, querystring: ChangeQuerySchema, response: done } }, (request) => change(facade, { verb: "affinity.delete", rule: request.params.rule }, request.query));
}
