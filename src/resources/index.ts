import type { ResourceType } from "../monitor/resource-type.ts";
import { genericApplication } from "./generic-application.ts";
import { ipAddress } from "./ip-address.ts";

/** The types every cluster has; model/resource-types.ts lists what the cluster knows of them. */
export const builtInTypes: readonly ResourceType[] = [genericApplication, ipAddress];
