import { closeSync, readdirSync, readFileSync } from "node:fs";

/** Prefix of the keys that carry the secret query of a URL. */
const QUERY_PREFIX = "OPENCLAW_QUERY_";

/** Shorter values ("none", "ollama") are words, not secrets. */
const MIN_KEY_CHARS = 8;

/** Variables that configure Pi itself and that nothing else needs. */
const PRIVATE_VARIABLE = /^(NODE_COMPILE_CACHE|PI_(OFFLINE|TELEMETRY|SKIP_VERSION_CHECK|CODING_AGENT_DIR))$/;

export type ProviderKeys = {
  /** Values that must not reach a transcript or a person. */
  secrets: readonly string[];
  /** Secret queries, by the URL that they belong to. */
  queries: readonly { base: string; query: string }[];
};

/**
 * Takes the provider keys, which arrive once over file descriptor 3. Afterwards they are readable by name in `process.env`, but not
 * part of the environment: `/proc/<pid>/environ` does not have them, and no child process inherits them.
 */
export function takeProviderKeys(): ProviderKeys {
  const keys = JSON.parse(readFileSync(3, "utf8")) as Record<string, string>;
  closeSync(3);
  const hidden = new Map(Object.entries(keys));
  process.env = new Proxy(process.env, {
    get: (target, name) => hidden.get(name as string) ?? target[name as string],
    has: (target, name) => hidden.has(name as string) || name in target,
    ownKeys: (target) => Reflect.ownKeys(target).filter((name) => !PRIVATE_VARIABLE.test(String(name))),
  });
  const queries = Object.entries(keys).flatMap(([name, value]) =>
    name.startsWith(QUERY_PREFIX) ? [JSON.parse(value) as ProviderKeys["queries"][number]] : [],
  );
  return { secrets: Object.values(keys).filter((key) => key.length >= MIN_KEY_CHARS), queries };
}

/** The same value with each key replaced, at any depth; the value itself when it contains none. */
export function redactKeys<T>(value: T, keys: readonly string[]): T {
  let text = JSON.stringify(value);
  const found = keys.map((key) => JSON.stringify(key).slice(1, -1)).filter((key) => text.includes(key));
  for (const key of found) text = text.replaceAll(key, "[secret]");
  return found.length === 0 ? value : (JSON.parse(text) as T);
}

/** How long a terminated process waits to see whether the gateway has died. */
const PARENT_ENDS_MS = 300;

/**
 * When this process ends after the gateway has died, the commands that the gateway ran end too. All descendants of the gateway's tools
 * carry the marker of its state directory in OPENCLAW_RUNNER, which starts like this process's own.
 */
export function endOrphansAtExit(): void {
  const parent = process.ppid;
  const own = process.env["OPENCLAW_RUNNER"];
  if (process.platform !== "linux" || !own) return;
  const prefix = `OPENCLAW_RUNNER=${own.slice(0, own.lastIndexOf("-") + 1)}`;
  let isTerminated = false;
  process.on("SIGTERM", () => (isTerminated = true));
  process.once("exit", () => {
    // The system sends the signal when the gateway's first thread ends, a moment before the whole gateway has ended.
    if (isTerminated) waitFor(() => process.ppid !== parent, PARENT_ENDS_MS);
    if (process.ppid !== parent) killMarked(prefix);
  });
}

/** Blocks until the condition holds or the time is over; for an exit handler, in which nothing else can wait. */
function waitFor(condition: () => boolean, limitMs: number): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (const end = performance.now() + limitMs; !condition() && performance.now() < end;) Atomics.wait(cell, 0, 0, 10);
}

function killMarked(prefix: string): void {
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid === process.pid) continue;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
      if (environment.some((entry) => entry.startsWith(prefix))) process.kill(pid, "SIGKILL");
    } catch {
      // It has ended in the meantime or belongs to another user.
      continue;
    }
  }
}
