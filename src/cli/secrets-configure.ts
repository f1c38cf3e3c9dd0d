import { existsSync } from "node:fs";
import { setAt, writeConfig } from "../config/edit.ts";
import { formatPath, type KeyPath } from "../config/key-path.ts";
import { mayBeStored } from "../config/missing-secrets.ts";
import { plaintextSecrets } from "../config/redact.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import type { KeyKind } from "../secrets/keys.ts";
import { SecretSources } from "../secrets/sources.ts";
import { systemClock } from "../core/clock.ts";
import { findExternalSecrets } from "../config/load.ts";
import type { CommandHandler } from "./command.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { isPlaceholder } from "./security-rules.ts";
import { storeOf } from "./secrets-store.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

type Move = { readonly path: KeyPath; readonly name: string; readonly text: string };

const show = (each: Move): { path: string; name: string } => ({ path: formatPath(each.path), name: each.name });

/** `openclaw secrets configure` */
export const secretsConfigure: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { raw, path } = configOf(invocation);
  const { moves, left } = plan(invocation, raw ?? "");
  const isDry = invocation.has("dry-run");
  if (moves.length > 0 && !isDry) {
    await invocation.confirm(`Move ${plural(moves.length, "credential")} from ${path} into the encrypted store?`);
    await move(invocation, raw!, moves);
  }
  out.result({ ok: true, dryRun: isDry, moved: moves.map(show), left }, () => {
    for (const each of moves) out.line(`${sanitizeLine(formatPath(each.path))} ${isDry ? "would move" : "moved"} to ${each.name}`);
    for (const each of left) out.note(`${sanitizeLine(each.path)} stays in the file: ${each.reason}.`);
    if (moves.length === 0) out.line("The configuration has no credential that can be moved.");
    else if (!isDry)
      out.note("Copies of the file that you made yourself, such as in version control, still have the values: replace those credentials.");
  });
};

/** A value is stored before the file refers to it. Older copies beside the file get the new text, because they have the values as well. */
async function move(invocation: Invocation, raw: string, moves: readonly Move[]): Promise<void> {
  const { host } = invocation;
  const paths = pathsOf(invocation);
  const store = storeOf(invocation);
  for (const { name, text } of moves) await store.set(name, text, invocation.text("key") as KeyKind | undefined);
  const next = moves.reduce((text, { path, name }) => setAt(text, path, { source: "store", provider: "default", id: name }), raw);
  const sources = new SecretSources({ dir: paths.gateway, env: host.env, clock: systemClock });
  await sources.read(findExternalSecrets(next, { path: paths.config, env: host.env }), false);
  await writeConfig(paths.config, next, { env: host.env, base: raw, external: sources.lookup });
  for (const copy of [`${paths.config}.bak`, paths.lastGood]) if (existsSync(copy)) await writeFileAtomic(copy, next, { preserve: true });
}

function plan(invocation: Invocation, raw: string): { moves: Move[]; left: { path: string; reason: string }[] } {
  const only = invocation.list("only");
  const moves: Move[] = [];
  const left: { path: string; reason: string }[] = [];
  const found = plaintextSecrets(raw);
  const { refs } = findExternalSecrets(raw, { path: pathsOf(invocation).config, env: invocation.host.env });
  const used = new Set(refs.filter(({ source }) => source === "store").map(({ id }) => id));
  for (const { path, text } of found) {
    const at = formatPath(path);
    if (only.length > 0 && !only.includes(at)) continue;
    const reason = reasonToStay(path, text);
    if (reason !== null) left.push({ path: at, reason });
    else {
      const name = toName(path, used);
      used.add(name);
      moves.push({ path, text, name });
    }
  }
  const missing = only.find((each) => !found.some(({ path }) => formatPath(path) === each));
  if (missing !== undefined)
    throw new CliError(`${sanitizeLine(missing)} is not a credential in plain text`, {
      why: "nothing was changed.",
      fix: "openclaw secrets audit shows which there are.",
      exit: EXIT.usage,
    });
  return { moves, left };
}

function reasonToStay(path: KeyPath, text: string): string | null {
  if (path[0] === "env" || path[0] === "secrets") return "it is needed before the store can be read";
  if (!mayBeStored(path)) return "this key cannot refer to a secret";
  if (text.includes("${")) return "its value refers to variables";
  return isPlaceholder(text) ? "it has a value from an example" : null;
}

/** `models.providers.openai.apiKey` becomes MODELS_PROVIDERS_OPENAI_API_KEY. */
function toName(path: KeyPath, used: ReadonlySet<string>): string {
  const text = path
    .map((step) => String(step).replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2"))
    .join("_")
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, "_")
    .replace(/^[^A-Z]+/, "")
    .slice(0, 120);
  for (let number = 1; ; number++) {
    const name = number === 1 ? text : `${text}_${number}`;
    if (!used.has(name)) return name;
  }
}
