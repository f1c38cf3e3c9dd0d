import { CliError, EXIT } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import type { CommandHandler } from "./command.ts";
import { notesWithoutSandbox, readPolicies } from "./command-policies.ts";
import { callGateway, withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { formatAge, plural, sanitizeLine } from "./terminal-text.ts";

/** How commands of a conversation are isolated. Only `backend` and what follows are absent in a gateway of an earlier version. */
type SandboxSettings = {
  agentId?: string;
  sessionKey?: string;
  backend?: string;
  mode?: string | null;
  host?: string;
  hostRule?: string;
  workspaceAccess?: string;
  /** What commands reach of the network; null: nothing. */
  egress?: { allowedHostnames: string[]; allowPrivateNetwork: boolean; rule: string } | null;
  /** Of containers only. */
  scope?: string;
  image?: string;
};

/** The answer of `sandbox.explain`. */
export type SandboxAnswer = SandboxSettings &
  ({ available: true; name: string; guarantees: string[] } | { available: false; reason: string; fix: string });

const ACCESS_TEXTS: Readonly<Record<string, string>> = {
  rw: "commands may change it",
  ro: "commands may only read it",
  none: "commands see an empty directory instead",
};
const SCOPE_TEXTS: Readonly<Record<string, string>> = {
  session: "one container for each conversation",
  agent: "one container for each agent",
  shared: "one container for all agents with the same workspace",
};

/** What a command line says about whose sandbox is meant. */
function ownerParams(invocation: Invocation): { agentId?: string; sessionKey?: string } {
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const sessionKey = invocation.text("session");
  return { ...(agentId !== undefined && { agentId }), ...(sessionKey !== undefined && { sessionKey }) };
}

/** `openclaw sandbox explain`; ends with an error code where there is no sandbox. */
export const sandboxExplain: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { answer, notes } = await withGateway(invocation, { scopes: ["operator.read"] }, async ({ client }) => {
    const found = await client.request<SandboxAnswer>("sandbox.explain", ownerParams(invocation));
    if (found.available) return { answer: found, notes: [] };
    const policies = (await readPolicies(client)).filter(({ agentId }) => found.agentId === undefined || agentId === found.agentId);
    return { answer: found, notes: notesWithoutSandbox(policies) };
  });
  out.result(answer, () => {
    showSettings(invocation, answer);
    if (answer.available) {
      out.line(sanitizeLine(`Commands can be isolated: ${answer.name}`));
      for (const each of answer.guarantees) out.line(sanitizeLine(`- ${each}`));
      return;
    }
    out.line(sanitizeLine(`Commands cannot be isolated: ${toSentence(answer.reason)}`));
    out.line(sanitizeLine(answer.fix));
    for (const note of notes.length > 0 ? notes : ["No command needs it with the present settings: openclaw exec-policy show"])
      out.line(sanitizeLine(note));
  });
  return answer.available ? EXIT.ok : EXIT.failure;
};

function showSettings({ out }: Invocation, answer: SandboxAnswer): void {
  const { agentId = "", sessionKey = "", backend, mode, host = "", hostRule = "", workspaceAccess = "", egress, scope, image } = answer;
  if (backend === undefined) return;
  const rows = [
    ["conversation", sessionKey, `agent ${agentId}`],
    ["backend", backend, image === undefined ? "one sandbox for each command" : `image ${image}`],
    ["host", host, `decided by ${hostRule}`],
    ...(mode ? [["mode", mode, ""]] : []),
    ["workspace", workspaceAccess, ACCESS_TEXTS[workspaceAccess] ?? ""],
    ["network", egress ? egress.allowedHostnames.join(", ") : "none", egress ? networkText(egress) : "own loopback only"],
    ...(scope === undefined ? [] : [["scope", scope, SCOPE_TEXTS[scope] ?? ""]]),
  ];
  out.table([{ title: "setting" }, { title: "value" }, { title: "meaning" }], rows);
}

const networkText = ({ allowPrivateNetwork, rule }: NonNullable<SandboxSettings["egress"]>): string =>
  `${allowPrivateNetwork ? "also in private networks, " : ""}by a proxy, decided by ${rule}`;

type ContainerRow = {
  name: string;
  backend: string;
  image: string;
  imageMatches: boolean | null;
  status: string;
  createdAtMs: number;
  lastUsedAtMs: number | null;
  commands: number;
  agentId: string | null;
  sessionKey: string | null;
};

/** Engines that the configuration names and that do not answer. */
type Unreachable = { backend: string; reason: string }[];
type ContainerList = { ts: number; containers: ContainerRow[]; unreachable: Unreachable };

function showUnreachable({ out }: Invocation, unreachable: Unreachable): void {
  for (const { backend, reason } of unreachable)
    out.note(sanitizeLine(`The containers of ${backend} are not known: ${toSentence(reason)}`));
}

/** `openclaw sandbox list` */
export const sandboxList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const answer = await callGateway<ContainerList>(invocation, ["operator.read"], "sandbox.list", {});
  out.result(answer, () => {
    const { ts, containers, unreachable } = answer;
    showUnreachable(invocation, unreachable);
    if (containers.length === 0) {
      if (unreachable.length > 0) return;
      out.line("There are no containers. The backend bubblewrap has none; those of podman and docker are made with the first command.");
      return;
    }
    out.table(
      [{ title: "container" }, { title: "status" }, { title: "of" }, { title: "image" }, { title: "age" }, { title: "idle" }],
      containers.map((row) => [
        row.name,
        row.commands > 0 ? `${row.status}, ${plural(row.commands, "command")}` : row.status,
        row.sessionKey ?? row.agentId ?? "all agents",
        row.imageMatches === false ? `${row.image} (not the configured one)` : row.image,
        formatAge(row.createdAtMs, ts),
        row.lastUsedAtMs === null ? "" : formatAge(row.lastUsedAtMs, ts),
      ]),
    );
  });
};

/** `openclaw sandbox recreate` */
export const sandboxRecreate: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const all = invocation.has("all");
  const owner = ownerParams(invocation);
  if ([all, owner.agentId !== undefined, owner.sessionKey !== undefined].filter(Boolean).length !== 1)
    throw new CliError("no containers are named", {
      why: "exactly one of --all, --agent and --session is needed.",
      fix: "openclaw sandbox list shows them.",
      exit: EXIT.usage,
    });
  const which = all
    ? "all containers"
    : owner.agentId
      ? `the containers of the agent ${owner.agentId}`
      : `the container of ${owner.sessionKey}`;
  if (!invocation.has("force"))
    await invocation.confirm(`Remove ${sanitizeLine(which)}? Commands in them end, and files that are only in them are lost.`);
  const params = all ? { all } : owner;
  const answer = await callGateway<{ removed: string[]; unreachable: Unreachable }>(
    invocation,
    ["operator.admin"],
    "sandbox.recreate",
    params,
  );
  out.result(answer, () => {
    showUnreachable(invocation, answer.unreachable);
    for (const name of answer.removed) out.line(sanitizeLine(`Removed ${name}`));
    out.line(answer.removed.length === 0 ? "There was nothing to remove." : "The next command makes a new one.");
  });
};
