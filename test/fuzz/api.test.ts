import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { createApi } from "../../src/api/server.ts";
import { FacadeOfCore } from "../unit/api/facade.ts";

/**
 * Whatever is sent to any route of the API: an answer of the documented shape comes back, and a fault of ours (500)
 * never. The routes are taken from the server itself, so that none is forgotten.
 */

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 3_000);
const SEED = Number(process.env["SEED"] ?? 29);

const words = fc.constantFrom("web", "n1", "nobody", "program", "west", "quorum", "%00", "..", "1", "__proto__", "x".repeat(70), "a b");
const json = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.dictionary(fc.constantFrom("name", "group", "node", "properties", "type", "groups", "startsAfter", "drain", "failback", "steps", "operations", "witness", "privateProperties", "parent", "faultDomain", "target"), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }));

test(`${RUNS} requests to all routes`, async () => {
  const facade = new FacadeOfCore();
  const api = await createApi(facade, { token: "t" });
  const routes = (await api.inject({ url: "/openapi.json", headers: { authorization: "Bearer t" } })).json() as { paths: Record<string, Record<string, unknown>> };
  const all = Object.entries(routes.paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() as "GET" })))
    // Streams do not end.
    .filter(({ path }) => !path.endsWith("/stream") && !path.endsWith("/changes") && !path.endsWith("/log"));
  assert.ok(all.length > 40, `${all.length} routes`);
  await api.inject({ method: "POST", url: "/v1/groups", payload: { name: "web" }, headers: { authorization: "Bearer t" } });
  const hit = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...all), words, json, fc.dictionary(fc.constantFrom("dryRun", "timeoutMs", "force", "consistent", "after", "sinceMs", "atMs", "limit", "prefix"), words, { maxKeys: 2 }), async ({ path, method }, word, body, query) => {
      const url = path.replaceAll(/\{\w+\}/g, encodeURIComponent(word));
      const response = await api.inject({ method, url, query, headers: { authorization: "Bearer t" }, ...(method === "GET" || method === "DELETE" ? {} : { payload: JSON.stringify(body), headers: { authorization: "Bearer t", "content-type": "application/json" } }) });
      assert.ok(response.statusCode < 500 || response.statusCode === 503, `${method} ${url} ${JSON.stringify(body)}: ${response.statusCode} ${response.body.slice(0, 300)}`);
      if (response.statusCode >= 400) assert.ok(typeof (response.json() as { error: { code: unknown } }).error.code === "string", response.body);
      else hit.add(`${method} ${path}`);
    }),
    { numRuns: RUNS, seed: SEED },
  );
  assert.ok(hit.size >= 15, `only ${hit.size} routes ever succeeded`);
  await api.close();
});
