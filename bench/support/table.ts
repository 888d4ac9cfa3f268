/** Tables and goals, for people. */

export interface Goal {
  readonly name: string;
  /** null = not measured in this run. */
  readonly value: number | null;
  readonly unit: string;
  readonly limit: number;
  readonly isAtLeast?: boolean;
}

export function isMet({ value, limit, isAtLeast = false }: Goal): boolean | null {
  if (value === null) return null;
  return isAtLeast ? value >= limit : value <= limit;
}

/** The first column is text, the others numbers. */
export function table(title: string, heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string => `  ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  ")}`.trimEnd();
  return `${title}\n${[heading, ...rows].map(line).join("\n")}\n`;
}

export function goalLines(goals: readonly Goal[]): string {
  return goals
    .map((goal) => {
      const met = isMet(goal);
      const word = met === null ? "NOT MEASURED" : met ? "met" : "NOT MET";
      const value = goal.value === null ? "" : `${figure(goal.value)}${goal.unit} `;
      return `${word.padEnd(12)}  ${goal.name}: ${value}(goal ${goal.isAtLeast === true ? ">=" : "<="} ${goal.limit}${goal.unit})\n`;
    })
    .join("");
}

/** Three significant digits where there is something behind the point. */
export function figure(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
