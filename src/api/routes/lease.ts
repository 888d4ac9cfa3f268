import { MusterError } from "../../model/errors.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { LeaseSchema } from "../lease-schemas.ts";
import type { ApiServer } from "../server.ts";
import { failures, mutable } from "./answers.ts";

export function leaseRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/lease", { schema: { summary: "The lease of the node that answers", response: { 200: LeaseSchema, ...failures } } }, async () => {
    const lease = await facade.lease();
    if (lease === null) throw new MusterError("MUSTER_NO_LEASE", {});
    return mutable(lease);
  });
}
