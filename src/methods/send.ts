import { GatewayError } from "../core/errors.ts";
import type { MethodTable } from "../protocol/method.ts";
import type { OutboxPart } from "../store/outbox.ts";
import { conversationOf } from "../turns/engine.ts";
import type { ChatDeps } from "./context.ts";

type SendParams = {
  to: string;
  message?: string;
  mediaUrl?: string;
  mediaUrls?: string[];
  channel?: string;
  accountId?: string;
  threadId?: string;
  replyToId?: string;
  idempotencyKey: string;
};
type ActionParams = { channel: string; action: string; params: Record<string, unknown>; accountId?: string; idempotencyKey: string };

export type SendDeps = ChatDeps & {
  /** Resolves when every part of the intent is settled, or after `timeoutMs`. */
  settled: (intentId: string, timeoutMs: number) => Promise<readonly OutboxPart[]>;
  /** The channel that is meant when none is named; null when there is not exactly one. */
  onlyChannel: () => string | null;
};

/** How long a caller of `send` waits for the platform; the message stays in the outbox beyond it. */
const WAIT_MS = 10_000;

/** send and message.action: what an operator says on a channel directly. Through the outbox, like every reply. */
export function sendMethods(deps: SendDeps) {
  return {
    send: { scope: "operator.write", run: (params: SendParams) => send(deps, params) },
    "message.action": {
      scope: "operator.write",
      run: ({ channel, action, params, accountId, idempotencyKey }: ActionParams) => {
        if (action !== "send") {
          throw new GatewayError(
            "INVALID_REQUEST",
            `the action ${JSON.stringify(action.slice(0, 40))} is not available on ${channel.slice(0, 40)}`,
            { details: { code: "ACTION_NOT_SUPPORTED" }, fix: "Available: send." },
          );
        }
        const to = params["to"] ?? params["target"];
        const message = params["message"];
        if (typeof to !== "string" || typeof message !== "string")
          throw new GatewayError("INVALID_REQUEST", "message.action send needs params.to and params.message");
        const account = typeof params["accountId"] === "string" ? params["accountId"] : accountId;
        return send(deps, { channel, to, message, idempotencyKey, ...(account === undefined ? {} : { accountId: account }) });
      },
    },
  } satisfies MethodTable;
}

async function send(deps: SendDeps, params: SendParams): Promise<unknown> {
  if (params.mediaUrl || params.mediaUrls?.length)
    throw new GatewayError("INVALID_REQUEST", "this channel takes text only", { details: { code: "MEDIA_NOT_SUPPORTED" } });
  if (!params.message?.trim()) throw new GatewayError("INVALID_REQUEST", "the message is empty");
  const channel = params.channel ?? deps.onlyChannel();
  if (!channel)
    throw new GatewayError("INVALID_REQUEST", "it is not clear which channel is meant", {
      fix: "Name one with `channel`; `openclaw channels list` shows them.",
    });
  const target = deps.toTarget(channel, params.accountId, params.to, params.threadId);
  const { turns } = deps;
  const intentId = `send:${params.idempotencyKey}`;
  const message = params.message;
  await turns.options.store.write(() => {
    const before = turns.options.outbox.byIntent(intentId);
    if (before.length === 0) turns.addIntent(intentId, null, target, message, deps.clock.now());
  });
  turns.options.deliver(conversationOf(target));
  return toReceipt(params.idempotencyKey, channel, params.to, await deps.settled(intentId, WAIT_MS));
}

/** Throws when the platform refused it for good; says `queued` while it waits, so that nobody sends it again. */
function toReceipt(runId: string, channel: string, to: string, parts: readonly OutboxPart[]): unknown {
  const parked = parts.find((part) => part.state === "parked");
  if (parked)
    throw new GatewayError("UNAVAILABLE", `not sent: ${parked.cause ?? "refused"}`, {
      retryable: false,
      details: { code: "OUTBOUND_DELIVERY_FAILED", partKey: parked.partKey },
    });
  const unknown = parts.find((part) => part.state === "unknown");
  if (unknown)
    throw new GatewayError("UNAVAILABLE", "it is not known whether the message arrived; it was not sent again", {
      retryable: false,
      details: { code: "OUTBOUND_DELIVERY_UNKNOWN", partKey: unknown.partKey },
    });
  const sent = parts.every((part) => part.state === "sent");
  const ids = parts.flatMap((part) => part.platformIds);
  return { ok: true, runId, channel, to, status: sent ? "sent" : "queued", messageId: ids[0] ?? null, messageIds: ids };
}
