import { registerHooks } from "node:module";

/** Loaded before a node's process (`node --import`): makes it one of the next protocol version. */
registerHooks({
  load(url, context, nextLoad) {
    const result = nextLoad(url, context);
    if (!url.endsWith("/src/model/version.ts")) return result;
    return { ...result, source: String(result.source).replace(/PROTOCOL_VERSION = (\d+)/, (_whole, version: string) => `PROTOCOL_VERSION = ${Number(version) + 1}`) };
  },
});
