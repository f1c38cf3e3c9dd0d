import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { applyConfigEdit } from "./config-edit.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine } from "./terminal-text.ts";

type InternalHookRow = {
  name: string;
  description: string;
  source: string;
  events: string[];
  filePath: string;
  handlerPath: string | null;
  eligible: boolean;
  sha256: string;
  off?: string;
};
export type InternalHookReport = { workspaceDir: string; managedHooksDir: string; hooks: InternalHookRow[] };

export const readInternalHooks = (invocation: Invocation): Promise<InternalHookReport> =>
  callGateway<InternalHookReport>(invocation, ["operator.read"], "hooks.status", {});

/** The internal hooks as a table; nothing where there are none. */
export function showInternalHooks({ out }: Invocation, { hooks }: InternalHookReport): void {
  if (hooks.length === 0) return;
  out.table(
    [{ title: "internal hook" }, { title: "on" }, { title: "events", truncate: true }, { title: "what it does", truncate: true }],
    hooks.map(({ name, eligible, events, description }) => [name, eligible ? "yes" : "no", events.join(" "), description]),
  );
  out.line("");
}

async function requireHook(invocation: Invocation): Promise<InternalHookRow> {
  const name = invocation.arg(0);
  const { hooks, workspaceDir } = await readInternalHooks(invocation);
  const found = hooks.find((hook) => hook.name === name);
  if (found) return found;
  throw new CliError(`the internal hook ${sanitizeLine(name)} was not found`, {
    why: `no folder in ${sanitizeLine(workspaceDir)}/hooks or in hooks of the state directory has this name and a HOOK.md.`,
    fix: "openclaw hooks list",
  });
}

/** `openclaw hooks info <name>` */
export const hooksInfo: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const hook = await requireHook(invocation);
  out.result(hook, () =>
    out.pairs([
      ["name", hook.name],
      ["what it does", hook.description],
      ["events", hook.events.join(" ")],
      ["runs", hook.eligible ? "yes" : `no: ${hook.off ?? "unknown"}`],
      ["header", hook.filePath],
      ["handler", hook.handlerPath ?? "-"],
      ["sha256", hook.sha256],
    ]),
  );
};

/** `openclaw hooks check` */
export const hooksCheck: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const report = await readInternalHooks(invocation);
  const off = report.hooks.filter(({ eligible }) => !eligible);
  out.result({ total: report.hooks.length, eligible: report.hooks.length - off.length, off }, () => {
    out.line(`${report.hooks.length - off.length} of ${report.hooks.length} internal hooks run.`);
    for (const { name, off: why } of off) out.line(sanitizeLine(`${name}: ${why ?? "unknown"}`));
  });
};

/** `openclaw hooks enable <name>` */
export const hooksEnable: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { name, sha256, events, handlerPath, off } = await requireHook(invocation);
  if (
    off !== undefined &&
    ![
      "it is not enabled",
      "it was changed since it was enabled",
      "the content that may run is not named",
      "hooks.internal.enabled is false",
    ].includes(off)
  )
    throw new CliError(`${sanitizeLine(name)} cannot run`, { why: `${sanitizeLine(off)}.`, fix: "correct its files.", exit: EXIT.failure });
  out.note(sanitizeLine(`The code in ${handlerPath ?? "-"} will run with the rights of the gateway on ${events.join(", ")}.`));
  await invocation.confirm("Enable it with the content that it has now?");
  await applyConfigEdit(invocation, (edit) => {
    edit.set(["hooks", "internal", "enabled"], true);
    edit.set(["hooks", "internal", "entries", name, "enabled"], true);
    edit.set(["hooks", "internal", "entries", name, "sha256"], sha256);
  });
  out.result({ name, enabled: true, sha256 }, () => out.line(sanitizeLine(`Enabled: ${name}.`)));
};

/** `openclaw hooks disable <name>` */
export const hooksDisable: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { name } = await requireHook(invocation);
  await applyConfigEdit(invocation, (edit) => edit.set(["hooks", "internal", "entries", name, "enabled"], false));
  out.result({ name, enabled: false }, () => out.line(sanitizeLine(`Disabled: ${name}.`)));
};
