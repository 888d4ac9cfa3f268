import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { sshArguments } from "../../../src/cli/over-ssh.ts";

test("what ssh is told: options first, then what no option can be, then words that a shell gives back as they were", () => {
  assert.deepEqual(sshArguments("web2", ["nlb", "join", "-", "--adapter", "eth0.7"], { sshOption: ["BatchMode=yes", "Port=22"], json: true }), ["-o", "BatchMode=yes", "-o", "Port=22", "--", "web2", "muster", "nlb", "join", "-", "--adapter", "eth0.7", "--json"]);
  const words = ["a b", "it's", "$(reboot)", ";", "", "*", "fd00::7/64"];
  const [, , , ...line] = sshArguments("web2", words, {});
  assert.equal(execFileSync("sh", ["-c", `printf '%s\\n' ${line.join(" ")}`], { encoding: "utf8" }), `${words.join("\n")}\n`);
});
