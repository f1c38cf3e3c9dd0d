import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { CommandPolicy } from "./exec-policy.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAccount, requireKnownAgent, requireKnownChannel } from "./known-names.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Catalog = { agentId: string; groups: { label: string; tools: { id: string; description: string }[] }[] };
type Explanation = {
  agentId: string;
  surface: "operator" | "channel";
  access?: { action: string; detail: string };
  routedTo?: string;
  tools: { tool: string; isGranted: boolean; rule: string }[];
  files: { workspace: string; outside: string[]; rule: string };
  commands: CommandPolicy;
};

const explain = (invocation: Invocation, params: object): Promise<Explanation> =>
  callGateway<Explanation>(invocation, ["operator.read"], "tools.explain", params);

/** `openclaw tools list` */
export const toolsList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const params = agentId === undefined ? {} : { agentId };
  const catalog = await callGateway<Catalog>(invocation, ["operator.read"], "tools.catalog", params);
  const { tools } = await explain(invocation, params);
  const granted = new Map(tools.map(({ tool, isGranted }) => [tool, isGranted]));
  const rows = catalog.groups.flatMap((group) =>
    group.tools.map(({ id, description }) => ({ tool: id, group: group.label, granted: granted.get(id) === true, description })),
  );
  out.result({ agentId: catalog.agentId, tools: rows }, () => {
    out.table(
      [{ title: "tool" }, { title: "group" }, { title: "yours" }, { title: "what it does", truncate: true }],
      rows.map((row) => [row.tool, row.group, row.granted ? "yes" : "no", row.description]),
    );
    out.note("openclaw tools explain says which setting decides, also for people on channels.");
  });
};

/** `openclaw tools explain [agent] [tool]` */
export const toolsExplain: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const agentId = requireKnownAgent(invocation, invocation.args[0]);
  const sessionKey = invocation.text("session-key");
  const tool = invocation.args[1];
  const answer = await explain(invocation, {
    ...(agentId !== undefined && { agentId }),
    ...(sessionKey !== undefined && { sessionKey }),
    ...(tool !== undefined && { tool }),
    ...messageOf(invocation),
  });
  out.result(answer, () => {
    const whose = answer.surface === "operator" ? "your own messages" : `messages of ${invocation.text("channel")}`;
    out.line(sanitizeLine(`Agent ${answer.agentId}, ${whose}`));
    if (answer.access && answer.access.action !== "answer")
      out.line(sanitizeLine(`Such a message is not answered (${answer.access.action}): ${answer.access.detail}`));
    if (answer.routedTo !== undefined) out.line(sanitizeLine(`Such a message is routed to another agent: ${answer.routedTo}`));
    out.table(
      [{ title: "tool" }, { title: "granted" }, { title: "decided by" }],
      answer.tools.map(({ tool, isGranted, rule }) => [tool, isGranted ? "yes" : "no", rule]),
    );
    if (tool !== undefined) return;
    const { workspace, outside, rule } = answer.files;
    out.line(sanitizeLine(`Files: ${[workspace, ...outside].join(", ")} (${rule})`));
    const { commands } = answer;
    out.line(sanitizeLine(`Commands: mode ${commands.mode} (${commands.rule}), host ${commands.host} (${commands.hostRule})`));
  });
};

/** The message that the flags describe. */
function messageOf(invocation: Invocation): object {
  const [channel, sender, room] = [invocation.text("channel"), invocation.text("sender"), invocation.text("room")];
  if (channel === undefined) {
    const alone = ["account", "sender", "room"].find((name) => invocation.text(name) !== undefined);
    if (alone === undefined) return {};
    throw new CliError(`--${alone} needs --channel`, { fix: "Name the channel, e.g. --channel telegram.", exit: EXIT.usage });
  }
  if (sender !== undefined && room !== undefined)
    throw new CliError("--sender and --room exclude each other", { fix: "Describe a direct message or one in a room.", exit: EXIT.usage });
  const known = requireKnownChannel(invocation, channel);
  const account = requireKnownAccount(invocation, known, invocation.text("account"));
  const peer = room ?? sender;
  return {
    channel: known,
    ...(account !== undefined && { account }),
    ...(peer !== undefined && { peer }),
    ...(room !== undefined && { group: true }),
  };
}
