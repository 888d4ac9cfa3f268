/**
 * Who owns a name in DNS, and since when: a TXT record beside it that says which cluster registered it, in which
 * generation of the role. A separate name, so that whoever keeps TXT records at the name itself is not disturbed.
 * Changes are made only where the marker is as it was read; so a node that was cut off cannot put back its addresses
 * once a later owner has registered its own.
 */
export interface Marker {
  readonly clusterId: string;
  /** For people. */
  readonly clusterName: string;
  readonly generation: number;
}

const LABEL = "_muster";
const TEXT_BYTES_MAX = 255;
const NAME_CHARACTERS_MAX = 100;

/** Where the marker of a name stands. */
export function markerName(name: string): string {
  return `${LABEL}.${name}`;
}

/** Quotes and backslashes never occur: names are encoded. */
export function printMarker({ clusterId, clusterName, generation }: Marker): string {
  return `muster=1 cluster=${encode(clusterId)} generation=${generation} name=${encode(clusterName).slice(0, NAME_CHARACTERS_MAX)}`;
}

/** null = it is no marker of Muster. */
export function parseMarker(text: string): Marker | null {
  if (text.length > TEXT_BYTES_MAX) return null;
  const [, clusterId, generation, clusterName] = /^muster=1 cluster=([\w.%-]+) generation=(\d{1,16}) name=([\w.%-]*)$/.exec(text) ?? [];
  if (clusterId === undefined || generation === undefined) return null;
  return { clusterId: decode(clusterId), clusterName: decode(clusterName ?? ""), generation: Number(generation) };
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // It was cut off within a character.
    return text;
  }
}
