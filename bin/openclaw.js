#!/usr/bin/env node
// The installed command. Plain JavaScript for Node 18 and newer: under an older Node than the gateway needs, it goes on with the pinned one.
import { lstatSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDir, makeDir } from "./cache-dir.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A directory of compiled code runs as this user: it is used only if no other user can write to it. */
function enableCompileCache(dir) {
  try {
    makeDir(dir, 0o700);
    const seen = lstatSync(dir);
    const safe = seen.isDirectory() && (seen.mode & 0o077) === 0 && seen.uid === process.getuid?.();
    if (safe) module.enableCompileCache(dir);
  } catch (err) {
    if (process.env.OPENCLAW_DEBUG) process.stderr.write(`no compile cache in ${dir}: ${err.message}\n`);
  }
}

const say = (text) => void process.stderr.write(`openclaw: this is Node ${process.versions.node}; getting ${text}\n`);

if (Number(process.versions.node.split(".")[0]) >= 24) {
  const cache = cacheDir();
  if (cache !== null) enableCompileCache(join(cache, "compiled"));
  await import("../dist/main.js");
} else {
  const { ensurePinnedNode, noCacheDir, reportFailure, runInPlace } = await import("./toolchain.js");
  try {
    const node = await ensurePinnedNode(cacheDir() ?? noCacheDir(), say);
    process.exitCode = await runInPlace(node, [join(root, "bin", "openclaw.js"), ...process.argv.slice(2)]);
  } catch (err) {
    process.exitCode = reportFailure(err);
  }
}
