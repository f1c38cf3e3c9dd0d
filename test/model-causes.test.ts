// Every request to a model has a cause, and counts: this list has each place that asks one, and where its cause comes from.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { test } from "node:test";
import { USAGE_CAUSES } from "../src/store/usage.ts";
import { subjectOf } from "../src/turns/turn-usage.ts";

const root = join(import.meta.dirname, "..");
const sources = globSync("src/**/*.ts", { cwd: root })
  .map((file) => file.split(sep).join("/"))
  .filter((file) => !file.endsWith(".test.ts"))
  .map((file) => ({ file, text: readFileSync(join(root, file), "utf8") }));

/** Whatever asks a model: a turn, a summary, vectors. */
const ASKS = /\bruntime\.(?:prompt|compact)\(|\.#pi\.(?:prompt|compact)\(|\bembedder!?\.embed\(|\bfetchVectors\(/;

/** What the file must also have, so that the request is counted; null: it hands the request on to another file of this list. */
const COUNTED: Readonly<Record<string, RegExp | null>> = {
  "src/turns/running-turn.ts": /new UsageRecorder\(deps, row\)/,
  "src/methods/sessions.ts": /deps\.addSummary\(result\.call, session\)/,
  "src/gateway/image-models.ts": /spending\.forTool\(caller\)/,
  "src/gateway/agent-memory.ts": /spending\.forEmbedding\(/,
  "src/gateway/embedding-client.ts": null,
  "src/tools/memory/memory-notes.ts": null,
  "src/gateway/peers.ts": null,
  "src/agents/routed-runtime.ts": null,
};

test("T12.2: each place that asks a model counts the request with its cause", () => {
  const asking = sources.filter(({ text }) => ASKS.test(text));
  assert.deepEqual(asking.map(({ file }) => file).toSorted(), Object.keys(COUNTED).toSorted());
  for (const { file, text } of asking) if (COUNTED[file]) assert.match(text, COUNTED[file], file);
});

/** Where messages of people and programs come from: their cause is `message`. */
const ASKED_BY_SOMEONE = ["rpc", "http", "webchat", "peer", "a2a"];

test("T12.2: every source of turns that start by themselves has a cause of its own", () => {
  const places = sources.filter(({ file }) => /^src\/(?:schedule|hooks|subagents|turns)\//.test(file));
  const channels = new Set(places.flatMap(({ text }) => [...text.matchAll(/^ {2,8}channel: "([a-z0-9]+)",$/gm)].map(([, name]) => name!)));
  channels.add("flush");
  assert.ok(channels.has("cron") && channels.has("subagent"), [...channels].join());
  for (const channel of channels) {
    if (ASKED_BY_SOMEONE.includes(channel)) continue;
    const { cause } = subjectOf({ agentId: "main", channel, payload: null } as never);
    assert.ok(cause === channel && USAGE_CAUSES.includes(cause), `turns of ${channel} count as ${cause}`);
  }
});
