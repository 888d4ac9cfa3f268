import type { PropertyTable } from "../properties.ts";

/**
 * Private properties of IP Address and IPv6 Address (reference 3.3). What belongs to DHCP stays at its default:
 * an address that the cluster moves must be its own. NetBIOS is not spoken.
 */
export const ipAddressProperties: PropertyTable = [
  { name: "Address", type: "string", default: "", required: true, description: "IPv4 address. The embedded engine serves addresses in 127.0.0.0/8." },
  { name: "DhcpAddress", type: "string", default: "", readOnly: true, stored: true, description: "Address from DHCP, which is not used." },
  { name: "DhcpServer", type: "string", default: "", readOnly: true, stored: true, description: "Server it is from." },
  { name: "DhcpSubnetMask", type: "string", default: "", readOnly: true, stored: true, description: "Mask it came with." },
  { name: "EnableDhcp", type: "number", default: 0, minimum: 0, maximum: 0, description: "0; addresses from DHCP are not supported." },
  { name: "EnableNetBIOS", type: "number", default: 1, minimum: 0, maximum: 2, stored: true, description: "0 off, 1 on, 2 as the adapter." },
  { name: "LeaseExpiresTime", type: "number", default: 0, readOnly: true, stored: true, description: "End of the lease from DHCP." },
  { name: "LeaseObtainedTime", type: "number", default: 0, readOnly: true, stored: true, description: "Begin of the lease from DHCP." },
  { name: "Network", type: "string", default: "", description: "Name of its network, which must hold the address; empty = whichever does. The adapter is found by the address." },
  { name: "OverrideAddressMatch", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = also on a network of another subnet, when the node has one adapter; needs SubnetMask." },
  { name: "SubnetMask", type: "string", default: "", description: "Mask of its subnet; empty = that of the adapter." },
];

export const ipv6AddressProperties: PropertyTable = [
  { name: "Address", type: "string", default: "", required: true, description: "IPv6 address." },
  { name: "Network", type: "string", default: "", description: "Name of its network, which must hold the address; empty = whichever does. The adapter is found by the address." },
  { name: "PrefixLength", type: "number", default: 0, minimum: 0, maximum: 128, description: "Length of its prefix; 0 = that of the adapter." },
];
