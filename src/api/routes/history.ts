import { Type } from "@fastify/type-provider-typebox";
import { LINES_MAX } from "../../history/contract.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { HistoryEntrySchema, HistoryLineSchema, PastSchema } from "../schemas/history.ts";
import type { ApiServer } from "../server.ts";
import { failures, mutable } from "./answers.ts";

const Wall = (description: string) => Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$", description }));
const ListQuery = Type.Object({
  sinceMs: Wall("Only entries at or after this wall time."),
  untilMs: Wall("Only entries before this wall time."),
  about: Type.Optional(Type.String({ maxLength: 64, description: "Only entries whose decision speaks of this role, resource or node." })),
  limit: Type.Optional(Type.String({ pattern: "^[0-9]{1,4}$", description: `The newest so many; at most ${LINES_MAX}.` })),
});
const AtQuery = Type.Object({ atMs: Type.String({ pattern: "^[0-9]{1,15}$", description: "Wall time." }), group: Type.Optional(Type.String({ maxLength: 64, description: "Explain this role as it was then." })) });
const Params = Type.Object({ id: Type.String({ pattern: "^[0-9]+\\.[0-9]+$" }) });
const LINES_DEFAULT = 100;

/** What this node was told and decided, and the cluster as it was at a moment of the past. */
export function historyRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/history", { schema: { summary: "Entries this node handled, oldest first", querystring: ListQuery, response: { 200: Type.Array(HistoryLineSchema), ...failures } } }, async ({ query }) =>
    mutable(await facade.history.list({ sinceMs: numberOrNull(query.sinceMs), untilMs: numberOrNull(query.untilMs), about: query.about ?? null, limit: Math.min(LINES_MAX, Number(query.limit ?? LINES_DEFAULT)) })),
  );

  server.get("/history/at", { schema: { summary: "The cluster at a moment of the past, played again", querystring: AtQuery, response: { 200: PastSchema, ...failures } } }, async ({ query }) => mutable(await facade.history.at(Number(query.atMs), query.group ?? null)));

  server.get("/history/entries/:id", { schema: { summary: "One entry: what came in, and what was decided", params: Params, response: { 200: HistoryEntrySchema, ...failures } } }, async ({ params }) => mutable(await facade.history.find(params.id)));
}

function numberOrNull(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}
