// Loaded before the processes of a cluster: keeps compiled code between starts, beside the
// installed packages, so that a node starts in half the time. Without write access nothing is kept.
import { enableCompileCache } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

enableCompileCache?.(join(dirname(dirname(fileURLToPath(import.meta.url))), "node_modules", ".cache", "muster"));
