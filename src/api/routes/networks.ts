import { Type } from "@fastify/type-provider-typebox";
import { describeNetwork, describeNetworkInterfaces, describeNetworks } from "../../core/index.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { ChangeQuerySchema, DoneSchema, NameSchema, ReadQuerySchema } from "../schemas.ts";
import { NetworkInterfaceSchema, NetworkSchema, SetNetworkSchema } from "../schemas/networks.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

const Params = Type.Object({ network: NameSchema });

export function networkRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/networks", { schema: { summary: "All networks: subnets that nodes share", querystring: ReadQuerySchema, response: { 200: Type.Array(NetworkSchema), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeNetworks(facade.state()));
  });

  server.get("/networks/:network", { schema: { summary: "One network", params: Params, querystring: ReadQuerySchema, response: { 200: NetworkSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeNetwork(facade.state(), request.params.network));
  });

  server.patch("/networks/:network", { schema: { summary: "Set role, metric, description or the name of a network", params: Params, querystring: ChangeQuerySchema, body: SetNetworkSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "network.set", network: request.params.network, ...request.body }, request.query),
  );

  server.get("/interfaces", { schema: { summary: "All network interfaces, by node and adapter", querystring: ReadQuerySchema, response: { 200: Type.Array(NetworkInterfaceSchema), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeNetworkInterfaces(facade.state()));
  });
}
