import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHypotheses } from "../../../src/cli/hypotheses.ts";

test("what may be assumed, in words", () => {
  assert.deepEqual(parseHypotheses(["node", "n1", "down", "then", "nodes", "n2,n3", "down", "then", "node", "n1", "up"]), [
    { what: "nodeDown", node: "n1" },
    { what: "nodesDown", nodes: ["n2", "n3"] },
    { what: "nodeUp", node: "n1" },
  ]);
  assert.deepEqual(parseHypotheses(["nodes", "n1,n2", "cut"]), [{ what: "networkCut", nodes: ["n1", "n2"] }]);
  assert.deepEqual(parseHypotheses(["witness", "lost"]), [{ what: "witness", state: "lost" }]);
  assert.deepEqual(parseHypotheses(["resource", "r", "fails"]), [{ what: "resourceFails", resource: "r" }]);
  assert.deepEqual(parseHypotheses(["group", "g", "move"]), [{ what: "command", command: { verb: "group.move", group: "g" } }]);
  assert.deepEqual(parseHypotheses(["group", "g", "move", "n2"]), [{ what: "command", command: { verb: "group.move", group: "g", node: "n2" } }]);
  assert.deepEqual(parseHypotheses(["node", "n1", "drain"]), [{ what: "command", command: { verb: "node.pause", node: "n1", drain: true } }]);
  assert.deepEqual(parseHypotheses(["set", "group", "g", "Priority=3000"]), [{ what: "command", command: { verb: "group.set", group: "g", properties: { Priority: 3_000 } } }]);
  assert.deepEqual(parseHypotheses(["set", "cluster", "DynamicQuorum=0"]), [{ what: "command", command: { verb: "cluster.set", properties: { DynamicQuorum: 0 } } }]);
});

test("what is not understood is refused as a whole", () => {
  for (const words of [["node", "n1"], ["node", "n1", "sideways"], ["group", "g", "online", "n1"], ["then"], ["node", "n1", "down", "then"], ["set", "group", "g"], ["set", "moon", "Full=1"], ["witness", "gone"]]) {
    assert.throws(() => parseHypotheses(words), /what-if/, words.join(" "));
  }
});
