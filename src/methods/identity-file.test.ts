import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { mirrorIdentity, withIdentity } from "./identity-file.ts";

test("the lines of name and emoji are written, and the rest of the file stays", () => {
  const template = "# Identity\n\n- Name: (choose one)\n- Sign or emoji: (optional)\n\nLikes tea.\n";
  assert.equal(withIdentity(template, { name: "Rosa\n$&", emoji: "🌹" }), "# Identity\n\n- Name: Rosa $&\n- Emoji: 🌹\n\nLikes tea.\n");
  assert.equal(withIdentity("- **Name:** Old\n", { name: "New" }), "- Name: New\n");
  assert.equal(withIdentity("Text", { name: "Rosa" }), "Text\n- Name: Rosa\n");
  assert.equal(withIdentity(template, { name: "", emoji: undefined }), template);
});

test("only a plain file that is there is written", async () => {
  const dir = mkdtempSync(join(tmpdir(), "identity-"));
  const path = join(dir, "IDENTITY.md");
  try {
    await mirrorIdentity(dir, { name: "Rosa" });
    writeFileSync(join(dir, "other"), "- Name: untouched\n");
    symlinkSync(join(dir, "other"), path);
    await mirrorIdentity(dir, { name: "Rosa" });
    assert.equal(readFileSync(path, "utf8"), "- Name: untouched\n");
    rmSync(path);
    writeFileSync(path, "- Name: x\n");
    await mirrorIdentity(dir, { name: "Rosa" });
    assert.equal(readFileSync(path, "utf8"), "- Name: Rosa\n");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
