import { playByCommand } from "../player.ts";
import { BUGS } from "./bugs.ts";
import type { Bug } from "./bugs.ts";
import { runLeaseSeed } from "./run.ts";

playByCommand<Bug>({ name: "lease", sentence: "Plays the lease of whole clusters under seeded faults: never may two nodes serve one role.", file: "test/simulation/lease/main.ts", bugs: BUGS, run: runLeaseSeed });
