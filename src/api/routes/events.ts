import { Type } from "@fastify/type-provider-typebox";
import type { ServerResponse } from "node:http";
import type { ClusterEvent } from "../../model/events.ts";
import { compareOrdinalIds } from "../../model/identifiers.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { openEventStream } from "../event-stream.ts";
import { EventSchema } from "../schemas.ts";
import type { ApiServer } from "../server.ts";
import { failures, mutable } from "./answers.ts";

const Query = Type.Object({
  after: Type.Optional(Type.String({ pattern: "^[0-9]+\\.[0-9]+\\.[0-9]+$", description: "Only events after this id." })),
  level: Type.Optional(Type.String({ enum: ["critical", "error", "warning", "information"], description: "This level and worse." })),
  group: Type.Optional(Type.String({ maxLength: 64 })),
  node: Type.Optional(Type.String({ maxLength: 64 })),
  resource: Type.Optional(Type.String({ maxLength: 64 })),
  sinceMs: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$", description: "Only events at or after this wall time." })),
  untilMs: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$", description: "Only events before this wall time." })),
  code: Type.Optional(Type.String({ pattern: "^[0-9]{1,5}$", description: "Only events with this number." })),
});
type Filter = { readonly level?: string; readonly group?: string; readonly node?: string; readonly resource?: string; readonly sinceMs?: string; readonly untilMs?: string; readonly code?: string };

const LEVELS = ["critical", "error", "warning", "information"];

export function eventRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/events", { schema: { summary: "The newest events, oldest first", querystring: Query, response: { 200: Type.Array(EventSchema), ...failures } } }, async (request) =>
    mutable(select(facade.events(), request.query.after ?? null, request.query)),
  );

  server.get("/events/stream", { schema: { summary: "Events as they happen (server-sent events); resumes after Last-Event-ID", querystring: Query, response: failures } }, async (request, reply) => {
    const header = request.headers["last-event-id"];
    const after = request.query.after ?? (typeof header === "string" && /^\d+\.\d+\.\d+$/.test(header) ? header : null);
    reply.hijack();
    stream(facade, after ?? facade.events().at(-1)?.id ?? null, request.query, reply.raw);
  });
}

function select(events: readonly ClusterEvent[], after: string | null, filter: Filter): ClusterEvent[] {
  const worst = filter.level === undefined ? LEVELS.length - 1 : LEVELS.indexOf(filter.level);
  return events.filter(
    (event) =>
      (after === null || compareOrdinalIds(event.id, after) > 0) &&
      LEVELS.indexOf(event.level) <= worst &&
      (filter.group === undefined || event.group === filter.group) &&
      (filter.node === undefined || event.node === filter.node) &&
      (filter.resource === undefined || event.resource === filter.resource) &&
      (filter.sinceMs === undefined || event.wallTimeMs >= Number(filter.sinceMs)) &&
      (filter.untilMs === undefined || event.wallTimeMs < Number(filter.untilMs)) &&
      (filter.code === undefined || event.code === Number(filter.code)),
  );
}

function stream(facade: ServiceFacade, after: string | null, filter: Filter, response: ServerResponse): void {
  openEventStream(response, ({ send }) => {
    let last = after;
    const push = (): void => {
      const events = facade.events();
      for (const event of select(events, last, filter)) send(event.id, event.level, event);
      // A node that is behind where the reader was must not tell it again what it knows.
      const newest = events.at(-1)?.id;
      if (newest !== undefined && (last === null || compareOrdinalIds(newest, last) > 0)) last = newest;
    };
    push();
    return facade.onChange(push);
  });
}
