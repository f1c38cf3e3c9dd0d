import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  ensureDirectory,
  ensureDirectorySync,
  isBeneath,
  openBeneath,
  openRegularFileSync,
  readAtMost,
  readAtMostSync,
  UnsafePathError,
  writeFileAtomic,
  writeFileAtomicSync,
  writeNewFile,
} from "./files.ts";

function temporaryDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "files-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
const modeOf = (path: string): number => statSync(path).mode & 0o777;

const WRITERS = {
  writeFileAtomic,
  writeFileAtomicSync: async (path: string, data: string | Uint8Array, options?: { mode?: number }) =>
    writeFileAtomicSync(path, data, options),
};
for (const [name, write] of Object.entries(WRITERS)) {
  test(`${name} replaces the content and the mode, and leaves no other file`, async (t) => {
    const dir = temporaryDir(t);
    const path = join(dir, "file");
    await write(path, "first, and longer");
    assert.equal(modeOf(path), 0o600);
    chmodSync(path, 0o644);
    await write(path, Buffer.from("second"));
    assert.deepEqual([readFileSync(path, "utf8"), modeOf(path)], ["second", 0o600]);
    await write(path, "third", { mode: 0o640 });
    assert.deepEqual([readFileSync(path, "utf8"), modeOf(path)], ["third", 0o640]);
    assert.deepEqual(readdirSync(dir), ["file"]);
  });

  test(`${name} replaces a link and not what it points to`, async (t) => {
    const dir = temporaryDir(t);
    writeFileSync(join(dir, "target"), "kept");
    symlinkSync("target", join(dir, "link"));
    await write(join(dir, "link"), "new");
    assert.equal(readFileSync(join(dir, "target"), "utf8"), "kept");
    assert.equal(lstatSync(join(dir, "link")).isSymbolicLink(), false);
  });

  test(`${name} leaves the old file and nothing else when it fails`, async (t) => {
    const dir = temporaryDir(t);
    mkdirSync(join(dir, "file", "child"), { recursive: true });
    await assert.rejects(write(join(dir, "file"), "new"));
    await assert.rejects(write(join(dir, "absent", "file"), "new"), { code: "ENOENT" });
    assert.deepEqual(readdirSync(dir, { recursive: true }).toSorted(), ["file", join("file", "child")]);
  });
}

test("a file of a person keeps its mode and its link, and is copied to the backup", async (t) => {
  const dir = temporaryDir(t);
  const [target, link] = [join(dir, "target"), join(dir, "link")];
  writeFileSync(target, "old");
  chmodSync(target, 0o644);
  symlinkSync("target", link);
  await writeFileAtomic(link, "new", { preserve: true, backup: `${target}.bak` });
  assert.deepEqual([readFileSync(target, "utf8"), modeOf(target)], ["new", 0o644]);
  assert.equal(lstatSync(link).isSymbolicLink(), true);
  assert.deepEqual([readFileSync(`${target}.bak`, "utf8"), modeOf(`${target}.bak`)], ["old", 0o600]);
  await writeFileAtomic(join(dir, "made"), "new", { preserve: true, backup: join(dir, "made.bak") });
  assert.equal(modeOf(join(dir, "made")), 0o600);
  assert.deepEqual(readdirSync(dir).toSorted(), ["link", "made", "target", "target.bak"]);
});

test("a file of a person keeps its owner", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("only root may give files away");
  const file = join(temporaryDir(t), "file");
  writeFileSync(file, "old");
  chownSync(file, 12_345, 54_321);
  await writeFileAtomic(file, "new", { preserve: true });
  const { uid, gid } = statSync(file);
  assert.deepEqual([readFileSync(file, "utf8"), uid, gid], ["new", 12_345, 54_321]);
});

test("a new file is there as a whole or not at all, and takes the place of none", async (t) => {
  const dir = temporaryDir(t);
  const path = join(dir, "new");
  assert.equal(await writeNewFile(path, "first"), true);
  assert.equal(await writeNewFile(path, "second"), false);
  assert.deepEqual([readFileSync(path, "utf8"), modeOf(path), readdirSync(dir)], ["first", 0o600, ["new"]]);
  // The system ends a process that writes more than it may, in the middle of the write.
  const script = `import(${JSON.stringify(new URL("./files.ts", import.meta.url).href)}).then((files) => files.writeNewFile(process.argv[1], "x".repeat(100_000)))`;
  const cut = join(dir, "cut");
  const { signal, status } = spawnSync("sh", ["-c", 'ulimit -f 8; exec "$@"', "sh", process.execPath, "--no-warnings", "-e", script, cut]);
  assert.notEqual(`${signal} ${status}`, "null 0");
  assert.equal(lstatSync(cut, { throwIfNoEntry: false }), undefined);
});

test("a file that is mounted by itself is written in place, and nothing is left beside it", async (t) => {
  const dir = temporaryDir(t);
  const [outer, inner] = [join(dir, "outer.json"), join(dir, "openclaw.json")];
  writeFileSync(outer, "the old text, which is longer than the new one", { mode: 0o600 });
  writeFileSync(inner, "");
  if (spawnSync("mount", ["--bind", outer, inner]).status !== 0) return t.skip("this user cannot mount");
  try {
    await writeFileAtomic(inner, "new", { preserve: true, backup: `${inner}.bak` });
    assert.equal(readFileSync(outer, "utf8"), "new");
    assert.equal(readFileSync(`${inner}.bak`, "utf8"), "the old text, which is longer than the new one");
    assert.equal(statSync(inner).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(dir).toSorted(), ["openclaw.json", "openclaw.json.bak", "outer.json"]);
  } finally {
    spawnSync("umount", [inner]);
  }
});

test("a missing directory is made with its parents, and one that the system refuses is an error", async (t) => {
  const dir = temporaryDir(t);
  for (const ensure of [ensureDirectory, async (path: string) => ensureDirectorySync(path)]) {
    const path = join(mkdtempSync(join(dir, "x")), "a", "b");
    await ensure(path);
    await ensure(path);
    assert.equal(modeOf(path), 0o700);
    await assert.rejects(ensure("/proc/nothing/below/it"), { code: "ENOENT" });
    await assert.rejects(ensure("/dev/null/x"), { code: "EEXIST" });
  }
});

/** Files that a hostile owner of a directory may have placed there: name -> how it is refused, or its content. */
const PLACED: [string, string | RegExp][] = [
  ["plain", "inside"],
  ["link-inside", "inside"],
  ["dir/../plain", "inside"],
  ["link-outside", /leads out of its directory/],
  ["dir-outside/secret", /leads out of its directory/],
  ["../secret", /leads out of its directory/],
  ["/etc/hostname", /leads out of its directory/],
  [".", /leads out of its directory/],
  ["dir", /not a regular file/],
  ["pipe", /not a regular file/],
  ["link-to-nothing", /ENOENT/],
  ["absent", /ENOENT/],
];

test("openBeneath opens regular files below the root and nothing else", async (t) => {
  const dir = temporaryDir(t);
  const root = join(dir, "root");
  mkdirSync(join(root, "dir"), { recursive: true });
  writeFileSync(join(dir, "secret"), "outside");
  mkdirSync(join(dir, "root-sibling"));
  writeFileSync(join(root, "plain"), "inside");
  symlinkSync("plain", join(root, "link-inside"));
  symlinkSync("../secret", join(root, "link-outside"));
  symlinkSync("..", join(root, "dir-outside"));
  symlinkSync("nothing", join(root, "link-to-nothing"));
  assert.equal(spawnSync("mkfifo", [join(root, "pipe")]).status, 0);
  for (const [path, expected] of PLACED) {
    const opened = openBeneath(root, path);
    if (expected instanceof RegExp) {
      await assert.rejects(opened, expected, path);
      continue;
    }
    const handle = await opened;
    assert.equal((await readAtMost(handle, 100)).toString(), expected, path);
    await handle.close();
  }
});

test("a path beneath a root is not one that only starts with its name", () => {
  const cases: [string, string, boolean][] = [
    ["/a", "/a/b", true],
    ["/", "/a", true],
    ["/a", "/ab", false],
    ["/a", "/a", false],
    ["/a/b", "/a", false],
  ];
  for (const [root, path, beneath] of cases) assert.equal(isBeneath(root, path), beneath, `${path} in ${root}`);
});

test("openRegularFileSync refuses links, directories and pipes without waiting", (t) => {
  const dir = temporaryDir(t);
  writeFileSync(join(dir, "plain"), "0123456789");
  symlinkSync("plain", join(dir, "link"));
  assert.equal(spawnSync("mkfifo", [join(dir, "pipe")]).status, 0);
  assert.throws(() => openRegularFileSync(join(dir, "link")), { code: "ELOOP" });
  assert.throws(() => openRegularFileSync(dir), UnsafePathError);
  assert.throws(() => openRegularFileSync(join(dir, "pipe")), UnsafePathError);
  const descriptor = openRegularFileSync(join(dir, "plain"));
  assert.equal(readAtMostSync(descriptor, 4).toString(), "0123");
  assert.equal(readAtMostSync(descriptor, 100).toString(), "0123456789");
  closeSync(descriptor);
});
