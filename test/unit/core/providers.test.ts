import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { ResourceRecord } from "../../../src/model/objects.ts";
import { Driver } from "./driver.ts";

/** A role "web" with two addresses, of which one is enough, and a name on them. */
function withName(): Driver {
  const driver = Driver.started(2);
  driver.do({ verb: "group.create", name: "web" });
  for (const [name, address] of [["a", "127.0.9.1"], ["b", "127.0.9.2"]]) driver.do({ verb: "resource.create", name: name!, group: "web", type: "IP Address", privateProperties: { Address: address! } });
  driver.program("name", "web", {}, undefined, "([b] or [a])");
  return driver;
}

const seen = (providers: readonly { readonly resource: ResourceRecord; readonly isOnline: boolean }[] | undefined): string | undefined => providers?.map(({ resource, isOnline }) => `${resource.name} ${String(resource.privateProperties["Address"])} ${isOnline}`).join(", ");

test("an order to start carries what the resource depends on, as it is; one without dependencies carries nothing", () => {
  const driver = withName();
  driver.command({ verb: "group.online", group: "web" });
  const [a, b, ...rest] = driver.orders.splice(0);
  assert.deepEqual([a?.resource.name, b?.resource.name, rest.length], ["a", "b", 0]);
  assert.equal("providers" in a!, false);
  driver.answer(b!);
  const [name] = driver.orders.splice(0);
  assert.equal(name?.resource.name, "name");
  assert.equal(seen(name?.providers), "b 127.0.9.2 true, a 127.0.9.1 false", "in the order of the expression");
  driver.answer(a!);
  const state = driver.state;
  assert.equal(seen(core.providersOf(state, state.tables.resources.get(name!.resource.id)!)), "b 127.0.9.2 true, a 127.0.9.1 true");
});

test("the same order given again carries them as they are then; an order to end carries none", () => {
  const driver = withName();
  driver.command({ verb: "group.online", group: "web" });
  const [a, b] = driver.orders.splice(0);
  driver.answer(b!);
  const [name] = driver.orders.splice(0);
  driver.answer(a!);
  const again = driver.inventory(name!.node, [a!, b!].map((effect) => ({ resource: effect.resource.id, generation: effect.generation, effect: effect.id, state: "online" as const, processId: null })));
  driver.orders.splice(0);
  assert.deepEqual(again.effects.map((effect) => [effect.id, seen(effect.providers)]), [[name!.id, "b 127.0.9.2 true, a 127.0.9.1 true"]]);
  driver.answer(name!);
  const offline = driver.command({ verb: "group.offline", group: "web" });
  assert.deepEqual(offline.effects.map((effect) => [effect.resource.name, effect.action, "providers" in effect]), [["name", "offline", false]]);
});
