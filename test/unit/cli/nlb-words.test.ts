import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { portsOf, ruleOf, wholeNumber, yesOrNo } from "../../../src/cli/commands/nlb/common.ts";
import { rule } from "../nlb/support.ts";

describe("words of `muster nlb`", () => {
  test("a whole number is digits and nothing else", () => {
    assert.equal(wholeNumber("80", "--n", 0, 100), 80);
    for (const text of ["", " ", "0x10", "1e2", "-1", "1.0", "80 ", "101", "٣"]) assert.throws(() => wholeNumber(text, "--n", 0, 100), /--n/, `'${text}'`);
  });

  test("ports are one, or two in order", () => {
    assert.deepEqual(portsOf("80", "--ports"), { startPort: 80, endPort: 80 });
    assert.deepEqual(portsOf("8000-8010", "--ports"), { startPort: 8_000, endPort: 8_010 });
    for (const text of ["", "80-", "-80", "80-90-100", "90-80", "80,81", "0-65536"]) assert.throws(() => portsOf(text, "--ports"), /--ports/, `'${text}'`);
  });

  test("yes or no, and no other word", () => {
    assert.deepEqual(["yes", "no"].map((text) => yesOrNo(text, "--filter-icmp")), [true, false]);
    for (const text of ["", "true", "Yes", "on"]) assert.throws(() => yesOrNo(text, "--filter-icmp"), /--filter-icmp/, `'${text}'`);
  });

  test("a rule is meant by its key, or by a port that it alone covers", () => {
    const rules = [rule(), rule({ startPort: 443, endPort: 450 }), rule({ protocol: "udp", startPort: 450, endPort: 450 })];
    assert.equal(ruleOf("tcp all:80-80", rules), rules[0]);
    assert.equal(ruleOf("443", rules), rules[1]);
    assert.throws(() => ruleOf("450", rules), /covered by 'tcp all:443-450' and 'udp all:450-450'/);
    for (const text of ["", " 80", "81", "web"]) assert.throws(() => ruleOf(text, rules), /there is no rule/, `'${text}'`);
  });
});
