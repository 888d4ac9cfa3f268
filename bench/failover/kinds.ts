import { FAULTS } from "./contender.ts";
import type { ContenderKind } from "./contender.ts";
import { Keepalived } from "./keepalived.ts";
import { Muster } from "./muster.ts";
import { Pacemaker } from "./pacemaker.ts";
import { PROFILES } from "../../src/model/heartbeat.ts";

/** Everybody who is compared, in the order in which the first round visits them. */
export const KINDS: readonly ContenderKind[] = [
  {
    name: "muster standard",
    setup: `Muster, profile standard (token ${PROFILES.standard} ms); the program's type says that it is reached by its address only`,
    faults: FAULTS,
    hasCost: true,
    make: (lab) => new Muster(lab, { profile: "standard", programType: "Gated Program" }),
  },
  {
    name: `pacemaker token ${PROFILES.standard}`,
    setup: `Pacemaker with the token and link timers of Muster standard; monitors every second`,
    faults: FAULTS,
    hasCost: true,
    make: (lab) => new Pacemaker(lab, { tokenMs: PROFILES.standard, monitorSeconds: 1 }),
  },
  {
    name: "muster fast",
    setup: `Muster, profile fast (token ${PROFILES.fast} ms); otherwise the same`,
    faults: FAULTS,
    hasCost: true,
    make: (lab) => new Muster(lab, { profile: "fast", programType: "Gated Program" }),
  },
  {
    name: `pacemaker token ${PROFILES.fast}`,
    setup: `Pacemaker with the token and link timers of Muster fast; monitors every second`,
    faults: FAULTS,
    hasCost: true,
    make: (lab) => new Pacemaker(lab, { tokenMs: PROFILES.fast, monitorSeconds: 1 }),
  },
  {
    name: "keepalived 0.1 s",
    setup: "keepalived, VRRP version 3, an advertisement every 0.1 s; the program runs on all nodes and is looked at every second",
    faults: FAULTS,
    hasCost: true,
    make: (lab) => new Keepalived(lab, { advertisementSeconds: 0.1 }),
  },
  {
    name: "keepalived 1 s",
    setup: "the same with an advertisement every second, the default",
    faults: FAULTS,
    hasCost: true,
    make: (lab) => new Keepalived(lab, { advertisementSeconds: 1 }),
  },
  {
    name: "pacemaker defaults",
    setup: "Pacemaker with corosync's defaults (token 3000 ms + 650 ms for the third node); monitors every 10 s",
    faults: FAULTS,
    hasCost: true,
    make: (lab) => new Pacemaker(lab, { tokenMs: null, monitorSeconds: 10 }),
  },
  {
    name: "muster standard, generic",
    setup: "Muster, profile standard, the program as a Generic Application: a taker must also wait until its processes have certainly ended",
    faults: ["node killed", "link cut"],
    hasCost: false,
    make: (lab) => new Muster(lab, { profile: "standard", programType: "Generic Application" }),
  },
];
