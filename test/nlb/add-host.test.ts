import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { CANNOT } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";

const MUSTER = fileURLToPath(new URL("../../bin/muster.js", import.meta.url));

describe("a machine that is told over ssh to join", { skip: CANNOT }, () => {
  let cluster: Balanced;
  let place: string;
  const path = process.env["PATH"]!;
  before(async () => {
    place = mkdtempSync(join(tmpdir(), "muster-nlb-ssh-"));
    cluster = await Balanced.form({ hosts: 1, spare: 1 });
    // In the place of ssh: it hands its words to a shell on the other machine, as sshd does.
    const { namespace } = cluster.lab.machine(2);
    script("ssh", `echo "$*" >> ${place}/told\nwhile [ "$1" != -- ]; do shift; done\nshift 2\nexec ip netns exec ${namespace} sh -c "$*"`);
    script("muster", `exec ${process.execPath} --disable-warning=ExperimentalWarning ${MUSTER} "$@" --directory ${cluster.directory(2)}`);
    process.env["PATH"] = `${place}:${path}`;
  });
  after(async () => {
    process.env["PATH"] = path;
    await cluster?.close();
    rmSync(place, { recursive: true, force: true });
  });

  const script = (name: string, text: string): void => writeFileSync(join(place, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const told = (): string => readFileSync(join(place, "told"), "utf8").trim().split("\n").at(-1)!;

  test("joins with what was said for it, and its token stands in no command line", async () => {
    const words = ["add-host", "web 2", "--adapter", "eth0", "--host", "7", "--name", "h2", "--ssh-option", "BatchMode=yes"];
    const dry = JSON.parse(cluster.muster(1, ...words, "--dry-run", "--json")) as { readonly ssh: readonly string[] };
    assert.equal(dry.ssh[3], "web 2");
    assert.throws(told, "nothing was asked yet");
    const refused = cluster.tries(1, "add-host", "web2", "--adapter", "none0");
    assert.notEqual(refused.code, 0);
    assert.match(refused.error, /there is no adapter none0[^]*web2 did not join \(ssh ended with \d+\); on the machine itself: muster nlb join TOKEN/);
    const made = JSON.parse(cluster.muster(1, ...words, "--json")) as { readonly host: number };
    assert.equal(made.host, 7);
    assert.equal(told(), "-o BatchMode=yes -- web 2 muster nlb join - --adapter eth0 --host 7 --name h2 --json");
    await cluster.state(1, 7, "converged");
  });
});
