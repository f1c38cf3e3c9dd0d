import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { sweepMedia } from "./media-sweep.ts";
import { MediaStore } from "./media.ts";
import { createMessages } from "./messages.ts";
import { openStore } from "./open.ts";
import { createOutbox } from "./outbox.ts";

const big = Buffer.alloc(200_000, 7).toString("base64");

test("a small image stays in its row, a large one becomes one file regardless of repeats", async () => {
  const dir = join(mkdtempSync(join(tmpdir(), "media-")), "media");
  const media = new MediaStore(dir);
  const small = { mimeType: "image/png", data: "AAAA" };
  assert.deepEqual(await media.saveImage(small), small);
  const [first, second] = await Promise.all([
    media.saveImage({ mimeType: "image/png", data: big }),
    media.saveImage({ mimeType: "image/png", data: big }),
  ]);
  assert.deepEqual(first, second);
  assert.ok("file" in first && first.sizeBytes === 200_000);
  assert.equal(readdirSync(dir).length, 1);
  assert.equal(statSync(join(dir, readdirSync(dir)[0]!)).mode & 0o777, 0o600);
  assert.deepEqual(await media.loadImage(first), { mimeType: "image/png", data: big });
  rmSync(dir, { recursive: true });
  await assert.rejects(media.loadImage(first), /can no longer be read/);
});

test("an image is stored although a file exists at the path of the directory", async () => {
  const root = mkdtempSync(join(tmpdir(), "media-"));
  writeFileSync(join(root, "media"), "");
  const media = new MediaStore(join(root, "media"));
  const kept = await media.saveImage({ mimeType: "image/png", data: big });
  assert.deepEqual(await media.loadImage(kept), { mimeType: "image/png", data: big });
  rmSync(root, { recursive: true });
});

test("a name that is not a hash is never used as a path", async () => {
  const dir = mkdtempSync(join(tmpdir(), "media-"));
  writeFileSync(join(dir, "secret"), "x");
  await assert.rejects(
    new MediaStore(join(dir, "media")).loadImage({ mimeType: "image/png", file: "../secret", sizeBytes: 1 }),
    /invalid name/,
  );
  rmSync(dir, { recursive: true });
});

test("a directory that is not writable is a typed error", async () => {
  const dir = mkdtempSync(join(tmpdir(), "media-"));
  symlinkSync(join(dir, "nowhere"), join(dir, "media"));
  await assert.rejects(
    new MediaStore(join(dir, "media")).saveImage({ mimeType: "image/png", data: big }),
    (err: { code?: string }) => err.code === "UNAVAILABLE",
  );
  rmSync(dir, { recursive: true });
});

const file = (name: string) => ({ kind: "file" as const, name, mimeType: "application/octet-stream" });

test("the total quota and the daily quota of an account hold, also for concurrent files", async () => {
  const dir = join(mkdtempSync(join(tmpdir(), "media-")), "media");
  let now = 86_400_000 * 100;
  const media = new MediaStore(
    dir,
    () => ({ totalBytes: 3_000, accountBytesPerDay: 1_500 }),
    () => now,
  );
  const take = (from: string, n: number) => media.saveFile(file("f"), Buffer.alloc(1_000, n), from);
  const settled = await Promise.allSettled([take("irc/a", 1), take("irc/a", 2)]);
  assert.deepEqual(settled.map((each) => each.status).toSorted(), ["fulfilled", "rejected"]);
  await assert.rejects(take("irc/a", 3), { message: /irc\/a in one day/ });
  await take("irc/b", 4);
  await assert.doesNotReject(take("irc/b", 4), "what is there already costs nothing");
  now += 86_400_000;
  await take("irc/a", 5);
  await assert.rejects(take("irc/c", 6), { message: /all kept files/ });
  assert.equal(readdirSync(dir).length, 3);
  rmSync(dir, { recursive: true });
});

test("a removed directory is created again", async () => {
  const dir = join(mkdtempSync(join(tmpdir(), "media-")), "media");
  const media = new MediaStore(dir);
  const kept = await media.saveFile(file("f"), Buffer.from("one"));
  rmSync(dir, { recursive: true });
  assert.equal(await media.has(kept), false);
  assert.deepEqual(await media.saveFile(file("f"), Buffer.from("one")), kept);
  assert.equal(await media.has(kept), true);
  rmSync(dir, { recursive: true });
});

test("unreferenced files are removed; referenced, recent and foreign files stay", async () => {
  const dir = mkdtempSync(join(tmpdir(), "media-"));
  const store = openStore({ dir, log: silentLog });
  const media = new MediaStore(join(dir, "media"));
  const names: string[] = [];
  for (let n = 0; n < 4; n++) names.push((await media.saveFile(file("f"), Buffer.from(`content ${n}`))).file);
  const [inMessage, inOutbox, unused, young] = names as [string, string, string, string];
  writeFileSync(join(media.dir, "note.txt"), "someone's");
  store.writeNow(() => {
    createMessages(store).add({
      id: "m",
      sessionKey: asId("k"),
      sessionId: "s",
      runId: null,
      idempotencyKey: null,
      at: 1,
      body: { role: "assistant", content: [{ type: "image", mimeType: "image/png", file: inMessage, sizeBytes: 9 }] },
    });
    const part = {
      partKey: "p",
      intentId: "i",
      position: 0,
      runId: null,
      sessionKey: null,
      conversation: "c",
      target: {},
      text: "",
      at: 1,
    };
    createOutbox(store).add({ ...part, media: { ...file("f"), sizeBytes: 9, file: inOutbox } });
  });
  const old = new Date(Date.now() - 2 * LIMITS.mediaGraceMs);
  for (const name of ["note.txt", inMessage, inOutbox, unused]) utimesSync(join(media.dir, name), old, old);
  const removed = await sweepMedia({ store, media, now: Date.now, pause: async () => {} }, new AbortController().signal);
  assert.deepEqual(removed, { files: 1, bytes: 9, missing: { count: 0, names: [] }, isPartial: false });
  assert.deepEqual(readdirSync(media.dir).toSorted(), ["note.txt", inMessage, inOutbox, young].toSorted());
  store.close();
  rmSync(dir, { recursive: true });
});
