import assert from "node:assert/strict";
import { test } from "node:test";
import { MusterError } from "../../../src/model/errors.ts";
import { GRANULARITY_HZ_100_MS, holdFor, leaseParameters } from "../../../src/lease/parameters.ts";
import type { LeaseSettings } from "../../../src/lease/parameters.ts";

test("L = 1.5 x token, P = L/8, H = L(1+rho)/(1-rho) + g, silence after 2.2 x token", () => {
  const table: readonly (readonly [LeaseSettings, leaseMs: number, tickMs: number, holdMs: number, detectionMs: number])[] = [
    // The examples of the protocol.
    [{ tokenMs: 200 }, 300, 37, 397, 440],
    [{ tokenMs: 500 }, 750, 93, 947, 1_100],
    [{ tokenMs: 500, granularityMs: GRANULARITY_HZ_100_MS }, 750, 93, 987, 1_100],
    [{ tokenMs: 200, driftPerMille: 0 }, 300, 37, 330, 440],
    [{ tokenMs: 200, driftPerMille: 1 }, 300, 37, 331, 440],
    [{ tokenMs: 333 }, 500, 62, 642, 733],
    [{ tokenMs: 1_000, permitMs: 1_500 }, 1_500, 187, 1_864, 2_200],
  ];
  for (const [settings, ...expected] of table) {
    const { leaseMs, tickMs, holdMs, detectionMs } = leaseParameters(settings);
    assert.deepEqual([leaseMs, tickMs, holdMs, detectionMs], expected, JSON.stringify(settings));
  }
});

test("the hold of a permit is counted the same way, with the time that killing takes", () => {
  assert.equal(leaseParameters({ tokenMs: 200 }).permitHoldMs, 6_112 + 30 + 1_000);
  assert.equal(leaseParameters({ tokenMs: 200, permitMs: 2_000, killBudgetMs: 0 }).permitHoldMs, 2_445 + 30);
});

test("a hold outlasts a lease that began at the same moment, by the slowest clock and the fastest", () => {
  for (let leaseMs = 1; leaseMs < 2_000; leaseMs += 7) {
    for (const drift of [0, 1, 50, 100, 333, 500]) {
      // In thousandths of real milliseconds, as fractions with one denominator.
      const leaseEnds = leaseMs * (1_000 + drift);
      const holdEnds = (holdFor(leaseMs, drift, 0)) * (1_000 - drift);
      assert.ok(holdEnds >= leaseEnds, `${leaseMs} ${drift}`);
      assert.ok(holdEnds - leaseEnds < 1_000, `${leaseMs} ${drift}: no longer than needed`);
    }
  }
});

test("nonsense is refused and names the field", () => {
  const table: readonly (readonly [LeaseSettings, string])[] = [
    [{ tokenMs: 0 }, "tokenMs"],
    [{ tokenMs: 49 }, "tokenMs"],
    [{ tokenMs: 60_001 }, "tokenMs"],
    [{ tokenMs: 200.5 }, "tokenMs"],
    [{ tokenMs: Number.NaN }, "tokenMs"],
    [{ tokenMs: 200, driftPerMille: -1 }, "driftPerMille"],
    [{ tokenMs: 200, driftPerMille: 1_000 }, "driftPerMille"],
    [{ tokenMs: 200, granularityMs: 0 }, "granularityMs"],
    [{ tokenMs: 200, permitMs: 299 }, "permitMs"],
    [{ tokenMs: 200, killBudgetMs: -5 }, "killBudgetMs"],
  ];
  for (const [settings, field] of table) {
    assert.throws(() => leaseParameters(settings), (error) => error instanceof MusterError && error.code === "MUSTER_PROPERTY_RANGE" && error.details["field"] === field, JSON.stringify(settings));
  }
});
