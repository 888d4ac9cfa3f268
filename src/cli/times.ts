import { MusterError } from "../model/errors.ts";

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * A time as people write it: a date and time of this machine (2026-05-04T02:00, 2026-05-04 02:00:30), the time of
 * today (02:00), or how long ago (90min, 12h, 3d).
 * @returns wall time in ms
 * @throws MusterError naming the field
 */
export function parseTime(text: string, field: string, nowMs: number = Date.now()): number {
  const ago = /^(\d{1,6})(s|min|h|d)(?: ago)?$/.exec(text.trim());
  if (ago !== null) return nowMs - Number(ago[1]) * (UNITS_MS[ago[2] ?? "s"] ?? 0);
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text.trim());
  if (clock !== null) {
    const today = new Date(nowMs);
    today.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0);
    // "23:50", asked after midnight, is yesterday's.
    return today.getTime() > nowMs ? today.getTime() - (UNITS_MS["d"] ?? 0) : today.getTime();
  }
  // Date.parse takes much for a date that nobody meant as one.
  const parsed = /^\d{4}-\d{2}-\d{2}/.test(text.trim()) ? Date.parse(text.trim().replace(" ", "T")) : Number.NaN;
  if (Number.isNaN(parsed)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: `'${text}' is no time; write 2026-05-04T02:00, 02:00, or 90min, 12h, 3d` });
  return parsed;
}

export function timeOption(text: string | undefined, field: string): string | undefined {
  return text === undefined ? undefined : String(parseTime(text, field));
}
