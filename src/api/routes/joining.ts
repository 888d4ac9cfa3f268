import { MusterError } from "../../model/errors.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { IssueTokenSchema, JoinAnswerSchema, JoinRequestSchema, JoinTokenSchema, ReadySchema } from "../joining-schemas.ts";
import type { ApiServer } from "../server.ts";
import { failures, mutable } from "./answers.ts";

const HOUR_MS = 3_600_000;

/** What a machine asks that is no node yet: it has no token of the API, and shows the join token instead. */
export const JOIN_PATH = "/v1/join";
export const READY_PATH = "/v1/ready";

export function joiningRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/ready", { schema: { summary: "Whether this node is in an active view; needs no token", response: { 200: ReadySchema, ...failures } } }, async () => {
    const { status } = facade;
    if (status.phase !== "active") throw new MusterError("MUSTER_NO_QUORUM", { reason: `${facade.nodeName} is ${status.phase}: ${status.reason}` });
    return { node: facade.nodeName, epoch: status.epoch };
  });

  server.post("/join-tokens", { schema: { summary: "Make a token with which one machine may join", body: IssueTokenSchema, response: { 200: JoinTokenSchema, ...failures } } }, async (request) => facade.joining.issue(request.body.validMs ?? HOUR_MS));

  server.post("/join", { schema: { summary: "Become a node, with a join token", body: JoinRequestSchema, response: { 200: JoinAnswerSchema, ...failures } } }, async (request) => mutable(await facade.joining.admit(request.body)));
}
