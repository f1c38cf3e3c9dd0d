import assert from "node:assert/strict";
import { test } from "node:test";
import { playFeatures } from "./features.ts";
import { playing } from "./play.ts";
import { open } from "./stages/webchat.ts";

await playFeatures("webchat");

test("scenario 28: what is no picture, or too large a one, is refused at once, and nothing of its message is kept", () =>
  playing("webchat", open, { room: null }, async (it, ann) => {
    const bytes = Buffer.alloc(9 * 1024 * 1024);
    const large = { name: "large.png", mimeType: "image/png", bytes };
    await assert.rejects(async () => it.stage.say(ann, "direct", "too much", { file: large }), /larger than \d+ bytes/);
    const archive = { name: "a.zip", mimeType: "application/zip", bytes: Buffer.from("PK") };
    await assert.rejects(async () => it.stage.say(ann, "direct", "no picture", { file: archive }), /only PNG, JPEG, GIF and WebP/);
    await it.stage.say(ann, "direct", "without them");
    await it.hears(/You said: without them/);
    await it.quiet();
    assert.equal(it.model.requests().length, 1);
  }));
