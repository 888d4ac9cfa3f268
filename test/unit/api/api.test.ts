import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { ApiClient } from "../../../src/api/client.ts";
import { createLocalServer } from "../../../src/api/http-server.ts";
import { createApi } from "../../../src/api/server.ts";
import type { ApiServer } from "../../../src/api/server.ts";
import { ErrorCatalogue, MusterError } from "../../../src/model/errors.ts";
import type { ClusterEvent } from "../../../src/model/events.ts";
import { FacadeOfCore } from "./facade.ts";

const TOKEN = "a-token";
let facade: FacadeOfCore;
let api: ApiServer;

beforeEach(async () => {
  facade = new FacadeOfCore();
  api = await createApi(facade, { token: TOKEN });
});

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

async function ask(method: Method, url: string, body?: object): Promise<{ status: number; body: any }> { // oxlint-disable-line typescript/no-explicit-any
  const response = await api.inject({ method, url, ...(body === undefined ? {} : { payload: body }), headers: { authorization: `Bearer ${TOKEN}` } });
  return { status: response.statusCode, body: response.body === "" ? null : JSON.parse(response.body) };
}

async function refused(method: Method, url: string, body: object | undefined, code: keyof typeof ErrorCatalogue, field?: string): Promise<void> {
  const answer = await ask(method, url, body);
  assert.equal(answer.body.error?.code, code, JSON.stringify(answer.body));
  assert.equal(answer.status, ErrorCatalogue[code].httpStatus);
  if (field !== undefined) assert.equal(answer.body.error.field, field);
  assert.ok(answer.body.error.next.length > 0, "it says what to do next");
}

async function makeRole(): Promise<void> {
  await ask("POST", "/v1/groups", { name: "web" });
  await ask("POST", "/v1/resources", { name: "address", group: "web", type: "IP Address", privateProperties: { Address: "127.0.0.9" } });
  await ask("POST", "/v1/resources", { name: "program", group: "web", type: "Generic Application", dependency: "[address]", privateProperties: { CommandLine: "true" } });
}

describe("routes", () => {
  test("fault domains, affinity rules and nodes: made, shown, changed, deleted", async () => {
    await makeRole();
    assert.equal((await ask("POST", "/v1/fault-domains", { name: "A", type: "Site" })).body.done, true);
    assert.equal((await ask("POST", "/v1/fault-domains", { name: "R", type: "Rack", parent: "A", location: "cellar" })).status, 200);
    assert.equal((await ask("PATCH", "/v1/nodes/n1", { faultDomain: "R", properties: { Description: "old" } })).status, 200);
    assert.deepEqual((await ask("GET", "/v1/nodes/n1")).body.faultDomain, ["Site:A", "Rack:R"]);
    assert.deepEqual((await ask("GET", "/v1/fault-domains/R")).body.children, ["n1"]);
    await refused("DELETE", "/v1/fault-domains/A", undefined, "MUSTER_FAULT_DOMAIN_IN_USE", "domain");
    await refused("PATCH", "/v1/groups/web", { properties: { PreferredSite: "R" } }, "MUSTER_FAULT_DOMAIN_NOT_FOUND", "PreferredSite");
    assert.equal((await ask("POST", "/v1/affinity-rules?dryRun=true", { name: "apart", type: "DifferentNode", groups: ["web"] })).body.done, false);
    await refused("GET", "/v1/affinity-rules/apart", undefined, "MUSTER_AFFINITY_RULE_NOT_FOUND", "rule");
    await ask("POST", "/v1/affinity-rules", { name: "apart", type: "DifferentNode", groups: ["web"], soft: true });
    await ask("PATCH", "/v1/affinity-rules/apart", { enabled: false });
    const { body } = await ask("GET", "/v1/affinity-rules");
    assert.deepEqual(body.map((rule: { id: unknown }) => ({ ...rule, id: "" })), [{ id: "", name: "apart", type: "DifferentNode", groups: ["web"], enabled: false, soft: true, violations: [] }]);
    assert.deepEqual((await ask("GET", "/v1/groups/web")).body.affinityRules, ["apart"]);
    assert.equal((await ask("DELETE", "/v1/affinity-rules/apart")).status, 200);
    assert.match((await ask("POST", "/v1/nodes/n1/clear-quarantine")).body.note, /not quarantined/);
  });

  test("a role is made, brought online, explained, moved, taken offline and deleted", async () => {
    await makeRole();
    assert.equal((await ask("POST", "/v1/groups/web/online")).status, 200);
    const online = await ask("GET", "/v1/groups/web");
    assert.equal(online.body.state, "Online");
    assert.deepEqual(online.body.resources, ["address", "program"]);
    const why = await ask("GET", "/v1/groups/web/why");
    assert.equal(why.body.ownerNode, online.body.ownerNode);
    const target = ["n1", "n2", "n3"].find((node) => node !== online.body.ownerNode);
    assert.equal((await ask("POST", "/v1/groups/web/move", { node: target })).body.done, true);
    assert.equal((await ask("GET", "/v1/groups/web")).body.ownerNode, target);
    await refused("DELETE", "/v1/groups/web", undefined, "MUSTER_GROUP_NOT_OFFLINE");
    await ask("POST", "/v1/groups/web/offline");
    assert.equal((await ask("DELETE", "/v1/groups/web")).status, 200);
    await refused("GET", "/v1/groups/web", undefined, "MUSTER_GROUP_NOT_FOUND");
  });

  test("a dry run shows the plan and changes nothing", async () => {
    await makeRole();
    const before = await ask("GET", "/v1/groups");
    const planned = await ask("POST", "/v1/groups/web/online?dryRun=true");
    assert.equal(planned.body.done, false);
    assert.equal(planned.body.plan.groups[0].after, "Online");
    assert.deepEqual(await ask("GET", "/v1/groups"), before);
    await refused("POST", "/v1/groups/none/online?dryRun=true", undefined, "MUSTER_GROUP_NOT_FOUND");
  });

  test("what if: the owner goes down", async () => {
    await makeRole();
    await ask("POST", "/v1/groups/web/online");
    const { ownerNode } = (await ask("GET", "/v1/groups/web")).body;
    const plan = await ask("POST", "/v1/what-if", { steps: [{ what: "nodeDown", node: ownerNode }] });
    assert.equal(plan.body.moves[0].from, ownerNode);
    assert.notEqual(plan.body.moves[0].to, ownerNode);
    assert.equal((await ask("GET", "/v1/groups/web")).body.ownerNode, ownerNode, "it was only a question");
  });

  test("resources are set, depended, failed and deleted", async () => {
    await makeRole();
    assert.equal((await ask("PATCH", "/v1/resources/program", { properties: { RestartThreshold: 7 } })).status, 200);
    assert.equal((await ask("GET", "/v1/resources/program")).body.properties.RestartThreshold, 7);
    assert.equal((await ask("PUT", "/v1/resources/program/dependency", { dependency: "" })).status, 200);
    assert.equal((await ask("GET", "/v1/resources/program")).body.dependency, "");
    await refused("POST", "/v1/resources/program/fail", undefined, "MUSTER_RESOURCE_NOT_ONLINE");
    assert.equal((await ask("DELETE", "/v1/resources/program")).status, 200);
  });

  test("database values, conditions and consistent reads", async () => {
    const value = { type: "string", value: "blue" };
    assert.equal((await ask("POST", "/v1/database/batch", { operations: [{ operation: "notExists", key: "a/b" }, { operation: "set", key: "a/b", value }] })).status, 200);
    assert.deepEqual((await ask("GET", "/v1/database/value/a/b?consistent=true")).body, value);
    assert.equal(facade.reads, 1);
    assert.deepEqual((await ask("GET", "/v1/database?prefix=a")).body, ["a/b"]);
    await refused("POST", "/v1/database/batch", { operations: [{ operation: "set", key: "a/b", value: { type: "string", value: "red" } }, { operation: "notExists", key: "a/b" }] }, "MUSTER_CONDITION_FAILED");
    assert.deepEqual((await ask("GET", "/v1/database/value/a/b")).body, value, "all or nothing");
    await refused("GET", "/v1/database/value/none", undefined, "MUSTER_KEY_NOT_FOUND");
  });

  test("nodes are paused and resumed", async () => {
    assert.equal((await ask("POST", "/v1/nodes/n2/pause", { drain: true })).status, 200);
    assert.equal((await ask("GET", "/v1/nodes/n2")).body.state, "Paused");
    assert.equal((await ask("POST", "/v1/nodes/n2/resume", {})).status, 200);
    await refused("POST", "/v1/nodes/n2/resume", {}, "MUSTER_NODE_NOT_PAUSED");
  });

  test("a service between two lives says why it cannot answer", async () => {
    facade.status = { phase: "left", reason: "its disk is full" };
    await refused("GET", "/v1/groups", undefined, "MUSTER_NO_QUORUM");
  });

  test("networks are shown, renamed and set; interfaces are listed", async () => {
    const tell = (addresses: readonly string[]): Promise<unknown> => facade.command({ verb: "network.discover", node: "n1", interfaces: addresses.map((address, position) => ({ adapter: `eth${position}`, hardwareAddress: "", addresses: [address], defaultGateway: position === 0 })) });
    await tell(["10.0.0.1/24", "10.7.0.1/16"]);
    const { body: networks } = await ask("GET", "/v1/networks");
    assert.deepEqual(networks.map((one: { name: string; prefixes: string[] }) => [one.name, one.prefixes]), [["Network 1", ["10.0.0.0/24"]], ["Network 2", ["10.7.0.0/16"]]]);
    assert.equal((await ask("PATCH", "/v1/networks/Network%201", { name: "front", properties: { Metric: 5, Description: "to the street" } })).status, 200);
    const { body: front } = await ask("GET", "/v1/networks/front?consistent=true");
    assert.deepEqual([front.id, front.properties.Metric, front.properties.AutoMetric, front.properties.Description], [networks[0].id, 5, 0, "to the street"]);
    const { body: interfaces } = await ask("GET", "/v1/interfaces");
    assert.deepEqual(interfaces.map((one: { name: string; network: string }) => [one.name, one.network]), [["n1 - eth0", "front"], ["n1 - eth1", "Network 2"]]);
    await refused("GET", "/v1/networks/nowhere", undefined, "MUSTER_NETWORK_NOT_FOUND");
    await refused("PATCH", "/v1/networks/front", { properties: { Role: 9 } }, "MUSTER_PROPERTY_RANGE", "Role");
    await refused("PATCH", "/v1/networks/front", { role: 1 }, "MUSTER_INVALID_ARGUMENT");
    await tell([]);
    assert.deepEqual((await ask("GET", "/v1/networks")).body, []);
  });

  test("quorum: who votes, what can be lost, a witness", async () => {
    const before = await ask("GET", "/v1/quorum");
    assert.deepEqual([before.body.type, before.body.votes, before.body.needed, before.body.held], ["NodeMajority", 3, 2, 3]);
    assert.deepEqual(before.body.survives.notNodes, []);
    await refused("PUT", "/v1/quorum", { witness: { kind: "daemon", properties: {} } }, "MUSTER_MISSING_PROPERTY", "Address");
    await refused("PUT", "/v1/quorum", { witness: { kind: "cloud", properties: { Colour: "red" } } }, "MUSTER_UNKNOWN_PROPERTY", "Colour");
    assert.equal((await ask("PUT", "/v1/quorum", { witness: { kind: "cloud", properties: { EndpointInfo: "https://store", ContainerName: "c", PrimaryKey: "secret" } } })).body.done, true);
    const { body } = await ask("GET", "/v1/quorum");
    assert.deepEqual([body.type, body.typeNumber, body.witness.kind, body.witness.state, body.witness.vote], ["NodeAndWitnessMajority", 1024, "cloud", "Unknown", 0]);
    assert.equal(JSON.stringify(body).includes("secret"), false, "a key is not shown");
    const why = await ask("GET", "/v1/quorum/explain");
    assert.match(why.body.summary, /3 votes \(n1, n2, n3\); 2 needed, 3 here/);
    await ask("PUT", "/v1/quorum", { witness: null });
    assert.equal((await ask("GET", "/v1/quorum")).body.witness, null);
    assert.equal((await ask("GET", "/v1/nodes/n1")).body.properties.DynamicWeight, 1);
  });
});

describe("bad input names its field and changes nothing", () => {
  test("unknown fields, wrong types, missing fields, empty bodies, wrong queries", async () => {
    await refused("POST", "/v1/groups", { name: "web", colour: "blue" }, "MUSTER_INVALID_ARGUMENT", "colour");
    await refused("POST", "/v1/groups", { name: 5 }, "MUSTER_INVALID_ARGUMENT", "name");
    await refused("POST", "/v1/groups", {}, "MUSTER_INVALID_ARGUMENT", "name");
    await refused("POST", "/v1/nodes/n1/pause", { drain: "yes" }, "MUSTER_INVALID_ARGUMENT", "drain");
    await refused("POST", "/v1/resources", { name: "a", group: "b" }, "MUSTER_INVALID_ARGUMENT", "type");
    await refused("GET", "/v1/groups?consistent=maybe", undefined, "MUSTER_INVALID_ARGUMENT", "consistent");
    await refused("POST", "/v1/what-if", { steps: [] }, "MUSTER_INVALID_ARGUMENT", "steps");
    assert.deepEqual((await ask("GET", "/v1/groups")).body, []);
  });

  test("a body that is not JSON, and a path that is not there", async () => {
    const response = await api.inject({ method: "POST", url: "/v1/groups", payload: "{", headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` } });
    assert.equal(response.statusCode, 400);
    assert.equal((await ask("GET", "/v1/nothing")).status, 404);
  });

  test("properties: unknown, out of range, of the wrong type, required ones missing", async () => {
    await makeRole();
    await refused("PATCH", "/v1/resources/program", { properties: { RestartThresold: 1 } }, "MUSTER_UNKNOWN_PROPERTY", "RestartThresold");
    await refused("PATCH", "/v1/resources/program", { properties: { RestartAction: 9 } }, "MUSTER_PROPERTY_RANGE", "RestartAction");
    await refused("PATCH", "/v1/resources/program", { properties: { RestartAction: "two" } }, "MUSTER_PROPERTY_RANGE", "RestartAction");
    await refused("POST", "/v1/resources", { name: "other", group: "web", type: "Generic Application" }, "MUSTER_MISSING_PROPERTY", "CommandLine");
    await refused("POST", "/v1/resources", { name: "other", group: "web", type: "Physical Disk" }, "MUSTER_TYPE_NOT_FOUND");
    assert.equal((await ask("GET", "/v1/resources/program")).body.properties.RestartAction, 2);
  });

  test("dependencies: syntax, cycles, other groups", async () => {
    await makeRole();
    await ask("POST", "/v1/groups", { name: "mail" });
    await ask("POST", "/v1/resources", { name: "queue", group: "mail", type: "Generic Application", privateProperties: { CommandLine: "true" } });
    for (const [dependency, code] of [["[address", "MUSTER_DEPENDENCY_SYNTAX"], ["[queue]", "MUSTER_DEPENDENCY_OUTSIDE_GROUP"]] as const) {
      const answer = await ask("PUT", "/v1/resources/program/dependency", { dependency });
      assert.equal(answer.body.error.code, code);
    }
    const cycle = await ask("PUT", "/v1/resources/address/dependency", { dependency: "[program]" });
    assert.equal(cycle.body.error.code, "MUSTER_DEPENDENCY_CYCLE");
    assert.equal((await ask("GET", "/v1/resources/program")).body.dependency, "[address]");
  });
});

describe("doors", () => {
  const directory = mkdtempSync(join(tmpdir(), "muster-api-"));
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function open(): Promise<{ socket: ApiClient; remote: (token: string | null) => ApiClient; close: () => void }> {
    await api.ready();
    const servers = [createLocalServer(api), createServer(api.routing)] as const;
    const path = join(directory, "api.sock");
    await new Promise<void>((resolve) => servers[0].listen({ path }, resolve));
    await new Promise<void>((resolve) => servers[1].listen({ host: "127.0.0.1", port: 0 }, resolve));
    const url = `http://127.0.0.1:${(servers[1].address() as AddressInfo).port}`;
    const close = (): void => {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    };
    return { socket: new ApiClient({ socket: path }), remote: (token) => new ApiClient({ url, token }), close };
  }

  test("the Unix socket needs no token, TCP does", async () => {
    const doors = await open();
    try {
      assert.deepEqual(await doors.socket.get("/v1/groups"), []);
      assert.deepEqual(await doors.remote(TOKEN).get("/v1/groups"), []);
      for (const token of [null, "", "wrong", `${TOKEN}x`]) {
        await assert.rejects(doors.remote(token).get("/v1/groups"), (error: unknown) => error instanceof MusterError && error.code === "MUSTER_UNAUTHORIZED");
      }
    } finally {
      doors.close();
    }
  });

  test("a connection that is reset as soon as it has asked is no Unix socket", async () => {
    const doors = await open();
    try {
      const { hostname, port } = new URL((doors.remote(null).endpoint as { readonly url: string }).url);
      for (let trial = 0; trial < 50; trial++) {
        const body = JSON.stringify({ name: `intruder${trial}` });
        const socket = connect(Number(port), hostname);
        await once(socket, "connect");
        socket.write(`POST /v1/groups HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
        socket.resetAndDestroy();
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.deepEqual(await doors.socket.get("/v1/groups"), []);
    } finally {
      doors.close();
    }
  });

  test("events stream as they happen, filtered, and resume by id", async () => {
    const doors = await open();
    try {
      const seen: ClusterEvent[] = [];
      const abort = new AbortController();
      const reading = (async () => {
        for await (const event of doors.socket.events({ group: "web" }, abort.signal)) {
          seen.push(event);
          if (seen.length === 2) return;
        }
      })();
      await new Promise((resolve) => setTimeout(resolve, 100));
      await makeRole();
      await reading;
      assert.ok(seen.every((event) => event.group === "web"));
      const [first, second] = seen;
      for await (const event of doors.socket.events({ group: "web", after: first!.id })) {
        assert.equal(event.id, second!.id, "what came after the id, without a gap or a repeat");
        break;
      }
    } finally {
      doors.close();
    }
    const deadline = Date.now() + 5_000;
    while (facade.listeners > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(facade.listeners, 0, "a reader that has gone is forgotten");
  });

  test("a reader that knows more than this node is told nothing again", async () => {
    const doors = await open();
    try {
      const abort = new AbortController();
      const seen: string[] = [];
      const reading = (async () => {
        for await (const event of doors.socket.events({ after: "999999.0.0" }, abort.signal)) seen.push(event.id);
      })().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await makeRole();
      await new Promise((resolve) => setTimeout(resolve, 200));
      abort.abort();
      await reading;
      assert.deepEqual(seen, []);
    } finally {
      doors.close();
    }
  });

  test("changes of the database are told to who watches a prefix", async () => {
    const doors = await open();
    try {
      const watching = (async () => {
        for await (const change of doors.socket.stream<{ keys: { key: string; value: unknown }[] }>("/v1/database/changes", { prefix: "app/" })) return change.keys;
        return null;
      })();
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (const key of ["other", "app/colour"]) await ask("POST", "/v1/database/batch", { operations: [{ operation: "set", key, value: { type: "string", value: "blue" } }] });
      assert.deepEqual(await watching, [{ key: "app/colour", value: { type: "string", value: "blue" } }]);
    } finally {
      doors.close();
    }
  });

  test("nobody there is MUSTER_NOT_REACHABLE", async () => {
    await assert.rejects(new ApiClient({ socket: join(directory, "none.sock") }).get("/v1/groups"), (error: unknown) => error instanceof MusterError && error.code === "MUSTER_NOT_REACHABLE");
  });
});

test("the description names every route, what it takes and what it answers", async () => {
  const document = (await ask("GET", "/openapi.json")).body;
  assert.equal(document.openapi, "3.1.0");
  for (const [path, methods] of Object.entries<Record<string, { summary?: string; responses: object; requestBody?: object }>>(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      assert.ok(operation.summary !== undefined && operation.summary.length > 3, `${method} ${path} has a summary`);
      assert.ok(Object.keys(operation.responses).length > 0);
    }
  }
  assert.ok(document.paths["/v1/groups/{group}/move"].post.requestBody !== undefined);
  assert.ok(Object.keys(document.paths).length >= 20);
});
