import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isLocalDirectory, isLocalType } from "./local-directory.ts";

/** NFS, SMB (three clients), FUSE, 9p, AFS (two clients), Ceph, Lustre, VirtualBox, and one that does not exist. */
const REMOTE = [
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x5346414f, 0x6b414653, 0x00c36400, 0x0bd00bd0, 0x786f4256, 0x1234,
];

test("network file systems and unknown types count as remote, as does everything on other platforms than Linux", () => {
  for (const type of REMOTE) assert.equal(isLocalType(type, "linux"), false, type.toString(16));
  for (const type of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630]) {
    assert.equal(isLocalType(type, "linux"), true, type.toString(16));
    assert.equal(isLocalType(type, "darwin"), false);
  }
});

test("a directory is asked once, and one whose type cannot be found out counts as remote until it can", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "local-directory-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  assert.equal(await isLocalDirectory(join(root, "missing")), false);
  const decided = await isLocalDirectory(root);
  rmSync(root, { recursive: true });
  assert.equal(await isLocalDirectory(root), decided);
});
