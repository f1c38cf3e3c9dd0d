import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Media } from "./media.ts";

const big = Buffer.alloc(200_000, 7).toString("base64");

test("a small picture stays in its row, a large one becomes one file however often it comes", async () => {
  const dir = join(mkdtempSync(join(tmpdir(), "media-")), "media");
  const media = new Media(dir);
  const small = { mimeType: "image/png", data: "AAAA" };
  assert.deepEqual(await media.keep(small), small);
  const [first, second] = await Promise.all([
    media.keep({ mimeType: "image/png", data: big }),
    media.keep({ mimeType: "image/png", data: big }),
  ]);
  assert.deepEqual(first, second);
  assert.ok("file" in first && first.sizeBytes === 200_000);
  assert.equal(readdirSync(dir).length, 1);
  assert.equal(statSync(join(dir, readdirSync(dir)[0]!)).mode & 0o777, 0o600);
  assert.deepEqual(await media.load(first), { mimeType: "image/png", data: big });
  rmSync(dir, { recursive: true });
  await assert.rejects(media.load(first), /can no longer be read/);
});

test("a name that is no hash is never a path", async () => {
  const dir = mkdtempSync(join(tmpdir(), "media-"));
  writeFileSync(join(dir, "secret"), "x");
  await assert.rejects(new Media(join(dir, "media")).load({ mimeType: "image/png", file: "../secret", sizeBytes: 1 }), /no valid name/);
  rmSync(dir, { recursive: true });
});

test("a place that cannot be written is a typed error", async () => {
  const dir = mkdtempSync(join(tmpdir(), "media-"));
  writeFileSync(join(dir, "media"), "a file, not a directory");
  await assert.rejects(
    new Media(join(dir, "media")).keep({ mimeType: "image/png", data: big }),
    (err: { code?: string }) => err.code === "UNAVAILABLE",
  );
  rmSync(dir, { recursive: true });
});
