import type { PropertyTable } from "../properties.ts";
import { UNSET } from "../states.ts";

/** Common properties of a resource (reference 2.6). */
export const resourceProperties: PropertyTable = [
  { name: "AdminExtensions", type: "string", default: "", stored: true, description: "Kept for tools of an administrator." },
  { name: "DeadlockTimeout", type: "number", default: 300_000, minimum: 1000, maximum: UNSET, unit: "ms", description: "Longest time one call of a resource type may take before its monitor is ended." },
  { name: "DebugPrefix", type: "string", default: "", stored: true, description: "Debugger to start with its monitor." },
  { name: "Description", type: "string", default: "", description: "Free text." },
  { name: "EmbeddedFailureAction", type: "number", default: 2, minimum: 0, maximum: 2, description: "The application inside failed: 0 ignore it, 1 log it, 2 recover as from a failure." },
  { name: "IsAlivePollInterval", type: "number", default: UNSET, minimum: 10, maximum: UNSET, unit: "ms", description: "Thorough health check; 4294967295 = the type's value." },
  { name: "LooksAlivePollInterval", type: "number", default: UNSET, minimum: 10, maximum: UNSET, unit: "ms", description: "Cheap health check; 4294967295 = the type's value." },
  { name: "PendingTimeout", type: "number", default: 180_000, minimum: 10, maximum: UNSET, unit: "ms", description: "Longest time in a pending state without progress." },
  { name: "PersistentState", type: "number", default: 0, minimum: 0, maximum: 1, readOnly: true, keepDefault: true, description: "Set by online and offline of this resource alone; absent = it follows its group." },
  { name: "ResourceSpecificData1", type: "number", default: 0, minimum: 0, maximum: UNSET, stored: true, description: "Free number of the type." },
  { name: "ResourceSpecificData2", type: "number", default: 0, minimum: 0, maximum: UNSET, stored: true, description: "Free number of the type." },
  { name: "ResourceSpecificStatus", type: "string", default: "", stored: true, description: "What the type says of its state." },
  { name: "RestartAction", type: "number", default: 2, minimum: 0, maximum: 2, description: "0 stay failed, 1 restart on this node only, 2 restart, then fail the group over." },
  { name: "RestartDelay", type: "number", default: 500, minimum: 0, maximum: UNSET, unit: "ms", description: "Wait before a restart." },
  { name: "RestartPeriod", type: "number", default: 900_000, minimum: 0, maximum: UNSET, unit: "ms", description: "The sliding window in which restarts are counted." },
  { name: "RestartThreshold", type: "number", default: 1, minimum: 0, maximum: UNSET, description: "Restarts allowed inside RestartPeriod." },
  { name: "RetryPeriodOnFailure", type: "number", default: 3_600_000, minimum: 0, maximum: UNSET, unit: "ms", description: "A failed resource is tried once more after this time; 4294967295 = never; at least RestartPeriod." },
  { name: "SeparateMonitor", type: "number", default: 0, minimum: 0, maximum: 1, stored: true, description: "1 = a monitor process of its own, from its next start on." },
  { name: "StatusInformation", type: "number", default: 0, minimum: 0, maximum: 1023, readOnly: true, computed: true, description: "Bits that say what is special now (reference 2.4)." },
];
