/** Prometheus' text format, for the figures of both kinds of cluster: pure. */

export type Labels = Readonly<Record<string, string | number>>;
export type Sample = readonly [labels: Labels, value: number];

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4";

/** One metric with all its samples; without samples it is left out. */
export function family(name: string, kind: "gauge" | "counter", help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}{${Object.entries(labels).map(([label, text]) => `${label}="${escape(String(text))}"`).join(",")}} ${value}\n`);
  return lines.length === 0 ? "" : `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines.join("")}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
