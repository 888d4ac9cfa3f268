import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Command } from "commander";
import { asking } from "../../../src/cli/common.ts";
import { connect } from "../../../src/cli/connect.ts";
import { MusterError } from "../../../src/model/errors.ts";
import { certify, createAuthority, createRequest } from "../../../src/security/certificates.ts";

const VARIABLES = ["MUSTER_CONNECT", "MUSTER_TOKEN", "MUSTER_AUTHORITY", "MUSTER_DIRECTORY"] as const;

describe("from another machine", () => {
  const former = VARIABLES.map((name) => [name, process.env[name]] as const);
  let place: string;
  let server: Server;
  let url: string;
  let asked: IncomingHttpHeaders[] = [];
  const set = (values: Partial<Record<(typeof VARIABLES)[number], string>>): void => {
    for (const name of VARIABLES) delete process.env[name];
    Object.assign(process.env, { MUSTER_DIRECTORY: place, ...values });
  };
  before(async () => {
    place = mkdtempSync(join(tmpdir(), "muster-connect-"));
    const authority = await createAuthority("c1");
    writeFileSync(join(place, "shop.pem"), authority.certificate);
    writeFileSync(join(place, "other.pem"), (await createAuthority("c2")).certificate);
    const { key, request } = await createRequest("n1");
    // By its name alone: it is asked by an address that is the cluster's.
    const cert = await certify(authority, "c1", request, "n1", []);
    server = createServer({ key, cert: `${cert.trim()}\n${authority.certificate}` }, (incoming, response) => {
      asked.push(incoming.headers);
      response.end(JSON.stringify({ answeredBy: { node: "n1", phase: "active", reason: null } }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    asked = [];
  });
  after(() => {
    for (const [name, value] of former) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    server.close();
    server.closeAllConnections();
    rmSync(place, { recursive: true, force: true });
  });

  const code = (wanted: string) => (error: unknown): boolean => error instanceof MusterError && error.code === wanted;

  test("a cluster whose authority is known is asked with the token, by whatever address", async () => {
    set({ MUSTER_CONNECT: url, MUSTER_AUTHORITY: join(place, "shop.pem"), MUSTER_TOKEN: "sesame\n" });
    const client = await connect({});
    assert.equal(client.address, url);
    assert.deepEqual(asked.map(({ authorization }) => authorization), ["Bearer sesame"]);
  });

  test("one that another authority signed, or nobody that is known, is told no token", async () => {
    set({ MUSTER_TOKEN: "sesame", MUSTER_AUTHORITY: join(place, "other.pem") });
    await assert.rejects((await connect({ connect: url })).get("/v1/cluster"), code("MUSTER_OTHER_CLUSTER"));
    set({ MUSTER_TOKEN: "sesame" });
    await assert.rejects((await connect({ connect: url })).get("/v1/cluster"), (error) => code("MUSTER_NOT_REACHABLE")(error) && /MUSTER_AUTHORITY/.test((error as Error).message));
    assert.deepEqual(asked, []);
  });

  test("an authority that cannot be read is no reason to believe others", async () => {
    set({ MUSTER_AUTHORITY: join(place, "none.pem") });
    await assert.rejects(connect({ connect: url }), (error) => code("MUSTER_INVALID_ARGUMENT")(error) && /MUSTER_AUTHORITY.*none\.pem/.test((error as Error).message));
    assert.deepEqual(asked, []);
  });

  test("an address that is none is refused with what it may be, and the help names the same", async () => {
    set({});
    for (const wrong of ["ftp://n1:3343", "n1:3343", "https://"]) await assert.rejects(connect({ connect: wrong }), (error) => code("MUSTER_INVALID_ARGUMENT")(error) && /https:\/\/HOST:PORT, unix:PATH and http:\/\/HOST:PORT/.test((error as Error).message), wrong);
    assert.match(asking(new Command()).helpInformation().replaceAll(/\s+/g, " "), /https:\/\/HOST:PORT.*MUSTER_TOKEN.*MUSTER_AUTHORITY.*unix:PATH.*http:\/\/HOST:PORT/);
  });
});
