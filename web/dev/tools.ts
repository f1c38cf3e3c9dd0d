/** Invented agents, tools and rules for the scripted gateway. */
type Params = Record<string, unknown>;

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  read: "Reads a text file, or an image.",
  ls: "Lists a directory.",
  write: "Creates a file or replaces its whole content.",
  exec: "Runs a shell command in the workspace.",
};
const NAMES = Object.keys(DESCRIPTIONS);

/** Undefined for a method that is none of these. */
export function answerTools(method: string, params: Params): unknown {
  if (method === "agents.list") return { defaultId: "main", agents: [{ id: "main" }, { id: "ops", name: "Operations" }] };
  if (method === "tools.catalog") {
    const tools = (names: readonly string[]): unknown => names.map((id) => ({ id, label: id, description: DESCRIPTIONS[id] }));
    const groups = [
      { id: "fs", label: "Files", tools: tools(["read", "ls", "write"]) },
      { id: "runtime", label: "Runtime", tools: tools(["exec"]) },
    ];
    return { agentId: params["agentId"], profiles: [], groups };
  }
  if (method === "route.explain") return explainRoute(params);
  return method === "tools.explain" ? explain(params) : undefined;
}

function explain({ agentId, channel, peer, group }: Params): unknown {
  const key = `agents.entries.${String(agentId)}.tools`;
  const isOperator = channel === undefined;
  const decide = (tool: string): unknown => {
    if (tool === "write") return { tool, isGranted: false, rule: "tools.deny" };
    if (isOperator) return { tool, isGranted: true, rule: "operators have all tools that nothing denies" };
    if (group === true && tool === "exec")
      return { tool, isGranted: false, rule: `channels.${String(channel)}.groups.${String(peer)}.tools.deny` };
    return {
      tool,
      isGranted: tool === "read",
      rule: tool === "read" ? `${key}.allow` : `senders of channels have the tools that ${key} names`,
    };
  };
  return {
    agentId,
    surface: isOperator ? "operator" : "channel",
    ...(peer === "4711" && { access: { action: "drop", detail: "the sender is not paired" } }),
    ...(peer === "#ops" && agentId !== "ops" && { routedTo: "ops" }),
    tools: NAMES.map(decide),
    commands: {
      mode: isOperator ? "ask" : "auto",
      rule: isOperator ? 'tools.exec.mode "ask"' : 'the default mode "auto"',
      host: isOperator ? "auto" : "sandbox",
      hostRule: isOperator ? "the default host" : "people on channels are in the sandbox",
      alwaysAsk: false,
      readOnly: !isOperator,
    },
  };
}

/** A person is not paired; a room is answered. */
function explainRoute({ channel, account, peer, group }: Params): unknown {
  const isRoom = group === true;
  const access = isRoom ? { action: "answer", detail: "the room is allowed" } : { action: "drop", detail: "the sender is not paired" };
  return {
    access,
    route: isRoom ? { agentId: "main" } : null,
    lines: [
      `message    ${String(channel)}/${String(account)}, ${isRoom ? "group" : "direct"} ${JSON.stringify(peer)}`,
      `policy     ${isRoom ? "groupPolicy allowlist" : "dmPolicy pairing"}`,
      `admission  ${access.action}: ${access.detail}`,
    ],
  };
}
