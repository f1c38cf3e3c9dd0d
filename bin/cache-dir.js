import { mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** The user's own cache directory for this product; null when the environment names none and this user has no home directory. */
export function cacheDir() {
  if (process.env.XDG_CACHE_HOME) return join(process.env.XDG_CACHE_HOME, "openclaw-gateway");
  const own = process.platform === "darwin" ? join("Library", "Caches") : ".cache";
  try {
    return join(homedir(), own, "openclaw-gateway");
  } catch (err) {
    if (err.code === "ERR_SYSTEM_ERROR") return null;
    throw err;
  }
}

/** Makes a directory and what is missing above it. Not `recursive`: below /proc that one never returns. */
export function makeDir(path, mode = 0o777) {
  const missing = [];
  for (let at = resolve(path); !isDirectory(at); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      mkdirSync(each, { mode });
    } catch (err) {
      if (err.code !== "EEXIST" || !isDirectory(each)) throw err;
    }
  }
}

function isDirectory(path) {
  try {
    return statSync(path).isDirectory();
  } catch (err) {
    if (err.code === "ENOENT" || err.code === "ENOTDIR") return false;
    throw err;
  }
}
