import type { PropertyTable } from "../properties.ts";
import { UNSET } from "../states.ts";

/** Common properties of a resource type (reference 2.6). */
export const resourceTypeProperties: PropertyTable = [
  { name: "AdminExtensions", type: "string", default: "", stored: true, description: "Kept for tools of an administrator." },
  { name: "DeadlockTimeout", type: "number", default: 300_000, minimum: 30_000, maximum: UNSET, stored: true, unit: "ms", description: "Longest call of resources that do not set their own." },
  { name: "DebugPrefix", type: "string", default: "", stored: true, description: "Debugger to start with its monitor." },
  { name: "Description", type: "string", default: "", stored: true, description: "Free text." },
  { name: "IsAlivePollInterval", type: "number", default: 60_000, minimum: 10, maximum: UNSET, unit: "ms", description: "Thorough health check of resources that do not set their own." },
  { name: "LooksAlivePollInterval", type: "number", default: 5000, minimum: 10, maximum: UNSET, unit: "ms", description: "Cheap health check of resources that do not set their own." },
  { name: "MaximumMonitors", type: "number", default: 1, minimum: 1, maximum: 64, stored: true, description: "Monitor processes for the type." },
  { name: "PendingTimeout", type: "number", default: 180_000, minimum: 10, maximum: UNSET, stored: true, unit: "ms", description: "Longest pending state of resources that do not set their own." },
];
