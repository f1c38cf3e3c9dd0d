import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { completePath, describeAttachments, pastedFile, readAttachment, toPath } from "./attachments.ts";

const home = mkdtempSync(join(tmpdir(), "attachments-"));
after(() => rmSync(home, { recursive: true, force: true }));
const here = { cwd: join(home, "work"), home };
mkdirSync(here.cwd);
mkdirSync(join(home, "a folder"));
writeFileSync(join(home, "a folder", "my photo.png"), "picture");
writeFileSync(join(home, "notes.md"), "# notes");
writeFileSync(join(home, "empty.txt"), "");
writeFileSync(join(here.cwd, "code.ts"), "export {};");
const photo = join(home, "a folder", "my photo.png");
const limits = { maxBytes: 100, maxImageBytes: 10 };

test("a path is read as a shell would: from the directory, with ~, quotes and backslashes", () => {
  assert.equal(toPath("code.ts", here), join(here.cwd, "code.ts"));
  for (const typed of ["~/a folder/my photo.png", "'~/a folder/my photo.png'", String.raw`~/a\ folder/my\ photo.png`])
    assert.equal(toPath(typed, here), photo, typed);
});

test("a file becomes an attachment with its type; what cannot be sent says why", async () => {
  const file = await readAttachment(photo, limits, []);
  const content = Buffer.from("picture").toString("base64");
  assert.deepEqual(file, { type: "image", mimeType: "image/png", fileName: "my photo.png", content, sizeBytes: 7 });
  const notes = await readAttachment(join(home, "notes.md"), limits, [file]);
  assert.equal(notes.type, "file");
  assert.equal(describeAttachments([file, notes]), "my photo.png (7 B), notes.md (7 B)");
  await assert.rejects(readAttachment(photo, { ...limits, maxImageBytes: 6 }, []), /has 7 B; the gateway takes at most 6 B/);
  await assert.rejects(readAttachment(photo, { ...limits, maxBytes: 13 }, [notes]), /would have 14 B of files; at most 13 B/);
  await assert.rejects(
    readAttachment(
      photo,
      limits,
      Array.from({ length: LIMITS.messageFiles }, () => notes),
    ),
    /at most 10 files/,
  );
  await assert.rejects(readAttachment(join(home, "none.png"), limits, []), /none\.png does not exist/);
  await assert.rejects(readAttachment(home, limits, []), /is not a file/);
  await assert.rejects(readAttachment("/dev/zero", limits, []), /is not a file/);
  await assert.rejects(readAttachment(join(home, "empty.txt"), limits, []), /is empty/);
});

test("a paste is a file only where it is the path of a picture, of sound, of a video or of a PDF", () => {
  assert.equal(pastedFile(`${photo}\n`, here), photo);
  assert.equal(pastedFile(`file://${photo.replaceAll(" ", "%20")}`, here), photo);
  assert.equal(pastedFile(String.raw`~/a\ folder/my\ photo.png`, here), photo);
  for (const text of [
    join(home, "notes.md"),
    join(home, "none.png"),
    `look at ${photo}`,
    `${photo}\n${photo}`,
    "/help",
    "file://host/x.png",
  ])
    assert.equal(pastedFile(text, here), null, text);
});

test("a path is completed from what is there; hidden files only after their dot", () => {
  writeFileSync(join(home, ".hidden"), "x");
  assert.deepEqual(completePath("~/", here), ["~/a folder/", "~/empty.txt", "~/notes.md", "~/work/"]);
  assert.deepEqual(completePath("~/.h", here), ["~/.hidden"]);
  assert.deepEqual(completePath("co", here), ["code.ts"]);
  assert.deepEqual(completePath("~/none/x", here), []);
});
