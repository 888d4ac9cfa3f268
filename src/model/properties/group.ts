import type { PropertyTable } from "../properties.ts";
import { UNSET } from "../states.ts";

/** Common properties of a group (reference 2.5). */
export const groupProperties: PropertyTable = [
  { name: "AdminExtensions", type: "string", default: "", stored: true, description: "Kept for tools of an administrator." },
  { name: "AntiAffinityClassNames", type: "stringList", default: [], description: "Roles that share one of these names are kept on different nodes." },
  { name: "AutoFailbackType", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = it goes back to its most preferred owner when that is up again." },
  { name: "ColdStartSetting", type: "number", default: 0, minimum: 0, maximum: 2, description: "When the whole cluster starts: 0 start always, 1 do not start, 2 start if it was online." },
  { name: "DefaultOwner", type: "number", default: -1, minimum: -1, maximum: 64, description: "Number of the node it ran on last or was moved to; -1 = none." },
  { name: "Description", type: "string", default: "", description: "Free text." },
  { name: "FailbackWindowEnd", type: "number", default: -1, minimum: 0, maximum: 23, unset: -1, unit: "hour", description: "Hour at which failback ends; -1 = at any time: the window counts when both are set." },
  { name: "FailbackWindowStart", type: "number", default: -1, minimum: 0, maximum: 23, unset: -1, unit: "hour", description: "Hour from which it may fail back; -1 = at once, also when only FailbackWindowEnd is set." },
  { name: "FailoverPeriod", type: "number", default: 6, minimum: 0, maximum: 1193, unit: "hours", description: "The window in which failovers are counted; 0 = for ever." },
  { name: "FailoverThreshold", type: "number", default: UNSET, minimum: 0, maximum: UNSET, description: "Failovers allowed inside FailoverPeriod; 4294967295 stands for number of nodes - 1." },
  { name: "FaultDomain", type: "number", default: -1, minimum: -1, maximum: 1024, stored: true, description: "Fault domain inside an availability set; -1 = none." },
  { name: "GroupStartDelay", type: "number", default: 0, minimum: 0, maximum: 1_800_000, unit: "ms", description: "Wait before it is started by itself." },
  { name: "GroupType", type: "number", default: 9999, minimum: 1, maximum: 9999, description: "What kind of role it is, by number; 9999 = unknown." },
  { name: "GroupWeight", type: "number", default: 1, minimum: 0, maximum: 1_000_000, description: "Muster's own: what it takes of a node's NodeCapacity, and what it counts when loads are compared." },
  { name: "LockedFromMoving", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = it is not moved; only a failure or its node's end moves it." },
  { name: "PersistentState", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = the group shall be online; set by online, cleared by offline, untouched by a failover." },
  { name: "PlacementOptions", type: "number", default: 0, minimum: 0, maximum: 1, stored: true, description: "1 = the balancer leaves it alone." },
  { name: "PreferredSite", type: "string", default: "", description: "Site whose nodes are preferred for it." },
  { name: "Priority", type: "number", default: 2000, minimum: 0, maximum: 4999, description: "Order of starts and who may push out whom: 3000 high, 2000 medium, 1000 low, 0 is not started by itself." },
  { name: "ResiliencyPeriod", type: "number", default: 0, minimum: 0, maximum: UNSET, stored: true, unit: "s", description: "Its own ResiliencyDefaultPeriod; 0 = the cluster's." },
  { name: "StatusInformation", type: "number", default: 0, minimum: 0, maximum: 8191, readOnly: true, computed: true, description: "Bits that say what is special now (reference 2.3)." },
  { name: "UpdateDomain", type: "number", default: -1, minimum: -1, maximum: 1024, stored: true, description: "Update domain inside an availability set; -1 = none." },
];
