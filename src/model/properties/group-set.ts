import type { PropertyTable } from "../properties.ts";
import { UNSET } from "../states.ts";

/** Common properties of a group set (reference 2.7). */
export const groupSetProperties: PropertyTable = [
  { name: "IsGlobal", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = every role outside the set waits for it." },
  { name: "Name", type: "string", default: "", readOnly: true, computed: true, description: "Its name." },
  { name: "ReadyCount", type: "number", default: UNSET, minimum: 0, maximum: UNSET, description: "Roles that must be ready; 4294967295 = all." },
  { name: "ReadyDelay", type: "number", default: 0, minimum: 0, maximum: UNSET, unit: "s", description: "Further wait once it is ready." },
  { name: "ReadySetting", type: "number", default: 2, minimum: 1, maximum: 4, description: "When a role of it is ready: 1 after the delay, 2 online, 3 heartbeat of the guest, 4 its application says so." },
  { name: "StartupCount", type: "number", default: UNSET, minimum: 0, maximum: UNSET, description: "The older name of ReadyCount; the lower of the two counts." },
  { name: "StartupDelay", type: "number", default: 20, minimum: 0, maximum: UNSET, unit: "s", description: "With StartupSetting 1: time after the start of its roles." },
  { name: "StartupSetting", type: "number", default: 1, minimum: 1, maximum: 4, description: "1 = roles that wait for it start StartupDelay after it was started, 2 = when it is online, 3 heartbeat, 4 application." },
  { name: "StatusInformation", type: "number", default: 0, minimum: 0, maximum: 15, readOnly: true, computed: true, description: "Bits: 1 pending, 2 online, 4 heartbeat, 8 application ready." },
];
