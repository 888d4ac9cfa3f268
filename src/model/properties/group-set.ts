import type { PropertyTable } from "../properties.ts";
import { UNSET } from "../states.ts";

/** Common properties of a group set (reference 2.7; its ReadySetting, ReadyCount and ReadyDelay are the documented names of the same three). */
export const groupSetProperties: PropertyTable = [
  { name: "IsGlobal", type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = every role outside the set waits for it." },
  { name: "Name", type: "string", default: "", readOnly: true, computed: true, description: "Its name." },
  { name: "StartupCount", type: "number", default: UNSET, minimum: 0, maximum: UNSET, description: "Roles of it that must be ready; 4294967295 = all." },
  { name: "StartupDelay", type: "number", default: 20, minimum: 0, maximum: UNSET, unit: "s", description: "With StartupSetting 1: time after the start of its roles." },
  { name: "StartupSetting", type: "number", default: 1, minimum: 1, maximum: 4, description: "When a role of it is ready: 1 StartupDelay after its start, 2 online, 3 its guest answers, 4 its application says so." },
  { name: "StatusInformation", type: "number", default: 0, minimum: 0, maximum: 15, readOnly: true, computed: true, description: "Bits: 1 pending, 2 online, 4 heartbeat, 8 application ready." },
];
