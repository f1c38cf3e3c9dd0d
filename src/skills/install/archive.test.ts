import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { SKILL_LIMITS } from "../limits.ts";
import { readArchive } from "./archive.ts";

type Entry = { path: string; text?: string; type?: string; mode?: string; size?: string; prefix?: string };

/** A tar archive of the format ustar. */
function tar(...entries: readonly Entry[]): Buffer {
  const blocks = entries.map(({ path, text = "", type = "0", mode = "000644", size, prefix = "" }) => {
    const header = Buffer.alloc(512);
    header.write(path, 0, "utf8");
    header.write(mode, 100);
    header.write(size ?? Buffer.byteLength(text).toString(8).padStart(11, "0"), 124);
    header.write(type, 156);
    header.write("ustar", 257);
    header.write(prefix, 345);
    const body = Buffer.alloc(Math.ceil(Buffer.byteLength(text) / 512) * 512);
    body.write(text);
    return Buffer.concat([header, body]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1_024)]);
}

const read = (archive: Buffer, folder = ""): string[] =>
  readArchive(archive, { folder }).map(({ path, bytes, isExecutable }) => `${path}${isExecutable ? "*" : ""} ${bytes}`);

const pax = (path: string): Entry => {
  const record = (length: number): string => `${length} path=${path}\n`;
  let length = record(0).length;
  while (record(length).length !== length) length = record(length).length;
  return { path: "PaxHeader/x", type: "x", text: record(length) };
};

test("files are read beneath a folder, with the mark of programs, plain and compressed", () => {
  const archive = tar(
    { path: "package/", type: "5" },
    { path: "package/SKILL.md", text: "one" },
    { path: "package/scripts/run.sh", text: "two", mode: "000755" },
    { path: "other/secret", text: "three" },
    { path: "package-2/x", text: "four" },
  );
  for (const bytes of [archive, gzipSync(archive)]) assert.deepEqual(read(bytes, "package"), ["SKILL.md one", "scripts/run.sh* two"]);
  assert.deepEqual(read(archive, "package/scripts"), ["run.sh* two"]);
  assert.deepEqual(read(tar({ path: "./a/./b", text: "x" }, { path: "c", text: "y", prefix: "long" }), "long"), ["c y"]);
});

test("the directory that everything of a package lies in may have any name", () => {
  const archive = tar({ path: "weather-1.2/SKILL.md", text: "one" }, { path: "weather-1.2/docs/a.md", text: "two" });
  const pathsIn = (folder: string): string[] => readArchive(archive, { folder, hasTopDirectory: true }).map(({ path }) => path);
  assert.deepEqual([pathsIn(""), pathsIn("docs")], [["SKILL.md", "docs/a.md"], ["a.md"]]);
});

test("a path that is too long for its field is in a record before the file", () => {
  const long = `${"d".repeat(90)}/${"f".repeat(90)}`;
  assert.deepEqual(read(tar(pax(long), { path: "short", text: "x" }, { path: "next", text: "y" })), [`${long} x`, "next y"]);
  assert.deepEqual(read(tar({ path: "g", type: "g", text: "52 comment=x\n" }, { path: "a", text: "x" })), ["a x"]);
});

/** Archives that are refused -> why. */
const REFUSED: readonly (readonly [title: string, archive: () => Buffer, why: RegExp])[] = [
  ["a symbolic link", () => tar({ path: "a", type: "2" }), /"a" is neither a file nor a directory/],
  ["a hard link", () => tar({ path: "a", type: "1" }), /neither a file/],
  ["a device", () => tar({ path: "a", type: "3" }), /neither a file/],
  ["a path that leads out", () => tar({ path: "../a", text: "x" }), /the name "..\/a" is not accepted/],
  ["one within a path", () => tar({ path: "a/../../b", text: "x" }), /is not accepted/],
  ["an absolute path", () => tar({ path: "/etc/passwd", text: "x" }), /is not accepted/],
  ["one in a record", () => tar(pax("../../x"), { path: "a", text: "x" }), /is not accepted/],
  ["a control character", () => tar({ path: "a\u001b[2J", text: "x" }), /is not accepted/],
  ["a backslash", () => tar({ path: "a\\b", text: "x" }), /is not accepted/],
  ["a file that is there twice", () => tar({ path: "a", text: "x" }, { path: "./a", text: "y" }), /"a" is in it twice/],
  ["a file that is too large", () => tar({ path: "a", text: "x".repeat(SKILL_LIMITS.contentFileBytes + 1) }), /is larger than/],
  ["an archive that ends too early", () => tar({ path: "a", text: "x", size: "77777" }), /ends too early/],
  ["a size that is not a number", () => tar({ path: "a", size: "abc" }), /is damaged/],
  ["bytes that are not gzip", () => Buffer.from([0x1f, 0x8b, 1, 2, 3]), /is damaged, or too large/],
  ["a bomb", () => gzipSync(Buffer.alloc(SKILL_LIMITS.archiveBytes + 1), { level: 1 }), /is damaged, or too large/],
];

for (const [title, archive, why] of REFUSED)
  test(`an archive is refused: ${title}`, () => {
    assert.throws(() => readArchive(archive(), { folder: "" }), why);
  });
