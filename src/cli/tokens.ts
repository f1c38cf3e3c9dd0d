import { readFileSync } from "node:fs";
import { CliError, EXIT } from "../core/errors.ts";
import { parseDurationMs } from "../config/quantity.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, withGateway } from "./connect.ts";
import { unknownNameError } from "./known-names.ts";
import { configOf, pathsOf, tokenPath } from "./gateway-target.ts";
import { sanitizeLine, formatAge } from "./terminal-text.ts";

type TokenRow = { id: string; name: string; scopes?: string[]; createdAt?: number; expiresAt?: number | null; lastUsedAt?: number | null };
type Created = TokenRow & { token?: string };

/** `openclaw tokens list` */
export const tokensList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const answer = await callGateway<{ tokens: TokenRow[] }>(invocation, ["operator.admin"], "tokens.list");
  out.result(answer, () => {
    if (answer.tokens.length === 0) return out.line("No named tokens. Create one: openclaw tokens create <name> --scope operator.read");
    const rows = answer.tokens.map((each) => [
      each.name,
      each.id,
      (each.scopes ?? []).join(" ") || "-",
      each.expiresAt ? formatAge(each.expiresAt, host.now()) : "never",
      formatAge(each.lastUsedAt, host.now()),
    ]);
    out.table(
      [
        { title: "name" },
        { title: "id", truncate: true },
        { title: "scopes", truncate: true },
        { title: "expires" },
        { title: "last used", align: "right" },
      ],
      rows,
    );
  });
};

/** `openclaw tokens create <name>` */
export const tokensCreate: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.arg(0);
  const expires = invocation.text("expires") ?? "90d";
  const never = expires === "never";
  const expiresInMs = never ? null : parseDurationMs(expires, "d");
  if (expiresInMs === null && !never)
    throw new CliError(`--expires ${sanitizeLine(expires)} is not a duration`, {
      why: "the format is a number with s, m, h or d.",
      fix: "write it like 90d, 12h or never.",
      exit: EXIT.usage,
    });
  const scopes = invocation.has("scope") ? invocation.list("scope") : ["operator.read"];
  const answer = await callGateway<Created>(invocation, ["operator.admin"], "tokens.create", {
    name,
    scopes,
    expiresInMs,
  });
  out.result(answer, () => {
    out.note(`Token "${sanitizeLine(name)}" with ${scopes.join(", ")}. Copy it now; it won't be shown again:`);
    out.line(answer.token ?? "-");
  });
};

/** `openclaw tokens revoke <token>`: by name or id. */
export const tokensRevoke: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const wanted = invocation.arg(0);
  const { token, result } = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const { tokens } = await client.request<{ tokens: TokenRow[] }>("tokens.list");
    const byId = tokens.filter((each) => each.id === wanted);
    const named = byId.length > 0 ? byId : tokens.filter((each) => each.name === wanted);
    const [token] = named;
    const names = tokens.map((each) => each.name);
    if (!token) throw unknownNameError("token", wanted, names, "openclaw tokens list", EXIT.failure);
    if (named.length > 1)
      throw new CliError(`${named.length} tokens are named ${sanitizeLine(wanted)}`, {
        why: "the name is ambiguous.",
        fix: `use an id: ${named.map((each) => `openclaw tokens revoke ${sanitizeLine(each.id)}`).join(", or ")}`,
        exit: EXIT.usage,
      });
    return { token, result: await client.request("tokens.revoke", { id: token.id }) };
  });
  out.result(result, () => out.line(`Token "${sanitizeLine(token.name)}" revoked; its connections are closed.`));
};

/** `openclaw token`: the one command that prints the gateway's own token. */
export const token: CommandHandler = (invocation) => {
  const { out } = invocation;
  const paths = pathsOf(invocation);
  const { auth } = configOf(invocation).config.gateway;
  if (auth.mode === "none" || auth.mode === "password" || auth.mode === "trusted-proxy") {
    throw new CliError("this gateway does not use a token", {
      why: `gateway.auth.mode is ${auth.mode}.`,
      fix: "openclaw tokens create <name> creates a named token for a service.",
    });
  }
  const found = auth.token?.reveal() ?? readToken(tokenPath(paths));
  if (!found)
    throw new CliError("no token yet", {
      why: "the gateway creates one at its first start.",
      fix: "start it: openclaw gateway",
    });
  out.result({ token: found, source: auth.token ? paths.config : tokenPath(paths) }, () => out.line(found));
};

function readToken(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim() || null;
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    if (code !== "EACCES") throw err;
    throw new CliError(`${path} cannot be read`, {
      why: "it belongs to another user.",
      fix: "run this as the user that runs the gateway.",
      exit: EXIT.noPermission,
      cause: err,
    });
  }
}
