import assert from "node:assert/strict";

/** Reads Prometheus' text format as strictly as its own parser: HELP and TYPE come first, every line is a sample, none comes twice. @returns value by name and labels, as they are written */
export function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const seen = new Set<string>();
  let current = "";
  let lines = 0;
  for (const line of text.split("\n").slice(0, -1)) {
    const help = /^# HELP ([a-z_]+) \S.*[.]$/.exec(line);
    if (help !== null) {
      assert.ok(!seen.has(help[1]!), `${help[1]} comes twice`);
      if (current !== "") assert.ok(lines > 0, `${current} has no sample`);
      seen.add((current = help[1]!));
      lines = -1;
      continue;
    }
    if (lines === -1) {
      assert.match(line, new RegExp(`^# TYPE ${current} (gauge|counter)$`));
      assert.equal(current.endsWith("_total"), line.endsWith(" counter"), `${current}: what only grows says so in its name`);
      lines = 0;
      continue;
    }
    const sample = /^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*\}) (-?[0-9.e+-]+)$/.exec(line);
    assert.ok(sample !== null, `no sample: ${line}`);
    assert.equal(sample[1], current);
    assert.ok(Number.isFinite(Number(sample[3])), line);
    assert.ok(!samples.has(sample[1] + sample[2]!), `${line} comes twice`);
    samples.set(sample[1] + sample[2]!, Number(sample[3]));
    lines++;
  }
  assert.ok(text.endsWith("\n"));
  return samples;
}
