import type { ChannelCapabilities, Link, ReplyTarget } from "../channels/channel.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type ChannelId, type MessageId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { KeyValueStore } from "../store/key-value.ts";
import type { Outbox, OutboxPart } from "../store/outbox.ts";
import { conversationOf, type OutboundDeps } from "../turns/outbound.ts";
import { requireSession, resolveKey, type ChatDeps } from "./chat-context.ts";
import { runAction, type ActionContext } from "./message-action.ts";
import { createIdempotency } from "./idempotency.ts";
import { hasMedia, storeMedia, type MediaDeps, type MediaParams } from "./send-media.ts";

type SendParams = MethodParams<"send">;
type ActionParams = MethodParams<"message.action">;

export type SendDeps = ChatDeps & {
  /** Resolves when every part of the intent is settled, or after `timeoutMs`. */
  waitUntilSettled: (intentId: string, timeoutMs: number) => Promise<readonly OutboxPart[]>;
  /** The channel that is meant when none is named; null when there is not exactly one. */
  onlyChannel: () => string | null;
  link: (channel: ChannelId, account: AccountId) => Link | null;
  abilities: (channel: string) => ChannelCapabilities | null;
  keyValue: KeyValueStore;
  outbox: Outbox;
  split: OutboundDeps["split"];
  /** Called when parts for a conversation have been stored. */
  deliver: (conversation: string) => void;
  /** Where the files of a message may come from; the workspace is that of the agent, or of the default one. */
  mediaFor: (agentId: string | undefined) => MediaDeps;
};

/** How long a caller of `send` waits for the platform; the message stays in the outbox beyond it. */
const WAIT_MS = 10_000;

/** send, poll and message.action: what an operator does on a channel directly. Messages go through the outbox, like every reply. */
export function sendMethods(deps: SendDeps) {
  const once = createIdempotency({
    name: "message-actions",
    limit: LIMITS.messageActionsCached,
    keyValue: deps.keyValue,
    write: (change) => deps.store.write(change),
    now: deps.clock.now,
  });
  const act = (action: string, request: Omit<ActionParams, "action">): Promise<unknown> => {
    const { channel, params, idempotencyKey } = request;
    const context = contextOf(deps, request);
    const run = (): Promise<unknown> => runAction(channel, action, params, context);
    // The outbox knows its keys itself, and goes on with what it has.
    return SEND_ACTIONS.has(action) ? run() : once(`${channel} ${action} ${idempotencyKey}`, run);
  };
  return {
    send: { scope: "operator.write", maxBytes: LIMITS.attachmentRequestBytes, run: (params) => send(deps, params) },
    "message.action": {
      maxBytes: LIMITS.attachmentRequestBytes,
      scope: "operator.write",
      run: (params) => act(params.action, params),
    },
    poll: {
      scope: "operator.write",
      run: (params) => {
        const { channel, accountId, idempotencyKey, to, question, options, maxSelections, threadId } = params;
        return act("poll", {
          channel: channelOf(deps, channel),
          params: { to, question, options, maxSelections, threadId },
          idempotencyKey,
          ...(accountId === undefined ? {} : { accountId }),
        });
      },
    },
  } satisfies MethodTable;
}

const SEND_ACTIONS = new Set(["send", "reply", "thread-reply"]);

function channelOf(deps: SendDeps, named: string | undefined): string {
  const channel = named ?? deps.onlyChannel();
  if (channel) return channel;
  throw new GatewayError("INVALID_REQUEST", "it is not clear which channel is meant", {
    fix: "Name one with `channel`; `openclaw channels list` shows them.",
  });
}

/** Does an action where an agent's call has led, with the files of that agent's workspace. */
export function actAt(
  deps: SendDeps,
  target: ReplyTarget,
  { action, params, key, agentId }: { action: string; params: ActionParams["params"]; key: string; agentId: string },
): Promise<unknown> {
  const to = target.chat.id;
  const files = { ...mediaOf(params), agentId };
  return runAction(
    target.channel,
    action,
    { ...params, to },
    {
      link: deps.link(target.channel, target.account),
      abilities: deps.abilities(target.channel),
      target: () => target,
      split: deps.split,
      key,
      send: (where, message) => sendThroughOutbox(deps, where, message, key, to, files),
    },
  );
}

function contextOf(deps: SendDeps, request: Omit<ActionParams, "action">): ActionContext {
  const { channel, params, idempotencyKey: key } = request;
  const named = params["accountId"];
  const account = typeof named === "string" ? named : request.accountId;
  const toTarget = (to: string, thread: string | undefined): ReplyTarget => deps.toTarget(channel, account, to, thread);
  // Every action needs a recipient, and the account follows from it.
  const to = params["to"] ?? params["target"];
  const where = typeof to === "string" ? toTarget(to, undefined) : null;
  return {
    link: where && deps.link(where.channel, where.account),
    abilities: deps.abilities(channel),
    target: toTarget,
    split: deps.split,
    key,
    send: (target, message) => {
      const replyTo = target.replyTo ?? (request.reply && asId<MessageId>(request.reply.replyToId));
      const files = { ...mediaOf(params), ...(request.agentId === undefined ? {} : { agentId: request.agentId }) };
      return sendThroughOutbox(deps, { ...target, ...(replyTo === undefined ? {} : { replyTo }) }, message, key, String(to), files);
    },
  };
}

async function send(deps: SendDeps, params: SendParams): Promise<unknown> {
  const channel = channelOf(deps, params.channel);
  const target = ownTarget(deps, channel, params) ?? deps.toTarget(channel, params.accountId, params.to, params.threadId);
  const replyTo = params.replyToId === undefined ? {} : { replyTo: asId<MessageId>(params.replyToId) };
  return await sendThroughOutbox(deps, { ...target, ...replyTo }, params.message ?? "", params.idempotencyKey, params.to, params);
}

/** The conversation of the named session, when it is what `to` names there: an id alone does not say whether it is a person's or a room's. */
function ownTarget(deps: SendDeps, channel: string, { sessionKey, agentId, accountId, to, threadId }: SendParams): ReplyTarget | null {
  const last = sessionKey === undefined ? null : deps.sessions.lastTarget<ReplyTarget>(resolveKey(deps, sessionKey, agentId).key);
  if (last === null) return null;
  const { replyTo: _replyTo, thread: _thread, ...target } = last;
  if (target.channel !== channel || target.chat.id !== to || (accountId !== undefined && accountId !== target.account)) return null;
  return { ...target, ...(threadId === undefined ? {} : { thread: threadId }) };
}

/** `sessionKey`: the session whose transcript keeps the message. */
type SendExtras = MediaParams & { agentId?: string; sessionKey?: string };

async function sendThroughOutbox(
  deps: SendDeps,
  target: ReplyTarget,
  message: string,
  key: string,
  to: string,
  attached: SendExtras,
): Promise<unknown> {
  const withMedia = hasMedia(attached);
  if (!message.trim() && !withMedia) throw new GatewayError("INVALID_REQUEST", "the message is empty");
  if (withMedia && deps.abilities(target.channel)?.media.out !== true)
    throw detailError("MEDIA_NOT_SUPPORTED", "this channel takes text only");
  const { turns } = deps;
  const intentId = `send:${key}`;
  const isKnown = (): boolean => deps.outbox.byIntent(intentId).length > 0;
  const session =
    attached.sessionKey === undefined ? null : requireSession(deps, resolveKey(deps, attached.sessionKey, attached.agentId).key);
  const media = withMedia && !isKnown() ? await storeMedia(attached, deps.mediaFor(attached.agentId)) : [];
  const mirrored = await deps.store.write(() => {
    if (isKnown()) return null;
    turns.outbound.add({
      id: intentId,
      sessionKey: null,
      target,
      text: message,
      at: deps.clock.now(),
      ...(media.length > 0 ? { media } : {}),
    });
    return session && message.trim()
      ? turns.transcript.addReply({ runId: null, session, text: message, now: deps.clock.now(), origin: "inject" })
      : null;
  });
  if (mirrored) {
    deps.bus.emit("message.added", { message: mirrored });
    deps.bus.emit("session.changed", {
      sessionKey: mirrored.sessionKey,
      reason: "send",
      fields: ["updated_at", "preview", "last_message_at"],
    });
  }
  deps.deliver(conversationOf(target));
  return toReceipt(key, target.channel, to, await deps.waitUntilSettled(intentId, WAIT_MS));
}

/** The files of an action's params, under the names that clients use for them. */
function mediaOf(params: Readonly<Record<string, unknown>>): MediaParams {
  const text = (...names: readonly string[]): string | undefined =>
    names.map((name) => params[name]).find((value): value is string => typeof value === "string" && value !== "");
  const url = text("media", "mediaUrl", "path", "filePath");
  const many = params["mediaUrls"];
  const [buffer, filename, contentType] = [text("buffer"), text("filename"), text("contentType")];
  return {
    ...(url === undefined ? {} : { mediaUrl: url }),
    ...(Array.isArray(many) ? { mediaUrls: many.map(String) } : {}),
    ...(buffer === undefined ? {} : { buffer }),
    ...(filename === undefined ? {} : { filename }),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

/** Throws when the platform refused it permanently; answers `queued` while it waits, so that the client does not send it again. */
function toReceipt(runId: string, channel: string, to: string, parts: readonly OutboxPart[]): unknown {
  const failed = parts.find((part) => part.state === "parked");
  if (failed)
    throw detailError("OUTBOUND_DELIVERY_FAILED", `not sent: ${failed.cause ?? "refused"}`, {
      details: { partKey: failed.partKey },
    });
  const unknown = parts.find((part) => part.state === "unknown");
  if (unknown)
    throw detailError("OUTBOUND_DELIVERY_UNKNOWN", "it is not known whether the message arrived; it was not sent again", {
      details: { partKey: unknown.partKey },
    });
  if (parts.some((part) => part.state === "held"))
    throw detailError("OUTBOUND_HELD", "not sent: the gateway is in shadow mode, and holds what it would send", {
      fix: "openclaw config set gateway.shadow false ends it; what was held is not sent.",
    });
  const sent = parts.every((part) => part.state === "sent");
  const ids = parts.flatMap((part) => part.platformIds);
  return { ok: true, runId, channel, to, status: sent ? "sent" : "queued", messageId: ids[0] ?? null, messageIds: ids };
}
