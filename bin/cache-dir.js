import { homedir } from "node:os";
import { join } from "node:path";

/** The user's own cache directory for this product. */
export function cacheDir() {
  const own = process.platform === "darwin" ? join("Library", "Caches") : ".cache";
  return join(process.env.XDG_CACHE_HOME || join(homedir(), own), "openclaw-gateway");
}
