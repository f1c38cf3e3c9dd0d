import { CliError, EXIT } from "../core/errors.ts";
import { openReadonlyStore } from "../store/open-readonly.ts";
import type { ProtocolClient } from "../client/client.ts";
import type { CommandHandler } from "./command.ts";
import { gatewayOrFiles, withGateway } from "./connect.ts";
import { channelLabel } from "./channel-name.ts";
import { requireKnownAccount, requireKnownChannel } from "./known-names.ts";
import type { Invocation } from "./invocation.ts";
import { pathsOf } from "./gateway-target.ts";
import { sanitizeLine, formatAge } from "./terminal-text.ts";

type Request = {
  requestId?: string;
  id?: string;
  code?: string;
  channel: string;
  accountId?: string;
  account?: string;
  senderId?: string;
  sender?: string;
  senderName?: string | null;
  senderLabel?: string;
  name?: string | null;
  /** ISO text over the wire, ms from the store. */
  createdAt?: number | string;
  createdAtMs?: number;
  expiresAt?: number;
  expiresAtMs?: number;
};
type PairingList = { requests: Request[]; source?: string };

const toMs = (at: number | string | undefined): number | undefined => (typeof at === "string" ? Date.parse(at) : at);
const pairingCodeOf = (request: Request): string => request.code ?? request.requestId ?? request.id ?? "-";

/** `openclaw pairing list` */
export const pairingList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const channel = invocation.args[0] === undefined ? undefined : requireKnownChannel(invocation, invocation.args[0]);
  const answer = await gatewayOrFiles<PairingList>(
    invocation,
    ["operator.pairing"],
    ({ client }) => client.request("channels.pairing.list", channel ? { channel } : {}),
    () => pairingFromFiles(invocation, channel),
  );
  out.result(answer, () => {
    const [first] = answer.requests;
    if (!first) return out.line("No pending requests.");
    const rows = answer.requests.map((request) => [
      pairingCodeOf(request),
      request.channel,
      request.accountId ?? request.account ?? "-",
      request.senderId ?? request.sender ?? "-",
      request.senderName ?? request.senderLabel ?? request.name ?? "-",
      formatAge(request.createdAtMs ?? toMs(request.createdAt), host.now()),
    ]);
    out.table(
      [
        { title: "code" },
        { title: "channel" },
        { title: "account" },
        { title: "sender", truncate: true },
        { title: "name", truncate: true },
        { title: "requested", align: "right" },
      ],
      rows,
    );
    out.note(`Approve with: openclaw pairing approve ${sanitizeLine(first.channel)} ${sanitizeLine(pairingCodeOf(first))}`);
  });
};

function pairingFromFiles(invocation: Invocation, channel: string | undefined): PairingList {
  const store = openReadonlyStore(pathsOf(invocation).gateway);
  if (!store) return { source: "files", requests: [] };
  try {
    const rows = store.all<Request & { created_at: number; expires_at: number }>(
      "SELECT code, channel, account, sender, name, created_at, expires_at FROM pairing_requests WHERE expires_at > ? ORDER BY created_at",
      invocation.host.now(),
    );
    const wanted = rows.filter((row) => channel === undefined || row.channel === channel);
    return {
      source: "files",
      requests: wanted.map(({ created_at, expires_at, ...row }) => ({ ...row, createdAt: created_at, expiresAt: expires_at })),
    };
  } finally {
    store.close();
  }
}

/** `openclaw pairing approve <channel> <code>` */
export const pairingApprove: CommandHandler = (invocation) =>
  answer(invocation, "channels.pairing.approve", (who, channel) => `Approved: ${who} can now message the bot on ${channelLabel(channel)}.`);

/** `openclaw pairing dismiss <channel> <code>` */
export const pairingDismiss: CommandHandler = (invocation) =>
  answer(invocation, "channels.pairing.dismiss", (who, channel) => `Dismissed the request of ${who} on ${channelLabel(channel)}.`);

async function answer(invocation: Invocation, method: string, outcome: (who: string, channel: string) => string): Promise<void> {
  const { out } = invocation;
  const channel = requireKnownChannel(invocation, invocation.arg(0));
  const account = requireKnownAccount(invocation, channel, invocation.text("account"));
  const { request, result } = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const request = await findRequest(client, channel, account, invocation.arg(1));
    const params = {
      channel: request.channel,
      accountId: request.accountId ?? request.account ?? "default",
      requestId: request.requestId ?? request.id ?? pairingCodeOf(request),
    };
    return { request, result: await client.request(method, { ...params, ...(invocation.has("notify") && { notify: true }) }) };
  });
  const who = sanitizeLine(
    request.senderName ?? request.senderLabel ?? request.name ?? request.senderId ?? request.sender ?? pairingCodeOf(request),
  );
  out.result(result, () => out.line(outcome(who, sanitizeLine(request.channel))));
}

/** Codes are typed from a screen: case and dashes do not matter. */
const formatRequest = (text: string): string => text.toUpperCase().replaceAll(/[^A-Z0-9]/g, "");

/** The request with the code, in any case and with or without dashes; or with the id. */
async function findRequest(client: ProtocolClient, channel: string, account: string | undefined, code: string): Promise<Request> {
  const { requests } = await client.request<PairingList>("channels.pairing.list", { channel, ...(account && { accountId: account }) });
  const found = requests.find((each) =>
    [each.code, each.requestId, each.id].some((text) => text !== undefined && formatRequest(text) === formatRequest(code)),
  );
  if (found) return found;
  throw new CliError(`No pending request with code ${sanitizeLine(code)} on ${sanitizeLine(channel)}`, {
    why:
      requests.length === 0
        ? "there are none for that channel; codes expire after an hour."
        : `${requests.length} other ${requests.length === 1 ? "request is" : "requests are"} pending there.`,
    fix: "openclaw pairing list",
    exit: EXIT.failure,
  });
}
