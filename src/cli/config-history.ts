import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine, sanitizeText } from "./terminal-text.ts";

type Change = { path: string; effect: string };
type Version = { id: number; at: number; author: string | null; changes: Change[]; bytes: number; current: boolean };

/** `openclaw config history [version]` */
export const configHistory: CommandHandler = async (invocation) => {
  const { out } = invocation;
  if (invocation.args[0] !== undefined) {
    const answer = await callGateway<{ version: Version & { text: string } }>(invocation, ["operator.read"], "config.history", {
      id: versionOf(invocation),
    });
    return out.result(answer, () => out.line(sanitizeText(answer.version.text.trimEnd())));
  }
  const answer = await callGateway<{ versions: Version[] }>(invocation, ["operator.read"], "config.history", {});
  out.result(answer, () => {
    if (answer.versions.length === 0) return out.line("No version of the configuration has been replaced yet.");
    out.table(
      [{ title: "version", align: "right" }, { title: "when" }, { title: "by", truncate: true }, { title: "changes", truncate: true }],
      answer.versions.map(({ id, at, author, changes, current }) => [
        `${id}${current ? " *" : ""}`,
        new Date(at).toLocaleString(),
        sanitizeLine(author ?? "the file was edited"),
        sanitizeLine(changes.map(({ path }) => path).join(", ")),
      ]),
    );
    out.note("* is in the file. Go back: openclaw config rollback <version>");
  });
};

function versionOf(invocation: Invocation): number {
  const text = invocation.arg(0);
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Number(text);
  throw new CliError(`"${sanitizeLine(text)}" is not a version`, {
    why: "a version is a number.",
    fix: "openclaw config history",
    exit: EXIT.usage,
  });
}

type Plan = { valid: boolean; changes: Change[]; requiresRestart: boolean; issues: { message: string; fix?: string }[] };

/** `openclaw config rollback <version>` */
export const configRollback: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const id = versionOf(invocation);
  const answer = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const { version } = await client.request<{ version: Version & { text: string } }>("config.history", { id });
    const { hash } = await client.request<{ hash: string }>("config.get");
    const raw = version.text;
    const plan = await client.request<Plan>("config.plan", { raw, baseHash: hash });
    if (!plan.valid)
      throw new CliError(`version ${id} cannot be used`, {
        why: `${sanitizeLine(plan.issues[0]?.message ?? "it has errors")}.`,
        fix: sanitizeLine(plan.issues[0]?.fix ?? `openclaw config history ${id} prints it; correct it and save it as the file.`),
        exit: EXIT.config,
      });
    for (const { path, effect } of plan.changes)
      out.note(`${sanitizeLine(path)}: ${effect === "restart-gateway" ? "needs a restart" : "at once"}`);
    await invocation.confirm(
      `This replaces the configuration by version ${id}${plan.requiresRestart ? " and restarts the gateway" : ""}. Secrets stay as they are. Continue?`,
    );
    return await client.request<{ changedPaths: string[]; requiresRestart: boolean }>("config.apply", { raw, baseHash: hash });
  });
  out.result(answer, () => out.line(`Version ${id} is in use${answer.requiresRestart ? " after the restart that begins now" : ""}.`));
};
