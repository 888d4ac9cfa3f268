import type { Command as Program } from "commander";
import { nlbAddressCommands } from "./addresses.ts";
import { nlbControlCommands } from "./control.ts";
import { nlbDestroyCommand } from "./destroy.ts";
import { nlbHostCommands } from "./host.ts";
import { nlbListingCommands } from "./listings.ts";
import { nlbLookingCommands } from "./looking.ts";
import { nlbRuleCommands } from "./rules.ts";

/** `muster nlb …`: network load balancing, which needs no failover cluster. */
export function nlbCommands(program: Program): void {
  const nlb = program.command("nlb").description("network load balancing: hosts that share addresses, without a dispatcher");
  nlbHostCommands(nlb);
  nlbLookingCommands(nlb);
  nlbListingCommands(nlb);
  nlbControlCommands(nlb);
  nlbRuleCommands(nlb);
  nlbAddressCommands(nlb);
  nlbDestroyCommand(nlb);
}
