import { diffConfig } from "../config/diff.ts";
import type { LoadedConfig } from "../config/load.ts";
import { redactText } from "../config/redact.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { ConfigVersions } from "../store/config-versions.ts";
import type { Store } from "../store/open.ts";

export type ConfigHistoryDeps = {
  versions: ConfigVersions;
  store: Pick<Store, "write">;
  clock: Pick<Clock, "now">;
  log: Pick<Log, "warn">;
};

/** Texts whose author is remembered until they are in use; a text that is never taken over must not stay here. */
const MAX_AUTHORS = 32;

/** Keeps the versions of the configuration file that were in use. Secrets are not part of them. */
export class ConfigHistory {
  readonly #deps: ConfigHistoryDeps;
  readonly #authors = new Map<string, string>();

  constructor(deps: ConfigHistoryDeps) {
    this.#deps = deps;
  }

  /** Who writes the text with this hash; called before it is written. */
  expect(hash: string, author: string): void {
    if (this.#authors.size >= MAX_AUTHORS) this.#authors.delete(this.#authors.keys().next().value!);
    this.#authors.set(hash, author);
  }

  /** A configuration has replaced another one. The replaced one is kept as well if it is not known yet. */
  record(loaded: LoadedConfig, previous: LoadedConfig): void {
    const { versions, store, clock, log } = this.#deps;
    const author = this.#authors.get(loaded.hash) ?? null;
    this.#authors.delete(loaded.hash);
    const text = textOf(loaded);
    if (text === null) return;
    const before = textOf(previous);
    const changes = diffConfig(previous.config, loaded.config).map(({ path, effect }) => ({ path, effect }));
    const at = clock.now();
    store
      .write(() => {
        if (before !== null && versions.latestText() !== before) versions.add({ at, author: null, changes: [], text: before });
        versions.add({ at, author, changes, text });
      })
      .catch((err: unknown) => log.warn("the version of the configuration could not be kept", { cause: reasonOf(err) }));
  }
}

/** The text of a file in use; null where there is none, or where the places of its secrets are unknown. */
function textOf({ raw, source }: LoadedConfig): string | null {
  return source === "file" && raw !== null ? redactText(raw) : null;
}
