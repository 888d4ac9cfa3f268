const LOOK_MS = 10;

export function pause(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs));
}

/** Asks again and again. @throws Error naming what did not come in time */
export async function until(what: string, limitMs: number, holds: () => Promise<boolean>, lookMs = LOOK_MS): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${limitMs / 1_000} s: ${what}`);
    await pause(lookMs);
  }
}
