/** Data goes to stdout, talk to stderr; tables for people, JSON for programs. */

export function data(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

export function talk(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function json(value: unknown): void {
  data(JSON.stringify(value, null, 2));
}

/** Rows under a heading, columns as wide as their widest cell; the last one is not padded. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]): string => cells.map((cell, column) => (column === heading.length - 1 ? cell : cell.padEnd(widths[column]!))).join("  ").trimEnd();
  return [line(heading), ...rows.map(line)].join("\n");
}

/** 75_000 -> "1 min 15 s". */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 1) return `${Math.max(0, Math.floor(ms))} ms`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

export function clock(wallTimeMs: number): string {
  return new Date(wallTimeMs).toISOString().slice(11, 23);
}

/** "One sentence" lists: a, b and c. */
export function list(items: readonly string[]): string {
  return items.length === 0 ? "none" : items.join(", ");
}
