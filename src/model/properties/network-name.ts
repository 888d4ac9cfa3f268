import type { PropertyTable } from "../properties.ts";

/**
 * Private properties of Network Name (reference 3.3, 10.3). The name is registered in DNS; what belongs to NetBIOS,
 * Kerberos and Active Directory stays at its default. The last four are Muster's own: Windows finds server and key
 * through the domain.
 */
export const networkNameProperties: PropertyTable = [
  { name: "ADAware", type: "number", default: 0, minimum: 0, maximum: 2, stored: true, description: "Objects in Active Directory, which is not used." },
  { name: "Aliases", type: "string", default: "", stored: true, description: "Further names." },
  { name: "CreatingDC", type: "string", default: "", readOnly: true, stored: true, description: "Domain controller of its object." },
  { name: "DnsName", type: "string", default: "", description: "The name in DNS: one label, at most 63 characters; empty = Name." },
  { name: "DnsSuffix", type: "string", default: "", readOnly: true, stored: true, description: "Suffix in Windows; here DnsZone is." },
  { name: "HostRecordTTL", type: "number", default: 1200, minimum: 0, maximum: 2_147_483_647, unit: "s", description: "How long others may remember the records." },
  { name: "LastDNSUpdateTime", type: "number", default: 0, readOnly: true, stored: true, description: "Last registration; the role's output has it." },
  { name: "Name", type: "string", default: "", required: true, description: "The name of the role for clients: at most 15 characters, no dots." },
  { name: "ObjectGUID", type: "string", default: "", readOnly: true, stored: true, description: "Its object in Active Directory." },
  { name: "PublishPTRRecords", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = the addresses get reverse records as well." },
  { name: "RegisterAllProvidersIP", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = also addresses it depends on that are not online." },
  { name: "RemapPipeNames", type: "number", default: 0, minimum: 0, maximum: 1, stored: true, description: "Names of pipes." },
  { name: "RequireDNS", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = it is online only when it is registered; 0 = trouble with DNS is told and tried again." },
  { name: "ResourceData", type: "string", default: "", readOnly: true, stored: true, description: "Password of its object." },
  { name: "StatusDNS", type: "number", default: 0, readOnly: true, stored: true, description: "Last status; StatusInformation and the role's output have it." },
  { name: "StatusKerberos", type: "number", default: 0, readOnly: true, stored: true, description: "Last status." },
  { name: "StatusNetBIOS", type: "number", default: 0, readOnly: true, stored: true, description: "Last status." },
  { name: "TimerCallbackAdditionalThreshold", type: "number", default: 5, minimum: 0, maximum: 2_147_483_647, stored: true, description: "Patience of a timer." },
  { name: "DeregisterOnOffline", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = its records are removed when it goes offline, also for a move; 0 = they stay." },
  { name: "DnsServer", type: "string", default: "", description: "Primary server of the zone, ADDRESS or ADDRESS:PORT; empty = the one that the zone's SOA record names." },
  { name: "DnsZone", type: "string", default: "", required: true, description: "The zone in which the name stands, for example cluster.example.org." },
  { name: "TsigKeyFile", type: "string", default: "", required: true, description: "File on each node with the TSIG key, as tsig-keygen writes it; it says the algorithm as well." },
];
