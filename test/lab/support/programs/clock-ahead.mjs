/** For `node --import`: this process's clock is an hour ahead, as on a machine that nobody has set. */
const AHEAD_MS = 3_600_000;
const now = Date.now;
Date.now = () => now() + AHEAD_MS;
