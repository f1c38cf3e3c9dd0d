import { findExternalSecrets } from "../config/load.ts";
import { foregroundClock } from "../core/clock.ts";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { findKeyring } from "../secrets/keyring.ts";
import type { KeyKind } from "../secrets/keys.ts";
import { SecretStore } from "../secrets/store.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { readSecret, readSecretInput } from "./stdin.ts";
import { formatAge, plural, sanitizeLine } from "./terminal-text.ts";

/** The encrypted store of this state directory. Its passphrase is asked for at a terminal, where it has one. */
export function storeOf(invocation: Invocation): SecretStore {
  const { host } = invocation;
  const keyring = findKeyring(host.env, foregroundClock);
  return new SecretStore({
    dir: pathsOf(invocation).gateway,
    env: host.env,
    now: host.now,
    ...(keyring && { keyring }),
    ...(host.stdin.isTTY && { askPassphrase: () => readSecret(invocation, "Passphrase of the store (hidden): ") }),
  });
}

const kindOf = (invocation: Invocation, flag: string): KeyKind | undefined => invocation.text(flag) as KeyKind | undefined;

/** `openclaw secrets store set <name>` */
export const secretsStoreSet: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.arg(0);
  const store = storeOf(invocation);
  const { created } = await store.set(name, await readSecretInput(invocation, sanitizeLine(name)), kindOf(invocation, "key"));
  const reloaded = await reloadFor(invocation, name);
  out.result({ ok: true, name, created, key: store.keyKind(), reloaded }, () => {
    out.line(`${sanitizeLine(name)} is ${created ? "stored" : "replaced"} in ${store.path}.`);
    if (created) out.note(`Refer to it with {"source":"store","provider":"default","id":"${sanitizeLine(name)}"}.`);
    sayReloaded(invocation, reloaded);
  });
};

/** `openclaw secrets store list` */
export const secretsStoreList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const store = storeOf(invocation);
  const entries = await store.list();
  out.result({ entries: entries.map(({ name, updatedAt }) => ({ name, kind: "secret", updatedAt })), key: store.keyKind() }, () => {
    if (entries.length === 0) return out.line("The encrypted store is empty. openclaw secrets store set NAME stores a secret.");
    const now = host.now();
    out.table(
      [{ title: "name" }, { title: "changed" }, { title: "bytes", align: "right" }],
      entries.map(({ name, updatedAt, bytes }) => [name, formatAge(updatedAt, now), String(bytes)]),
    );
  });
};

/** `openclaw secrets store get <name>` */
export const secretsStoreGet: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const name = invocation.arg(0);
  const reveals = invocation.has("reveal");
  if (reveals && host.streams.stdout.isTTY !== true)
    throw new CliError("a secret is shown at a terminal only", {
      why: "the output goes to a file or to another program, where the value would stay.",
      fix: "run it in a terminal; programs get secrets through references in openclaw.json.",
      exit: EXIT.usage,
    });
  const store = storeOf(invocation);
  const entry = (await store.list()).find((each) => each.name === name);
  if (!entry) throw unknownName(name);
  const value = reveals ? (await store.values()).get(name)?.reveal() : undefined;
  const { updatedAt, bytes } = entry;
  out.result({ name, updatedAt, bytes, ...(value === undefined ? {} : { value }) }, () => {
    if (value !== undefined) return out.line(value);
    out.pairs([
      ["name", sanitizeLine(name)],
      ["changed", formatAge(updatedAt, host.now())],
      ["bytes", String(bytes)],
      ["value", "hidden; --reveal shows it at a terminal"],
    ]);
  });
};

/** `openclaw secrets store rm <name>` */
export const secretsStoreRemove: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.arg(0);
  if (!(await storeOf(invocation).remove(name))) throw unknownName(name);
  const isUsed = refersTo(invocation, name);
  out.result({ ok: true, name, referenced: isUsed }, () => {
    out.line(`${sanitizeLine(name)} is removed from the store; it stays valid until you revoke it where it was issued.`);
    if (isUsed) out.note("The configuration still refers to it: openclaw secrets audit shows where.");
  });
};

const unknownName = (name: string): CliError =>
  new CliError(`the store does not have "${sanitizeLine(name)}"`, {
    why: "no secret was stored under that name.",
    fix: "openclaw secrets store list shows the names.",
  });

/** `openclaw secrets rekey` */
export const secretsRekey: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const store = storeOf(invocation);
  const kind = kindOf(invocation, "to") ?? store.keyKind() ?? "file";
  const file = invocation.text("new-passphrase-file");
  const { entries } = await store.rekey(kind, {
    env: file === undefined ? {} : { OPENCLAW_SECRETS_PASSPHRASE_FILE: file },
    ...(invocation.host.stdin.isTTY && { askPassphrase: () => askNewPassphrase(invocation) }),
  });
  out.result({ ok: true, entries, key: kind }, () => {
    out.line(`${plural(entries, "secret")} ${entries === 1 ? "is" : "are"} encrypted with a new key (${kind}).`);
    if (kind === "passphrase") out.note("Give the gateway the new passphrase before its next start: OPENCLAW_SECRETS_PASSPHRASE_FILE.");
    out.note("Backups that were made before need the old key.");
  });
};

async function askNewPassphrase(invocation: Invocation): Promise<string> {
  const first = await readSecret(invocation, "New passphrase (hidden): ");
  if (first === (await readSecret(invocation, "The same again (hidden): "))) return first;
  throw new CliError("the two passphrases differ", { why: "nothing was changed.", fix: "repeat the command.", exit: EXIT.usage });
}

type Reloaded = { ok: boolean; warningCount: number; warnings: { provider: string; state: string; problem: string | null }[] };

/** `openclaw secrets reload` */
export const secretsReload: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const answer = await callGateway<Reloaded>(invocation, ["operator.admin"], "secrets.reload", {});
  out.result(answer, () => {
    for (const { provider, state, problem } of answer.warnings)
      out.paragraph(
        `${out.paint("yellow", "!")} ${sanitizeLine(provider)}: ${sanitizeLine(problem ?? "it cannot be read")}${state === "stale" ? " (the last values are in use)" : ""}`,
        "  ",
      );
    if (answer.warningCount === 0) out.line("All secrets were read again and are in use.");
  });
  return answer.warningCount === 0 ? EXIT.ok : EXIT.failure;
};

function refersTo(invocation: Invocation, name: string): boolean {
  const { raw, path } = configOf(invocation);
  const { refs } = findExternalSecrets(raw ?? "", { path, env: invocation.host.env });
  return refs.some(({ source, id }) => source === "store" && id === name);
}

/** Null: no gateway runs, or the configuration does not refer to it. */
async function reloadFor(invocation: Invocation, name: string): Promise<{ ok: boolean; cause: string | null } | null> {
  if (!refersTo(invocation, name) || findRunningGateway(pathsOf(invocation).gateway) === null) return null;
  try {
    await callGateway<Reloaded>(invocation, ["operator.admin"], "secrets.reload", {});
    return { ok: true, cause: null };
  } catch (err) {
    return { ok: false, cause: reasonOf(err) };
  }
}

function sayReloaded({ out }: Invocation, reloaded: { ok: boolean; cause: string | null } | null): void {
  if (reloaded?.ok === true) out.note("The running gateway uses the new value.");
  if (reloaded?.ok === false)
    out.note(`The running gateway did not take the new value (${sanitizeLine(reloaded.cause ?? "")}): openclaw secrets reload`);
}
