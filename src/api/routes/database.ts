import { Type } from "@fastify/type-provider-typebox";
import { databaseKeys, databaseValue } from "../../core/index.ts";
import { MusterError } from "../../model/errors.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { openEventStream } from "../event-stream.ts";
import { BatchSchema, ChangeQuerySchema, DatabaseValueSchema, DoneSchema, ReadQuerySchema } from "../schemas.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

const ListQuery = Type.Intersect([Type.Object({ prefix: Type.Optional(Type.String({ maxLength: 256 })) }), Type.Object(ReadQuerySchema.properties)]);

/** The free part of the Cluster Database (reference 5.2.4). */
export function databaseRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/database", { schema: { summary: "Keys", querystring: ListQuery, response: { 200: Type.Array(Type.String()), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(databaseKeys(facade.state(), request.query.prefix ?? ""));
  });

  server.get("/database/value/*", { schema: { summary: "One value; the rest of the path is the key", params: Type.Object({ "*": Type.String({ maxLength: 256 }) }), querystring: ReadQuerySchema, response: { 200: DatabaseValueSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    const key = request.params["*"];
    const value = databaseValue(facade.state(), key);
    if (value === undefined) throw new MusterError("MUSTER_KEY_NOT_FOUND", { key });
    return mutable(value);
  });

  server.get("/database/changes", { schema: { summary: "Changes of keys as they happen (server-sent events); 'readAgain' = some may have been missed", querystring: Type.Object({ prefix: Type.Optional(Type.String({ maxLength: 256 })) }) } }, async (request, reply) => {
    const prefix = request.query.prefix ?? "";
    reply.hijack();
    openEventStream(reply.raw, ({ send }) =>
      facade.onDatabaseChange((change) => {
        const keys = change.keys.filter(({ key }) => key.startsWith(prefix));
        const id = `${change.at.epoch}.${change.at.index}`;
        if (keys.length > 0 || change.readAgain) send(id, change.readAgain ? "readAgain" : "changed", { at: id, keys, readAgain: change.readAgain });
      }),
    );
  });

  server.post("/database/batch", { schema: { summary: "Operations and conditions that take effect together or not at all", querystring: ChangeQuerySchema, body: BatchSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "database.batch", operations: request.body.operations }, request.query),
  );
}
