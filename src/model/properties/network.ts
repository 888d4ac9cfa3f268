import type { PropertyTable } from "../properties.ts";

/** Common properties of a network (reference 2.7). */
export const networkProperties: PropertyTable = [
  { name: "AdminExtensions", type: "string", default: "", stored: true, description: "Kept for tools of an administrator." },
  { name: "Address", type: "string", default: "", readOnly: true, computed: true, description: "Its first IPv4 prefix." },
  { name: "AddressMask", type: "string", default: "", readOnly: true, computed: true, description: "The mask of it." },
  { name: "AutoMetric", type: "number", default: 1, minimum: 0, maximum: 1, description: "1 = Metric is computed." },
  { name: "Description", type: "string", default: "", description: "Free text." },
  { name: "IPv4Addresses", type: "stringList", default: [], readOnly: true, computed: true, description: "Its IPv4 prefixes." },
  { name: "IPv4PrefixLengths", type: "stringList", default: [], readOnly: true, computed: true, description: "Their lengths." },
  { name: "IPv6Addresses", type: "stringList", default: [], readOnly: true, computed: true, description: "Its IPv6 prefixes." },
  { name: "IPv6PrefixLengths", type: "stringList", default: [], readOnly: true, computed: true, description: "Their lengths." },
  { name: "Metric", type: "number", default: 100, minimum: 1, maximum: 268_435_455, description: "Messages between nodes take the network with the lowest; setting it clears AutoMetric." },
  { name: "Name", type: "string", default: "", readOnly: true, computed: true, description: "Its name." },
  { name: "Role", type: "number", default: 3, minimum: 0, maximum: 3, description: "0 none, 1 cluster only, 3 cluster and clients; 2, clients only, is not supported." },
];
