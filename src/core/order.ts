/** Orders strings by code units: the same on every machine, whatever its language. */
export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

export function sortedText(values: Iterable<string>): string[] {
  return [...values].sort(compareText);
}

/** Names are compared without regard to case, by the simple mapping of the language and nothing else. */
export function foldName(name: string): string {
  return name.toLowerCase();
}
