import { Type } from "@fastify/type-provider-typebox";
import { orNull } from "./schemas.ts";

const number = (description: string) => Type.Number({ description });

/** The lease of one node (PROTOCOL part 2), as its own service sees it. */
export const LeaseSchema = Type.Object({
  node: Type.String(),
  tokenMs: number("corosync's token, from which the others follow."),
  waitingTokenMs: number("The token by which others are waited for: the longer one while the token changes, else the same."),
  leaseMs: number("L: how long the gate stays open after the tick that was confirmed last was armed."),
  tickMs: number("P: the shortest time from one tick to the next; while all is well there is one every two P."),
  granularityMs: number("g: how late the kernel's timers may be; it is part of the hold."),
  holdMs: number("H: how long others wait after they last answered this node."),
  permitMs: number("For processes that only their own deadline ends."),
  permitHoldMs: number("How long others wait for those."),
  detectionMs: number("A member whose ticks stay away that long is treated as lost."),
  gate: orNull(
    Type.Object({
      open: Type.Boolean(),
      leftMs: number("Of the slot that decides; 0 = closed."),
      owned: Type.Array(Type.String(), { description: "Addresses that pass while it is open." }),
      clustered: Type.Array(Type.String(), { description: "Addresses the gate is for." }),
      droppedPackets: number("That did not pass, since the service started."),
    }),
  ),
  margin: orNull(Type.Object({ minimumMs: Type.Number(), medianMs: Type.Number(), renewals: Type.Number() }, { description: "What was left of the lease whenever it was renewed." })),
  evidenceAgeMs: orNull(number("Age of the newest tick that a quorum answered.")),
  epoch: orNull(number("Of the view under which it is given.")),
  confirmed: Type.Number(),
  reopened: number("Confirmations that came after the lease had run out: the gate had been closed in between."),
  repairs: number("How often somebody else had changed the gate's tables."),
  realTime: Type.Object({ priority: orNull(Type.Number()), problems: Type.Array(Type.String()) }),
  holds: Type.Array(Type.Object({ node: Type.String(), leaseMs: Type.Number(), permitMs: Type.Number() }), { description: "What this node still counts for others that were left out." }),
});
