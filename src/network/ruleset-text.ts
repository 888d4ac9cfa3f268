/** Pieces of nftables text. One statement on each line: a brace after a rule on the same line is a syntax error. */

export function chain(name: string, rules: readonly string[]): string[] {
  return [`chain ${name} {`, ...rules, "}"];
}

/** A chain that the kernel calls. @param priority smaller comes first; connections are looked up at -200 */
export function hook(name: string, priority: number, rules: readonly string[], chainName = name): string[] {
  return [`chain ${chainName} {`, `type filter hook ${name} priority ${priority}; policy accept;`, ...rules, "}"];
}
