/** Waiting in tests: long limits and frequent looks, because the machine may be busy with other suites. */

export const LIMIT_MS = 45_000;
const POLL_MS = 40;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Asks until the answer is neither null nor undefined nor false.
 * @param what for the message, as in "did not come true: WHAT"
 * @throws Error with what was asked for and the last error of `ask`
 */
export async function until<Value>(what: string, ask: () => Promise<Value | null | undefined | false> | Value | null | undefined | false, limitMs = LIMIT_MS): Promise<Value> {
  const deadline = performance.now() + limitMs;
  let problem = "";
  for (;;) {
    try {
      const value = await ask();
      if (value !== null && value !== undefined && value !== false) return value;
      problem = "";
    } catch (error) {
      problem = `: ${(error as Error).message}`;
    }
    if (performance.now() > deadline) throw new Error(`did not come true within ${limitMs} ms: ${what}${problem}`);
    await sleep(POLL_MS);
  }
}
