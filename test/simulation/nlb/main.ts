import { playByCommand } from "../player.ts";
import { BUGS } from "./bugs.ts";
import type { Bug } from "./bugs.ts";
import { runNlbSeed } from "./run.ts";

playByCommand<Bug>({ name: "nlb", sentence: "Plays whole load-balancing clusters under seeded faults: no two hosts that hear each other may answer one client.", file: "test/simulation/nlb/main.ts", bugs: BUGS, run: runNlbSeed });
