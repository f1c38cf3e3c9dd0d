import { systemClock, type Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId, type ChannelId, type ChatId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import {
  TerminalError,
  type Abilities,
  type Channel,
  type ChannelEvent,
  type ChannelHost,
  type HookAnswer,
  type HookRequest,
} from "../channel.ts";
import { parseWebhookAccount, webhookIdentity, type WebhookAccount } from "./config.ts";
import { ping, WebhookLink } from "./connection.ts";
import { FieldError, toEvent } from "./inbound.ts";
import { refusal } from "./signature.ts";

export const abilities: Abilities = {
  chatKinds: ["direct", "group", "channel"],
  maxText: { unit: "utf16", value: 16_000 },
  markup: "markdown",
  ack: "event",
  idempotency: "key",
  edit: true,
  typing: true,
  reactions: true,
  media: { in: true, out: true },
  buttons: true,
  commands: false,
  polls: false,
  events: ["edit", "delete", "reaction", "interaction"],
};

const answer = (status: number, body: unknown): HookAnswer => ({ status, body: JSON.stringify(body) });
const fault = (status: number, code: string, message: string, fix?: string): HookAnswer =>
  answer(status, { ok: false, error: { code, message, ...(fix && { fix }) } });

/** The generic webhook channel: signed JSON in, signed JSON out. */
export function createWebhookChannel({ clock = systemClock }: { clock?: Clock } = {}): Channel<WebhookAccount> {
  return {
    id: asId<ChannelId>("webhook"),
    label: "Webhook",
    setup: ["outboundUrl"],
    guide: {
      text: "Choose a secret that both sides share. Replies go to the outbound URL; without one the webhook only receives.",
      test: "Post a signed message to the webhook to test it.",
    },
    abilities,
    environment: { secret: "OPENCLAW_WEBHOOK_SECRET" },
    parse: parseWebhookAccount,
    identity: webhookIdentity,
    toChat(to) {
      const found = /^(?:(direct|group|channel):)?(\S{1,200})$/.exec(to);
      return found ? { kind: (found[1] ?? "direct") as "direct" | "group" | "channel", id: asId<ChatId>(found[2]!) } : null;
    },
    async run(account, host, live, signal) {
      live(new WebhookLink(account, host, clock, signal));
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => resolve(), { once: true });
      });
    },
    async verify(account, signal) {
      if (!account.outboundUrl) return { name: "webhook (receives only: outboundUrl is not set)" };
      try {
        await ping(account, clock, signal);
      } catch (err) {
        if ((err as { status?: number }).status === 401 || (err as { status?: number }).status === 403)
          throw new TerminalError((err as Error).message, "Set the same secret on both sides.");
        throw err;
      }
      return { name: new URL(account.outboundUrl).host };
    },
    receiveHeaders: ["x-webhook-id", "x-webhook-timestamp", "x-webhook-signature"],
    receive: (account, request, host) => receive(account, request, host, clock),
  };
}

async function receive(account: WebhookAccount, request: HookRequest, host: ChannelHost, clock: Clock): Promise<HookAnswer> {
  if (request.method !== "POST") return fault(405, "method_not_allowed", "only POST is served here");
  const header = (name: string): string => request.headers[`x-webhook-${name}`] ?? "";
  const id = header("id");
  const signed = { id, timestamp: header("timestamp"), signature: header("signature") };
  const why = refusal(account.accepted, signed, request.body, clock.now());
  if (why !== null) return fault(401, "bad_signature", why, "docs/channels/webhook.md says how a request is signed.");
  host.alive();
  let event: ChannelEvent | null;
  try {
    const body: unknown = JSON.parse(Buffer.from(request.body).toString("utf8"));
    event = toEvent(body, { eventId: id, account: asId("default"), now: clock.now() });
  } catch (err) {
    if (err instanceof FieldError) return fault(400, "bad_field", `${err.path} ${err.message}`);
    if (err instanceof SyntaxError) return fault(400, "bad_json", "the body is not JSON");
    // A bug of ours: a refusal would be repeated by the peer without end.
    host.log.error("an event could not be read; it is kept as unreadable", { error: err });
    const raw = Buffer.from(request.body).toString("utf8").slice(0, LIMITS.unreadableChars);
    event = {
      kind: "unreadable" as const,
      eventId: id,
      account: asId<AccountId>("default"),
      sentAt: clock.now(),
      origin: "live" as const,
      raw,
      cause: reasonOf(err),
    };
  }
  // The answer comes after the commit: what was answered with 200 is never lost, and everything else may be sent again.
  if (event) await host.admit([event]);
  return answer(200, { ok: true });
}

export const channel: Channel = createWebhookChannel() as Channel;
