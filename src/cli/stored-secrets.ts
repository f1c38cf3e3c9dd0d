import { readFileSync } from "node:fs";
import { systemClock } from "../core/clock.ts";
import { createPaths } from "../config/paths.ts";
import type { Invocation } from "./invocation.ts";

/** A reference to a source that needs more than the file: only then is the rest loaded. */
const REFERENCE = /["']?source["']?\s*:\s*["'](?:exec|store)["']/;

/** Reads what the configuration refers to and what this user can read at once. Programs are left to the gateway. */
export async function readStoredSecrets(invocation: Invocation): Promise<void> {
  const { env, cwd } = invocation.host;
  const paths = createPaths(env, cwd);
  const text = readText(paths.config);
  if (text === null || !REFERENCE.test(text)) return;
  const [{ findExternalSecrets }, { SecretSources }] = await Promise.all([import("../config/load.ts"), import("../secrets/sources.ts")]);
  const sources = new SecretSources({ dir: paths.gateway, env, clock: systemClock });
  sources.readOffline(findExternalSecrets(text, { path: paths.config, env }));
  invocation.external = sources.lookup;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // The command itself says why the file cannot be read.
  }
}
