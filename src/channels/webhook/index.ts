import { systemClock, type Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId, type ChatId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import {
  TerminalError,
  type Channel,
  type ChannelEvent,
  type ChannelContext,
  type WebhookResponse,
  type WebhookRequest,
} from "../channel.ts";
import { channelFacts } from "../manifest.ts";
import { DESCRIPTION } from "./description.ts";
import { parseWebhookAccount, webhookIdentity, type WebhookAccount } from "./config.ts";
import { ping, WebhookLink } from "./link.ts";
import { FieldError, decodeWebhookEvent } from "./inbound.ts";
import { signatureProblem } from "./signature.ts";

const jsonResponse = (status: number, body: unknown): WebhookResponse => ({ status, body: JSON.stringify(body) });
const badRequest = (status: number, code: string, message: string, fix?: string): WebhookResponse =>
  jsonResponse(status, { ok: false, error: { code, message, ...(fix && { fix }) } });

/** The generic webhook channel: signed JSON in, signed JSON out. */
export function createWebhookChannel({ clock = systemClock }: { clock?: Clock } = {}): Channel<WebhookAccount> {
  return {
    ...channelFacts(DESCRIPTION),
    parse: parseWebhookAccount,
    identity: webhookIdentity,
    parseChat(to) {
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
    requiredWebhookHeaders: ["x-webhook-id", "x-webhook-timestamp", "x-webhook-signature"],
    handleWebhook: (account, request, host) => handleWebhook(account, request, host, clock),
  };
}

async function handleWebhook(
  account: WebhookAccount,
  request: WebhookRequest,
  host: ChannelContext,
  clock: Clock,
): Promise<WebhookResponse> {
  if (request.method !== "POST") return badRequest(405, "method_not_allowed", "only POST is supported");
  const header = (name: string): string => request.headers[`x-webhook-${name}`] ?? "";
  const id = header("id");
  const signed = { id, timestamp: header("timestamp"), signature: header("signature") };
  const why = signatureProblem(account.accepted, signed, request.body, clock.now());
  if (why !== null) return badRequest(401, "bad_signature", why, "docs/channels/webhook.md says how a request is signed.");
  host.reportActivity();
  let event: ChannelEvent | null;
  try {
    const body: unknown = JSON.parse(Buffer.from(request.body).toString("utf8"));
    event = decodeWebhookEvent(body, { eventId: id, account: asId("default"), now: clock.now() });
  } catch (err) {
    if (err instanceof FieldError) return badRequest(400, "bad_field", `${err.path} ${err.message}`);
    if (err instanceof SyntaxError) return badRequest(400, "bad_json", "the body is not JSON");
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
  return jsonResponse(200, { ok: true });
}

export const channel: Channel = createWebhookChannel() as Channel;
