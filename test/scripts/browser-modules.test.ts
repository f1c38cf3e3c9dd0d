import assert from "node:assert/strict";
import { test } from "node:test";
import { readSources } from "../../scripts/source-graph.ts";

test("only the driver of the browser loads playwright, and the gateway does not load the driver", () => {
  const graph = readSources();
  const seen = new Set(["src/main.ts", "src/start-gateway.ts"]);
  for (const path of seen) for (const next of graph.get(path)?.imports ?? []) seen.add(next);
  assert.ok(seen.has("src/tools/browser/browser.ts"));
  const loaders = [...graph.values()].filter(({ path, packages }) => path.startsWith("src/") && packages.includes("playwright-core"));
  assert.ok(loaders.some(({ path }) => path === "src/tools/browser/driver/agent-browser.ts"));
  assert.deepEqual(
    loaders.filter(({ path }) => seen.has(path)).map(({ path }) => path),
    [],
  );
});
