import { describeQuorum, explainQuorum } from "../../core/index.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { ChangeQuerySchema, DoneSchema, ReadQuerySchema } from "../schemas.ts";
import { QuorumExplanationSchema, QuorumSchema, SetQuorumSchema } from "../schemas/quorum.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

export function quorumRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/quorum", { schema: { summary: "Who votes, and what can be lost", querystring: ReadQuerySchema, response: { 200: QuorumSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeQuorum(facade.state()));
  });

  server.get("/quorum/explain", { schema: { summary: "Why the votes are as they are, and what would change it", querystring: ReadQuerySchema, response: { 200: QuorumExplanationSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(explainQuorum(facade.state()));
  });

  server.put("/quorum", { schema: { summary: "Configure the witness; null = none", querystring: ChangeQuerySchema, body: SetQuorumSchema, response: { 200: DoneSchema, ...failures } } }, (request) => change(facade, { verb: "quorum.set", ...request.body }, request.query));
}
