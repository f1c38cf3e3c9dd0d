import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ZipError, ZipReader, ZipWriter } from "./zip.ts";

const home = mkdtempSync(join(tmpdir(), "zip-"));
after(() => rmSync(home, { recursive: true, force: true }));

const CONTENT: Readonly<Record<string, Buffer>> = {
  "empty.txt": Buffer.alloc(0),
  "a/b/long.txt": Buffer.from("a line of text\n".repeat(50_000)),
  "a/über.bin": Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7919) % 251)),
};
let made = 0;

async function write(files: Readonly<Record<string, Buffer>>, pack = true): Promise<string> {
  const path = join(home, `${++made}.zip`);
  const handle = await open(path, "wx");
  const zip = new ZipWriter(handle);
  for (const [name, content] of Object.entries(files)) await zip.add(name, [content], { changedAt: Date.UTC(2026, 1, 3), pack });
  await zip.finish();
  await handle.close();
  return path;
}

async function read(path: string): Promise<Record<string, string>> {
  const zip = await ZipReader.open(path);
  try {
    const found: Record<string, string> = {};
    for (const [name, entry] of zip.entries) found[name] = (await zip.readAll(entry, 10_000_000)).toString("latin1");
    return found;
  } finally {
    await zip.close();
  }
}

const expected = Object.fromEntries(Object.entries(CONTENT).map(([name, content]) => [name, content.toString("latin1")]));

for (const pack of [true, false])
  test(`an archive ${pack ? "that is packed" : "that is not packed"} gives back what was written`, async () => {
    assert.deepEqual(await read(await write(CONTENT, pack)), expected);
  });

test("unzip accepts an archive", { skip: spawnSync("unzip", ["-v"]).status !== 0 && "no unzip here" }, async () => {
  const path = await write(CONTENT);
  assert.equal(spawnSync("unzip", ["-tqq", path]).status, 0);
  assert.deepEqual(spawnSync("unzip", ["-p", path, "a/b/long.txt"], { maxBuffer: 10_000_000 }).stdout, CONTENT["a/b/long.txt"]);
});

test("an archive that ends early is refused at once, wherever it ends", async () => {
  const bytes = readFileSync(await write({ "a.txt": Buffer.from("hello") }));
  for (let length = 0; length < bytes.length; length++) {
    const path = join(home, "cut.zip");
    writeFileSync(path, bytes.subarray(0, length));
    await assert.rejects(read(path), ZipError, `${length} bytes`);
  }
});

test("a changed byte of the content is noticed", async () => {
  const path = await write({ "a.txt": Buffer.from("hello") }, false);
  const bytes = readFileSync(path);
  bytes[bytes.indexOf("hello")] = 0x48;
  writeFileSync(path, bytes);
  await assert.rejects(read(path), /a\.txt is damaged/);
});

test("names that lead out of a directory are refused", async () => {
  for (const name of ["../a", "/etc/passwd", "a/../../b", "a\\b", "a//b", "./a", ""]) {
    const path = await write({ [name]: Buffer.from("x") });
    await assert.rejects(read(path), /unsafe name/, name);
  }
});

test("a file that unpacks to more than it says is refused", async () => {
  const path = await write({ "a.txt": Buffer.alloc(100_000) });
  const bytes = readFileSync(path);
  // The size in the directory: the second of its two places.
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(100_000n);
  const at = bytes.lastIndexOf(size);
  bytes.writeBigUInt64LE(10n, at);
  writeFileSync(path, bytes);
  await assert.rejects(read(path), ZipError);
});
