/** Deliberate bugs: each leaves a sentence of the protocol out, in the world around the code, never in the code. */
export const BUGS = [
  "no hold for a lost member",
  "holds of others are not told",
  "a hold of half its length",
  "take without waiting for the others' release",
  "released before the kernel has let go",
  "slots open when they are armed",
  "armed after it was asked for",
  "echo to whoever is heard",
  "a new life leaves the old rules loaded",
  "a starting host does not listen",
  "nobody gives way",
  "empty before the kernel has let go",
  "what the map does not give is kept",
] as const;
export type Bug = (typeof BUGS)[number];
