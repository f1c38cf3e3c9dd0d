import { diffConfig, strongestEffect, type ConfigChange } from "../config/diff.ts";
import { writeConfig, type WriteOptions } from "../config/edit.ts";
import type { ConfigIssue } from "../config/issue.ts";
import { hashOf, type LoadedConfig } from "../config/load.ts";
import { GatewayError } from "../core/errors.ts";
import { clip } from "../core/text.ts";
import type { Caller } from "../protocol/method.ts";
import type { AnswerCache } from "./answer-cache.ts";

export type ConfigDeps = {
  /** The file as it is at this moment. */
  read: () => LoadedConfig;
  /** The configuration that the gateway uses. */
  loaded: () => LoadedConfig;
  /** Stands for what follows from it, such as models: another object whenever that may be different. */
  configuration: () => object;
  /** Encoded answers of all methods. */
  answers: AnswerCache;
  /** Reads the file again and applies what can be applied; resolves when that is done. */
  reload: () => Promise<void>;
  writeOptions: Omit<WriteOptions, "base">;
  /** Who writes the text with this hash, for the history of the file. */
  noteAuthor?: (hash: string, author: string) => void;
};

/** The method and the client that write. */
export const authorOf = (method: string, { client }: Caller): string => `${method}, ${clip(client.displayName ?? client.id, 64)}`;

export type EditedConfig = {
  loaded: LoadedConfig;
  changes: readonly ConfigChange[];
  issues: readonly ConfigIssue[];
  needsRestart: boolean;
};

const STALE = "config changed since last load; re-run config.get and retry";

/**
 * Changes the configuration file on request: `change` gets its text and returns the next one. The text is checked before it
 * is written, the file is replaced as a whole, and the gateway has taken it over when the promise resolves. With `baseHash`
 * the edit is refused (INVALID_REQUEST) when the file is no longer the one that the client has seen.
 */
export async function editConfig(
  deps: ConfigDeps,
  change: (raw: string) => string,
  { baseHash, author }: { baseHash?: string | undefined; author?: string } = {},
): Promise<EditedConfig> {
  const current = deps.read();
  if (baseHash !== undefined && baseHash !== current.hash)
    throw new GatewayError("INVALID_REQUEST", STALE, { details: { reason: "stale" } });
  const before = deps.loaded().config;
  const text = change(current.raw ?? "");
  if (author !== undefined) deps.noteAuthor?.(hashOf(text), author);
  const issues = await writeConfig(current.path, text, { ...deps.writeOptions, base: current.raw });
  await deps.reload();
  const loaded = deps.loaded();
  const changes = diffConfig(before, loaded.config);
  return { loaded, changes, issues, needsRestart: strongestEffect(changes) === "restart-gateway" };
}
