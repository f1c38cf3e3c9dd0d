import { channelSchemas } from "../channels/registry.ts";
import { KEY_VARIABLES } from "../core/provider-keys.ts";
import { agentIds, isLinkedAgent } from "./agents.ts";
import { heartbeatInterval } from "./heartbeat.ts";
import type { IssueCollector } from "./issue.ts";
import { memberOf, type Tree } from "./json5.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import type { Config } from "./schema.ts";

/** Warns about keys that are valid alone but contradict each other. The modules that use them decide what happens then. */
export function checkConsistency(config: Config, tree: Tree, findings: IssueCollector): void {
  const warn = (path: KeyPath, problem: string, fix: string, suggestion?: string): void => {
    findings.add("warning", path, offsetOf(tree, path), () => ({ message: `${formatPath(path)} ${problem}`, fix, suggestion }));
  };
  checkGateway(config, warn);
  const { reset } = config.session;
  if (reset.mode === "idle" && reset.idleMinutes === undefined)
    warn(
      ["session", "reset", "mode"],
      'is "idle", but session.reset.idleMinutes is not set: sessions are not reset',
      "set session.reset.idleMinutes",
    );
  checkAgents(config, tree, warn, findings);
  checkTools(config, warn);
  checkMcpServers(config, warn);
  checkChannels(config, warn);
  checkProviders(config, warn);
  checkBudgets(config, warn, tree, findings);
  checkHeartbeats(config, warn);
  checkHooks(config, warn);
}

/** Hooks that take nothing, or that the token of the gateway would open. */
function checkHooks({ hooks, gateway }: Config, warn: WarnFunction): void {
  if (!hooks.enabled) return;
  const unsigned =
    hooks.mappings.some(({ signature }) => signature === undefined) ||
    hooks.presets.some((preset) => !Object.hasOwn(hooks.signatures, preset));
  if (hooks.token === undefined)
    warn(
      ["hooks", "token"],
      `is not set: ${unsigned || Object.keys(hooks.signatures).length === 0 ? "hooks without a signature take nothing" : "/hooks/wake and /hooks/agent take nothing"}`,
      "set it: openclaw config set hooks.token <a long random text>",
    );
  else if (hooks.token.reveal().length < 16) warn(["hooks", "token"], "is short enough to be guessed", "use at least 16 random characters");
  const own = [gateway.auth.token, gateway.auth.password].some(
    (secret) => secret !== undefined && secret.reveal() === hooks.token?.reveal(),
  );
  if (own) warn(["hooks", "token"], "is the credential of the gateway: anyone who may call a hook is an operator", "use another one");
  if (hooks.allowRequestSessionKey && hooks.allowedSessionKeyPrefixes.length === 0)
    warn(["hooks", "allowRequestSessionKey"], "has no effect without hooks.allowedSessionKeyPrefixes", 'set it, for example to ["hook:"]');
  for (const [index, { signature, transform, match, forEach }] of hooks.mappings.entries()) {
    const at = ["hooks", "mappings", index];
    if (match?.path === undefined) warn(at, "has no match.path: it takes nothing", "set match.path");
    if (transform !== undefined && forEach !== undefined)
      warn([...at, "transform"], "and forEach cannot be used together: the hook takes nothing", "let the transform write one message");
    if (signature !== undefined && !Object.hasOwn(hooks.signatures, signature))
      warn(
        [...at, "signature"],
        `names "${signature}", which is not in hooks.signatures: the hook takes nothing`,
        "add it to hooks.signatures",
      );
  }
}

/** Heartbeats that are off although an interval is written down, or whose answers have no place. */
function checkHeartbeats({ agents }: Config, warn: WarnFunction): void {
  const { defaults } = agents;
  const own = Object.entries(agents.entries).map(([id, entry]) => [["agents", "entries", id, "heartbeat"], entry.heartbeat] as const);
  for (const [path, heartbeat] of [[["agents", "defaults", "heartbeat"], defaults.heartbeat] as const, ...own]) {
    if (heartbeat === undefined) continue;
    const { every, target, to, activeHours } = heartbeat;
    if (every !== undefined && heartbeatInterval(every) === null && !/^\s*0/.test(every))
      warn([...path, "every"], `is ${JSON.stringify(every)}, which is less than a minute: heartbeats are off`, "set at least 1m");
    const isChannel = target !== undefined && !["last", "owner", "none"].includes(target);
    if (isChannel && to === undefined)
      warn(
        [...path, "target"],
        `is the channel ${target}, but ${formatPath([...path, "to"])} is not set: answers stay in the session`,
        "set to",
      );
    if (!isChannel && to !== undefined)
      warn([...path, "to"], "has an effect only beside a channel in target", "name the channel in target");
    if (activeHours !== undefined && activeHours.start === activeHours.end)
      warn([...path, "activeHours"], "begins when it ends, so heartbeats are due all day", "delete it, or set another end");
  }
  const id = defaults.heartbeat?.agentId;
  if (id !== undefined && Object.keys(agents.entries).length > 0 && !Object.hasOwn(agents.entries, id.toLowerCase()))
    warn(
      ["agents", "defaults", "heartbeat", "agentId"],
      `names the agent "${id}", which does not exist: heartbeats are off`,
      "name another one",
    );
}

/** Budgets without a limit, and those that limit nothing or something else than what was meant. */
function checkBudgets(config: Config, warn: WarnFunction, tree: Tree, findings: IssueCollector): void {
  const names = new Set<string>();
  for (const [index, { name, agent, sender, tokens, usd, callsPerMinute, similarPerHour }] of config.budgets.entries()) {
    const at = ["budgets", index];
    if ([tokens, usd, callsPerMinute, similarPerHour].every((limit) => limit === undefined))
      findings.add("error", at, offsetOf(tree, at), {
        message: `${formatPath(at)} has no limit: what it is about is refused, because a limit was meant`,
        fix: "set tokens, usd, callsPerMinute or similarPerHour, or delete it",
      });
    if (names.has(name)) warn([...at, "name"], `${JSON.stringify(name)} names another budget too`, "give it a name of its own");
    names.add(name);
    if (agent !== undefined && !agentIds(config).some((id) => id === agent))
      warn(
        [...at, "agent"],
        `${JSON.stringify(agent)} names no agent, so the budget limits nothing`,
        "use the id of an agent (openclaw agents list)",
      );
    if (sender !== undefined && !/^[^:]+:./.test(sender))
      warn([...at, "sender"], "does not name a channel, so the budget limits nothing", "write it as channel:id, such as telegram:4711");
  }
}

/** A provider whose models the runtime does not know answers nothing until they are listed. */
function checkProviders({ models }: Config, warn: WarnFunction): void {
  for (const [id, { baseUrl, api, models: listed }] of Object.entries(models.providers)) {
    if (listed.length > 0) continue;
    const at = ["models", "providers", id];
    const fix = `list them: openclaw config set ${formatPath([...at, "models"])} '[{ id: "<model>" }]'`;
    if (!Object.hasOwn(KEY_VARIABLES, id)) {
      if (baseUrl !== undefined) warn(at, "lists no models, so it cannot answer", fix);
    } else if (api !== undefined) warn([...at, "api"], "has no effect while the provider lists no models", fix);
  }
}

type WarnFunction = (path: KeyPath, problem: string, fix: string, suggestion?: string) => void;

/** The offset of `path`, or of its longest prefix in the file. */
function offsetOf(tree: Tree, path: KeyPath): number | null {
  let at: Tree = tree;
  let offset: number | null = null;
  for (const step of path) {
    const member = memberOf(at, String(step));
    const next: Tree | undefined = at.kind === "array" ? at.items[Number(step)] : member?.value;
    if (next === undefined) break;
    offset = member ? member.keyStart : next.start;
    at = next;
  }
  return offset;
}

function checkGateway({ gateway }: Config, warn: WarnFunction): void {
  const { auth } = gateway;
  if (gateway.bind === "custom" && gateway.customBindHost === undefined) {
    warn(
      ["gateway", "bind"],
      'is "custom", but gateway.customBindHost is not set',
      "set gateway.customBindHost to an address of this machine",
    );
  }
  if (auth.mode === "password" && auth.password === undefined) {
    warn(["gateway", "auth", "mode"], 'is "password", but gateway.auth.password is not set', "set gateway.auth.password");
  }
  if (auth.mode === "none" && gateway.bind !== "loopback") {
    warn(["gateway", "auth", "mode"], `is "none", which is possible only with gateway.bind "loopback"`, 'use "token"');
  }
  if (auth.mode !== "trusted-proxy") return;
  if (auth.trustedProxy === undefined) {
    warn(
      ["gateway", "auth", "mode"],
      'is "trusted-proxy", but gateway.auth.trustedProxy is not set',
      "set gateway.auth.trustedProxy.userHeader",
    );
  }
  if (gateway.trustedProxies.length === 0) {
    warn(["gateway", "auth", "mode"], 'is "trusted-proxy", but gateway.trustedProxies is empty', "list the addresses of the proxy");
  }
}

function checkAgents(config: Config, tree: Tree, warn: WarnFunction, findings: IssueCollector): void {
  const ids: readonly string[] = agentIds(config);
  const marked = ids.filter((id) => config.agents.entries[id]?.default === true);
  if (marked.length > 1) {
    warn(["agents", "entries", marked[1]!, "default"], `is set, but "${marked[0]}" is the default agent already`, "mark one agent only");
  }
  const bindings = memberOf(tree, "bindings")?.value;
  for (const [index, binding] of bindings?.kind === "array" ? bindings.items.entries() : []) {
    const value = memberOf(binding, "agentId")?.value;
    const agentId = value?.kind === "scalar" && typeof value.value === "string" ? value.value : "";
    if (agentId === "" || agentId.includes("${") || ids.includes(agentId.toLowerCase()) || isLinkedAgent(config, agentId)) continue;
    const near = findings.suggest(agentId, ids);
    const hint = near ? `; did you mean "${near}"?` : "";
    warn(
      ["bindings", index, "agentId"],
      `names the agent "${agentId}", which does not exist${hint}`,
      "add the agent, or name another one",
      near,
    );
  }
}

function checkTools({ tools, agents }: Config, warn: WarnFunction): void {
  const own = Object.entries(agents.entries).map(([id, entry]) => [["agents", "entries", id, "tools"], entry.tools] as const);
  for (const [path, policy] of [[["tools"], tools] as const, ...own]) {
    if (policy?.exec?.applyPatch?.workspaceOnly !== false) continue;
    const fix = "delete it; agents use write and edit in the directories of tools.fs";
    warn([...path, "exec", "applyPatch", "workspaceOnly"], "is false, which has no effect: apply_patch works only in the workspace", fix);
  }
}

/** A server is a program or an address. */
function checkMcpServers({ mcp }: Config, warn: WarnFunction): void {
  for (const [name, { command, url, transport }] of Object.entries(mcp.servers)) {
    const at = ["mcp", "servers", name];
    const isHttp = transport === "sse" || transport === "streamable-http";
    if (command === undefined && url === undefined) warn(at, "has neither a command nor a url: it cannot be used", "set one of them");
    else if (command !== undefined && url !== undefined)
      warn(at, `has a command and a url: only the ${isHttp ? "url" : "command"} is used`, "delete one of them");
    else if (isHttp && url === undefined) warn([...at, "transport"], `is "${transport}", which needs a url`, "delete it");
    else if (transport === "stdio" && command === undefined) warn([...at, "transport"], 'is "stdio", which needs a command', "delete it");
  }
}

type AccountAccess = { readonly dmPolicy?: string | undefined; readonly allowFrom?: readonly string[] | undefined };
type ChannelAccess = AccountAccess & {
  readonly accounts: Readonly<Record<string, AccountAccess>>;
  readonly defaultAccount?: string | undefined;
};

/** The keys that the blocks of all channels share. */
function checkChannels({ channels }: Config, warn: WarnFunction): void {
  for (const id of Object.keys(channelSchemas) as (keyof typeof channelSchemas)[]) {
    const channel: ChannelAccess | undefined = channels[id];
    if (channel !== undefined) checkChannel(id, channel, warn);
  }
}

function checkChannel(id: string, channel: ChannelAccess, warn: WarnFunction): void {
  const { accounts, defaultAccount } = channel;
  if (defaultAccount !== undefined && defaultAccount !== "default" && !Object.hasOwn(accounts, defaultAccount)) {
    warn(
      ["channels", id, "defaultAccount"],
      `names the account "${defaultAccount}", which does not exist`,
      `name one of channels.${id}.accounts`,
    );
  }
  const all = [[[], channel] as const, ...Object.entries(accounts).map(([name, one]) => [["accounts", name], one] as const)];
  for (const [path, account] of all) {
    const people = account.allowFrom ?? channel.allowFrom ?? [];
    const at = ["channels", id, ...path, "dmPolicy"];
    if (account.dmPolicy === "allowlist" && people.length === 0)
      warn(at, 'is "allowlist", but allowFrom is empty: no one is answered', "fill allowFrom");
    if (account.dmPolicy === "open" && !people.includes("*")) {
      warn(at, 'is "open", but allowFrom does not have "*": only those listed are answered', 'add "*" to allowFrom');
    }
  }
}
