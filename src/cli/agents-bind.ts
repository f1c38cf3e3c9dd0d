import type { Binding } from "../config/schema.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { applyConfigEdit } from "./config-edit.ts";
import type { CommandHandler } from "./command.ts";
import { requireKnownAccount, requireKnownChannel, unknownNameError } from "./known-names.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine, plural } from "./terminal-text.ts";

type Match = Record<string, unknown>;

/** A rule as a line: "irc, account work, group #team". */
export function bindingText({ match }: Pick<Binding, "match">): string {
  const { channel, accountId, peer, guildId, teamId, roles } = match as Match & { peer?: { kind: string; id: string | number } };
  const parts = [String(channel)];
  if (accountId) parts.push(accountId === "*" ? "every account" : `account ${String(accountId)}`);
  if (peer) parts.push(`${peer.kind} ${peer.id}`);
  if (guildId) parts.push(`guild ${String(guildId)}`);
  if (Array.isArray(roles) && roles.length > 0) parts.push(`role ${roles.join(" or ")}`);
  if (teamId) parts.push(`team ${String(teamId)}`);
  return parts.join(", ");
}

function matchOf(invocation: Invocation): Match {
  const peer = invocation.text("peer");
  const roles = invocation.list("role");
  const channel = invocation.text("channel");
  const known = channel === undefined ? undefined : requireKnownChannel(invocation, channel);
  const account = invocation.text("account");
  const named: Match = {
    channel: known,
    accountId: known === undefined ? account : requireKnownAccount(invocation, known, account),
    guildId: invocation.text("guild"),
    teamId: invocation.text("team"),
  };
  return {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...(peer !== undefined && { peer: parsePeer(peer) }),
    ...(roles.length > 0 && { roles }),
  };
}

function parsePeer(text: string): { kind: string; id: string } {
  const [, kind, id] = /^(direct|group|channel):(.+)$/.exec(text) ?? [];
  if (kind && id) return { kind, id };
  throw new CliError(`--peer ${sanitizeLine(text)} is not a chat`, {
    why: "the format is kind:id.",
    fix: "for example --peer direct:alice, --peer group:1234 or --peer channel:#team",
    exit: EXIT.usage,
  });
}

const sortedJson = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).toSorted()) : inner,
  );

/** `openclaw agents bind <id>` */
export const agentsBind: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const agentId = invocation.arg(0).toLowerCase();
  const match = matchOf(invocation);
  if (!match["channel"])
    throw new CliError("--channel is missing", {
      why: "a binding needs a channel.",
      fix: `openclaw agents bind ${sanitizeLine(agentId)} --channel irc`,
      exit: EXIT.usage,
    });
  let isNew = true;
  const where = await applyConfigEdit(invocation, (edit) => {
    requireAgent(agentId, edit.get(["agents", "entries"]), edit.get(["agents", "list"]));
    const bindings = listOf(edit.get("bindings"));
    const same = bindings.find((each) => sortedJson(each.match) === sortedJson(match));
    if (same && same.agentId.toLowerCase() !== agentId) {
      throw new CliError(`${bindingText({ match } as Binding)} already goes to agent ${sanitizeLine(same.agentId)}`, {
        why: "two bindings cannot have the same match.",
        fix: `first: openclaw agents unbind ${sanitizeLine(same.agentId)} --channel ${String(match["channel"])}`,
      });
    }
    isNew = same === undefined;
    if (isNew) edit.set(["bindings", bindings.length], { agentId, match });
  });
  out.result({ ok: true, agentId, match, added: isNew, where }, () =>
    out.line(
      `Messages from ${bindingText({ match } as Binding)} ${isNew ? "now" : "already"} go to agent ${sanitizeLine(agentId)} (${where}).`,
    ),
  );
};

const listOf = (value: unknown): Binding[] => (Array.isArray(value) ? (value as Binding[]) : []);

/** In the text that is edited: it may be that of a gateway elsewhere. */
function requireAgent(agentId: string, entries: unknown, list: unknown): void {
  const ids = [
    ...(typeof entries === "object" && entries !== null ? Object.keys(entries) : []),
    ...(Array.isArray(list) ? (list as { id?: string }[]).map((each) => each.id ?? "") : []),
  ].map((id) => id.toLowerCase());
  if (ids.includes(agentId) || (ids.length === 0 && agentId === "main")) return;
  throw unknownNameError("agent", agentId, ids.length > 0 ? ids : ["main"], `openclaw agents add ${sanitizeLine(agentId)}`);
}

/** `openclaw agents unbind <id>` */
export const agentsUnbind: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const agentId = invocation.arg(0).toLowerCase();
  const match = matchOf(invocation);
  if (Object.keys(match).length === 0 && !invocation.has("all")) {
    throw new CliError("no bindings selected", {
      why: "no flag says which bindings to remove.",
      fix: `openclaw agents list --bindings shows them; --all removes every binding of ${sanitizeLine(agentId)}.`,
      exit: EXIT.usage,
    });
  }
  let removed: Binding[] = [];
  const where = await applyConfigEdit(invocation, (edit) => {
    const bindings = listOf(edit.get("bindings"));
    removed = bindings.filter(
      (each) =>
        each.agentId.toLowerCase() === agentId &&
        Object.entries(match).every(([key, value]) => sortedJson((each.match as Match)[key]) === sortedJson(value)),
    );
    // From the end, so that the positions of the others stay.
    for (const each of removed.toReversed()) edit.unset(["bindings", bindings.indexOf(each)]);
  });
  if (removed.length === 0)
    throw new CliError(`No such binding for agent ${sanitizeLine(agentId)}`, { fix: "openclaw agents list --bindings" });
  out.result({ ok: true, agentId, removed: removed.map((each) => each.match), where }, () => {
    out.line(`Removed ${plural(removed.length, "binding")} from ${where}:`);
    for (const each of removed) out.line(`  ${sanitizeLine(bindingText(each))}`);
  });
};
