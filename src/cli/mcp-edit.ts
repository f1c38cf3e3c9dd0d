import { CliError, EXIT } from "../core/errors.ts";
import { isObject, tryParseJson } from "../core/json.ts";
import type { CommandHandler } from "./command.ts";
import { applyConfigEdit, refuseUnknownKeys } from "./config-edit.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownServer, unknownNameError } from "./known-names.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Server = Readonly<Record<string, unknown>>;

const usageError = (what: string, why: string, fix: string): CliError => new CliError(what, { why, fix, exit: EXIT.usage });

function requireName(invocation: Invocation): string {
  const name = invocation.arg(0);
  if (/^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$/.test(name)) return name;
  throw usageError(
    `"${sanitizeLine(name)}" cannot be the name of a server`,
    "names have letters and digits, with single dots, - and _ between them.",
    "openclaw mcp add my-server -- <program>",
  );
}

/** `openclaw mcp add <name>` */
export const mcpAdd: CommandHandler = async (given) => {
  // Here --url is the server's; the gateway's own address comes from the files or the environment.
  const invocation = given.clearFlag("url");
  const name = requireName(invocation);
  const server = serverOf(given);
  await save(invocation, name, server, (known) => {
    if (known === undefined) return;
    throw new CliError(`there is a server ${name} already`, {
      why: "nothing was changed.",
      fix: `openclaw mcp set ${name} <json> replaces it; openclaw mcp unset ${name} removes it.`,
    });
  });
};

/** `openclaw mcp set <name> <json>` */
export const mcpSet: CommandHandler = async (invocation) => {
  const name = requireName(invocation);
  const server = tryParseJson(invocation.arg(1));
  if (!isObject(server))
    throw usageError("the second argument is not a JSON object", "a server is an object.", `openclaw mcp set ${name} '{"command":"npx"}'`);
  const { type, ...rest } = server;
  await save(invocation, name, type === "http" && rest["transport"] === undefined ? { ...rest, transport: "streamable-http" } : server);
};

/** The server that the flags describe. */
function serverOf(invocation: Invocation): Server {
  const [, ...words] = invocation.args;
  const program = invocation.text("command") ?? words.shift();
  const url = invocation.text("url");
  if ((program === undefined) === (url === undefined))
    throw usageError(
      program === undefined ? "neither a program nor an address is given" : "a program and an address are given",
      "a server is one of them.",
      "openclaw mcp add memory -- npx -y @modelcontextprotocol/server-memory, or --url https://mcp.example.com/mcp",
    );
  const [env, headers] = [pairsOf(invocation, "env"), pairsOf(invocation, "header")];
  const args = [...invocation.list("arg"), ...words];
  const toolFilter = filterOf(invocation);
  const named = {
    command: program,
    cwd: invocation.text("cwd"),
    url,
    transport: invocation.text("transport"),
    auth: invocation.text("auth"),
  };
  return {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...(args.length > 0 && { args }),
    ...(env && { env }),
    ...(headers && { headers }),
    ...(toolFilter && { toolFilter }),
  };
}

/** Pairs of a flag; null without any. */
function pairsOf(invocation: Invocation, flag: string): Server | null {
  const pairs = invocation.list(flag).map((text) => {
    const at = text.indexOf("=");
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)] as const;
    throw usageError(
      `--${flag} ${sanitizeLine(text.slice(0, 20))} has no value`,
      "the format is name=value.",
      `for example --${flag} NAME=value`,
    );
  });
  return pairs.length > 0 ? Object.fromEntries(pairs) : null;
}

/** The filter of the flags; null without any. */
function filterOf(invocation: Invocation): Server | null {
  const filters = ["include", "exclude"].flatMap((flag) => {
    const names = (invocation.text(flag) ?? "")
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
    return names.length > 0 ? [[flag, names] as const] : [];
  });
  return filters.length > 0 ? Object.fromEntries(filters) : null;
}

/** `check` sees what was there, in the file that is changed. */
async function save(invocation: Invocation, name: string, server: Server, check: (known: unknown) => void = () => {}): Promise<void> {
  const { out } = invocation;
  const path = ["mcp", "servers", name];
  refuseUnknownKeys(invocation, (edit) => edit.set(path, server));
  const where = await applyConfigEdit(invocation, (edit) => {
    check(edit.get(path));
    edit.set(path, server);
  });
  out.result({ ok: true, name, where }, () => {
    out.line(sanitizeLine(`Saved the server ${name} in ${where}.`));
    if (server["auth"] === "oauth") out.note(`Sign in with: openclaw mcp login ${name}`);
    else out.note(`Check it with: openclaw mcp probe ${name}`);
  });
}

/** `openclaw mcp unset <name>` */
export const mcpUnset: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = requireKnownServer(invocation, invocation.arg(0))!;
  const where = await applyConfigEdit(invocation, (edit) => {
    const servers = edit.get(["mcp", "servers"]);
    if (!isObject(servers) || !Object.hasOwn(servers, name))
      throw unknownNameError("server", name, Object.keys(isObject(servers) ? servers : {}), "openclaw mcp list", EXIT.failure);
    edit.unset(["mcp", "servers", name]);
  });
  out.result({ ok: true, name, where }, () => out.line(sanitizeLine(`Removed the server ${name} from ${where}.`)));
};

/** `openclaw mcp tools <name>` with --include, --exclude or --clear. */
export async function setToolFilter(invocation: Invocation, name: string): Promise<void> {
  const { out } = invocation;
  const filter = filterOf(invocation);
  if (filter && invocation.has("clear"))
    throw usageError("--clear takes no other filter", "it removes the filter.", `openclaw mcp tools ${name} --clear`);
  const path = ["mcp", "servers", name, "toolFilter"];
  const where = await applyConfigEdit(invocation, (edit) => {
    if (filter) edit.set(path, filter);
    else edit.unset(path);
  });
  out.result({ ok: true, name, toolFilter: filter ?? {}, where }, () => {
    out.line(sanitizeLine(filter ? `Saved the filter of ${name} in ${where}.` : `Removed the filter of ${name} from ${where}.`));
    out.note(`Which tools agents are given now: openclaw mcp tools ${name}`);
  });
}
