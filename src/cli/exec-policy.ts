import { agentPath } from "../config/agent-path.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import type { CommandHandler } from "./command.ts";
import { applyConfigEdit, type ConfigEdit } from "./config-edit.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent, requireKnownChannel } from "./known-names.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** What holds for commands, as `tools.explain` has it. */
export type CommandPolicy = {
  /** The tools for commands are granted at all. */
  isGranted: boolean;
  mode: string;
  rule: string;
  host: string;
  hostRule: string;
  alwaysAsk: boolean;
  readOnly: boolean;
};
type Explanation = { agentId: string; surface: "operator" | "channel"; commands: CommandPolicy };

const MODE_TEXTS: Readonly<Record<string, string>> = {
  deny: "No command runs.",
  allowlist: "A command runs when it only reads, or when the allowlist names all of its programs; every other one is refused.",
  ask: "A person is asked, except about commands that only read and about programs of the allowlist.",
  auto: "Commands in the sandbox run by themselves. Elsewhere a person is asked, except about commands that only read and about programs of the allowlist.",
  full: "Every command runs without a question.",
};
/** The same where the document of the allowlist says `ask: "always"`. */
const ALWAYS_ASK_TEXTS: Readonly<Record<string, string>> = {
  ...MODE_TEXTS,
  allowlist:
    "A command runs when it only reads. When the allowlist names all of its programs, a person is asked; every other one is refused.",
  ask: "A person is asked, except about commands that only read.",
  auto: "Commands in the sandbox run by themselves. Elsewhere a person is asked, except about commands that only read.",
};
/** The modes that the allowlist changes. */
const ALLOWLIST_MODES: readonly string[] = ["allowlist", "ask", "auto"];

/** `openclaw exec-policy show` */
export const execPolicyShow: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const channel = invocation.text("channel");
  const { commands, ...about } = await callGateway<Explanation>(invocation, ["operator.read"], "tools.explain", {
    ...(agentId !== undefined && { agentId }),
    ...(channel !== undefined && { channel: requireKnownChannel(invocation, channel) }),
  });
  out.result({ agentId: about.agentId, surface: about.surface, ...commands }, () => {
    out.line(sanitizeLine(`Agent ${about.agentId}, ${channel === undefined ? "your own messages" : `messages of ${channel}`}`));
    out.table(
      [{ title: "setting" }, { title: "value" }, { title: "decided by" }],
      [
        ["mode", commands.mode, commands.rule],
        ["host", commands.host, commands.hostRule],
      ],
    );
    const explain = `openclaw tools explain ${about.agentId}${channel === undefined ? "" : ` --channel ${channel}`}`;
    for (const text of policyNotes(commands, explain)) out.note(text);
  });
};

/** What the settings amount to, one line each. `explain`: the command that says which setting denies. */
function policyNotes({ isGranted, mode, host, alwaysAsk, readOnly }: CommandPolicy, explain: string): readonly string[] {
  if (!isGranted) return [`The tools for commands are denied, so that no command runs. Which setting denies them: ${explain}`];
  const asks =
    alwaysAsk && ALLOWLIST_MODES.includes(mode)
      ? "The document of the allowlist says ask always: no program is exempt (openclaw approvals get)."
      : undefined;
  const text = (alwaysAsk ? ALWAYS_ASK_TEXTS : MODE_TEXTS)[mode];
  return [text, asks, mode === "deny" ? undefined : hostText(mode, host, readOnly)].filter((each) => each !== undefined);
}

function hostText(mode: string, host: string, readOnly: boolean): string {
  if (readOnly) return "Writing is denied: commands run in the sandbox only, with a workspace that they cannot change.";
  if (host === "sandbox") return "They run in the sandbox; without one they are refused.";
  if (host === "gateway") return "They run as the gateway's user, outside of the sandbox.";
  return mode === "auto"
    ? "They run in the sandbox where there is one, otherwise as the gateway's user."
    : "They run as the gateway's user, unless a call asks for the sandbox.";
}

type Policy = { readonly mode?: string | undefined; readonly host?: string | undefined };

const PRESETS: Readonly<Record<string, Policy>> = {
  yolo: { mode: "full", host: "gateway" },
  cautious: { mode: "ask" },
  "deny-all": { mode: "deny" },
};

/** `openclaw exec-policy preset <name>` */
export const execPolicyPreset: CommandHandler = (invocation) => write(invocation, PRESETS[invocation.arg(0)]!, undefined);

/** `openclaw exec-policy set` */
export const execPolicySet: CommandHandler = async (invocation) => {
  const policy: Policy = { mode: invocation.text("mode"), host: invocation.text("host") };
  if (policy.mode === undefined && policy.host === undefined)
    throw new CliError("there is nothing to set", {
      why: "neither --mode nor --host is given.",
      fix: "openclaw exec-policy set --mode ask",
      exit: EXIT.usage,
    });
  await write(invocation, policy, requireKnownAgent(invocation, invocation.text("agent"))?.toLowerCase());
};

async function write(invocation: Invocation, policy: Policy, agent: string | undefined): Promise<void> {
  const { out } = invocation;
  let base: (string | number)[] = ["tools", "exec"];
  const set = Object.entries(policy).filter((entry): entry is [string, string] => entry[1] !== undefined);
  let others: readonly string[] = [];
  const where = await applyConfigEdit(invocation, (edit) => {
    if (agent !== undefined) base = [...agentPath((path) => edit.get(path), agent), "tools", "exec"];
    for (const [key, value] of set) edit.set([...base, key], value);
    others = agent === undefined ? agentsWithOwn(edit, Object.fromEntries(set)) : [];
  });
  out.result({ ok: true, ...Object.fromEntries(set), ...(agent !== undefined && { agent }), where, agentsWithOwn: others }, () => {
    for (const [key, value] of set) out.line(`${[...base, key].join(".")} = ${value}`);
    out.note(`Saved in ${where}. It holds from the next command on.`);
    if (others.length > 0) out.note(`Agents with another setting of their own: ${sanitizeLine(others.join(", "))}.`);
    out.note(`What holds now: openclaw exec-policy show${agent === undefined ? "" : ` --agent ${agent}`}`);
  });
}

/** Agents whose own setting is another one. */
function agentsWithOwn(edit: ConfigEdit, policy: Policy): readonly string[] {
  const entries = edit.get(["agents", "entries"]);
  return Object.keys(isObject(entries) ? entries : {}).filter((id) =>
    Object.entries(policy).some(([key, value]) => {
      const own = edit.get(["agents", "entries", id, "tools", "exec", key]);
      return own !== undefined && own !== value;
    }),
  );
}
