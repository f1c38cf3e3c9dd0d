import assert from "node:assert/strict";
import { test } from "node:test";
import { defineFeatureTests } from "./features.ts";
import { runScenario } from "./scenario-run.ts";
import { open } from "./harnesses/webchat.ts";

await defineFeatureTests("webchat");

test("scenario 28: a file that is too large is refused at once, and nothing of its message is kept; any other file reaches the agent", () =>
  runScenario("webchat", open, { room: null }, async (it, ann) => {
    const large = { name: "large.bin", mimeType: "application/octet-stream", bytes: Buffer.alloc(19_500_000) };
    await assert.rejects(async () => it.platform.sendMessage(ann, "direct", "too much", { file: large }), /at most \d+ are taken/);
    const archive = { name: "a.zip", mimeType: "application/zip", bytes: Buffer.from("PK") };
    await it.platform.sendMessage(ann, "direct", "an archive", { file: archive });
    await it.untilAnswered(/You said: an archive/);
    await it.untilIdle();
    assert.equal(it.model.requests().length, 1);
    assert.match(JSON.stringify(it.model.requests()[0]!.messages), /a\.zip/);
  }));
