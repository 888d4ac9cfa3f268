import type { PropertyTable } from "../properties.ts";
import { UNSET } from "../states.ts";

/** Common properties of a node (reference 2.7). */
export const nodeProperties: PropertyTable = [
  { name: "AdminExtensions", type: "string", default: "", stored: true, description: "Kept for tools of an administrator." },
  { name: "Description", type: "string", default: "", description: "Free text." },
  { name: "DrainErrorCode", type: "number", default: 0, minimum: 0, maximum: UNSET, readOnly: true, computed: true, description: "Number of the event that tells why the last drain failed; 0 = it did not." },
  { name: "DynamicWeight", type: "number", default: 0, minimum: 0, maximum: 1, readOnly: true, computed: true, description: "The vote the node has now." },
  { name: "FaultDomain", type: "stringList", default: [], readOnly: true, computed: true, description: "Where it stands: Site:…, Rack:…, Chassis:…." },
  { name: "FaultDomainId", type: "string", default: "", readOnly: true, computed: true, description: "Id of the fault domain it stands in." },
  { name: "NodeCapacity", type: "number", default: UNSET, minimum: 0, maximum: UNSET, description: "Muster's own: the sum of the GroupWeights of the roles it takes; 4294967295 = any." },
  { name: "NodeDrainStatus", type: "number", default: 0, minimum: 0, maximum: 3, readOnly: true, computed: true, description: "0 not initiated, 1 in progress, 2 completed, 3 failed." },
  { name: "NodeDrainTarget", type: "number", default: -1, minimum: -1, maximum: 64, readOnly: true, computed: true, description: "Number of the node its roles were sent to; -1 = none was named." },
  { name: "NodeFailbackStatus", type: "number", default: 0, minimum: 0, maximum: 3, readOnly: true, computed: true, description: "0 not initiated, 1 in progress, 2 completed, 3 failed." },
  { name: "NodeHighestVersion", type: "number", default: 1, minimum: 0, maximum: UNSET, readOnly: true, computed: true, description: "Highest version of the protocol it speaks." },
  { name: "NodeLowestVersion", type: "number", default: 1, minimum: 0, maximum: UNSET, readOnly: true, computed: true, description: "Lowest version of the protocol it speaks." },
  { name: "NodeName", type: "string", default: "", readOnly: true, computed: true, description: "Its name." },
  { name: "NodeWeight", type: "number", default: 1, minimum: 0, maximum: 1, description: "1 = it may vote, 0 = it never does." },
  { name: "StatusInformation", type: "number", default: 0, minimum: 0, maximum: 51, readOnly: true, computed: true, description: "Bits: 1 isolated, 2 quarantined, 4 draining, 8 drained, 16 drain failed, 32 avoided by placement." },
];
