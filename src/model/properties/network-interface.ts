import type { PropertyTable } from "../properties.ts";

/** Common properties of a network interface (reference 2.7). */
export const networkInterfaceProperties: PropertyTable = [
  { name: "Adapter", type: "string", default: "", readOnly: true, computed: true, description: "Name of the adapter on its node." },
  { name: "AdapterId", type: "string", default: "", readOnly: true, computed: true, description: "Hardware address of the adapter." },
  { name: "Address", type: "string", default: "", readOnly: true, computed: true, description: "Its first IPv4 address." },
  { name: "AdminExtensions", type: "string", default: "", stored: true, description: "Kept for tools of an administrator." },
  { name: "Description", type: "string", default: "", stored: true, description: "Free text." },
  { name: "DhcpEnabled", type: "number", default: 0, minimum: 0, maximum: 1, readOnly: true, computed: true, stored: true, description: "1 = it has its address by DHCP." },
  { name: "IPv4Addresses", type: "stringList", default: [], readOnly: true, computed: true, description: "Its IPv4 addresses." },
  { name: "IPv6Addresses", type: "stringList", default: [], readOnly: true, computed: true, description: "Its IPv6 addresses." },
  { name: "Name", type: "string", default: "", readOnly: true, computed: true, description: "Its name: node - adapter." },
  { name: "Network", type: "string", default: "", readOnly: true, computed: true, description: "The network it is on." },
  { name: "Node", type: "string", default: "", readOnly: true, computed: true, description: "The node it belongs to." },
];
