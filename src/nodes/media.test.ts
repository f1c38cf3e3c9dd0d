import assert from "node:assert/strict";
import { test } from "node:test";
import { mediaFileName, toMediaBytes, withoutContent } from "./media.ts";

const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2]).toString("base64");

test("the type of a file is that of its content, whatever the node calls it", () => {
  assert.equal(toMediaBytes({ format: "jpg", base64: JPEG })!.mimeType, "image/jpeg");
  assert.equal(toMediaBytes({ format: "mp4", base64: JPEG })!.mimeType, "image/jpeg");
  assert.equal(
    toMediaBytes({ format: "jpg", base64: Buffer.from("<svg onload=alert(1)>").toString("base64") })!.mimeType,
    "application/octet-stream",
  );
  // A name that every object has.
  assert.equal(
    toMediaBytes({ format: "constructor", base64: Buffer.from("<p>").toString("base64") })!.mimeType,
    "application/octet-stream",
  );
  assert.equal(toMediaBytes({ format: "html", base64: Buffer.from("<p>").toString("base64") })!.mimeType, "application/octet-stream");
  for (const payload of [null, {}, { base64: "" }, { base64: 5 }, "text"]) assert.equal(toMediaBytes(payload), null);
});

test("a file is named after the node, the command, the time and the size, and by nothing that the node wrote", () => {
  const name = mediaFileName({
    node: "ed00f690ccd3",
    command: "camera.snap/../../x",
    mimeType: "image/jpeg",
    bytes: 2_049,
    at: 0,
    index: 1,
  });
  assert.equal(name, "node-ed00f690-camera-snap-x-19700101T000000-1-3kb.jpg");
  assert.deepEqual(withoutContent({ base64: JPEG, width: 4 }), { width: 4 });
});
