import type { Clock } from "../../core/clock.ts";
import { asId, type MessageId } from "../../core/ids.ts";
import { WEBHOOK_LIMITS } from "./limits.ts";
import { callApi, NotSentError, readBytes, retryAfterMs, type ApiResponse } from "../api.ts";
import type { ChannelContext, Link, MediaRef, OutboundPart, SendResult, ReplyTarget } from "../channel.ts";
import { openHttp } from "../http.ts";
import type { WebhookAccount } from "./config.ts";
import { parseMessageIds, toOutboundButtons, toOutboundFile, toOutboundLocation, type OutboundEvent } from "./outbound.ts";
import { sign } from "./signature.ts";

const NO_OUTBOUND_URL: SendResult = {
  state: "refused",
  retryable: false,
  reason: "channels.webhook.outboundUrl is not set: nothing can be sent",
};

/** The sending side: one signed request for each message, edit, deletion and reaction. */
export class WebhookLink implements Link {
  readonly #account: WebhookAccount;
  readonly #host: Pick<ChannelContext, "reportRateLimit" | "reportActivity">;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  constructor(
    account: WebhookAccount,
    host: Pick<ChannelContext, "reportRateLimit" | "reportActivity">,
    clock: Clock,
    signal: AbortSignal,
  ) {
    this.#account = account;
    this.#host = host;
    this.#clock = clock;
    this.#signal = signal;
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    return this.#deliver(await this.#toWire("message", part), signal);
  }

  async edit(id: MessageId, part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    // An edit says the whole text, so that it may arrive twice; its key differs from that of the message and of every other text.
    const key = `${part.key}:edit:${Buffer.from(part.text).toString("base64url").slice(0, 32)}:${part.text.length}`;
    return this.#deliver({ ...(await this.#toWire("edit", part)), key, message: id }, signal);
  }

  async remove(target: ReplyTarget, id: MessageId): Promise<void> {
    await this.#deliverOrThrow({ type: "delete", key: `delete:${id}`, ...toOutboundLocation(target), message: id });
  }

  async react(target: ReplyTarget, id: MessageId, emoji: string, on: boolean): Promise<void> {
    await this.#deliverOrThrow({
      type: "reaction",
      key: `reaction:${encodeURIComponent(`${id}:${emoji}`)}:${String(on)}`,
      ...toOutboundLocation(target),
      message: id,
      emoji,
      added: on,
    });
  }

  async typing(target: ReplyTarget): Promise<void> {
    await this.#request({ type: "typing", key: `typing:${this.#clock.now()}`, ...toOutboundLocation(target) }, this.#signal).catch(
      () => undefined,
    );
  }

  /** Files lie at the peer: only its own origin is asked, and the request is signed, so that the peer need not publish them. */
  async download(ref: MediaRef, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const { outboundUrl } = this.#account;
    const url = URL.parse(ref.url);
    if (!outboundUrl || url?.origin !== new URL(outboundUrl).origin)
      throw new Error("files are fetched only from the origin of channels.webhook.outboundUrl");
    const limit = AbortSignal.any([signal, this.#signal, AbortSignal.timeout(WEBHOOK_LIMITS.fileMs)]);
    const headers = this.#headers(`get:${url.pathname}`, new Uint8Array());
    const response = await openHttp({ url, headers, proxy: this.#account.proxy, signal: limit });
    if (response.status === 200) return readBytes(response, maxBytes);
    response.cancel();
    throw new Error(`the peer answered ${response.status}`);
  }

  async #toWire(type: string, part: OutboundPart): Promise<OutboundEvent> {
    return {
      type,
      key: part.key,
      ...toOutboundLocation(part.target),
      text: part.text,
      ...(part.media && { media: [await toOutboundFile(part.media)] }),
      ...(part.buttons && { buttons: toOutboundButtons(part.buttons) }),
    };
  }

  #headers(id: string, body: Uint8Array): Record<string, string> {
    const timestamp = String(Math.floor(this.#clock.now() / 1_000));
    const safe = id.replaceAll(/[^A-Za-z0-9_.:-]/g, "_").slice(0, 200);
    return {
      "x-webhook-id": safe,
      "x-webhook-timestamp": timestamp,
      "x-webhook-signature": sign(this.#account.secret, "from-gateway", safe, timestamp, body),
    };
  }

  async #request(event: OutboundEvent, signal: AbortSignal): Promise<ApiResponse> {
    const body = Buffer.from(JSON.stringify(event));
    const answer = await callApi({
      method: "POST",
      url: this.#account.outboundUrl!,
      headers: { ...this.#headers(event.key, body), "content-type": "application/json", "idempotency-key": event.key },
      body,
      proxy: this.#account.proxy,
      signal: AbortSignal.any([signal, this.#signal]),
    });
    this.#host.reportActivity();
    return answer;
  }

  /**
   * A refusal (4xx, 429, 503) means that the peer accepted nothing. After any other failure the outcome is unknown, and the key lets the
   * request be repeated.
   */
  async #deliver(event: OutboundEvent, signal: AbortSignal): Promise<SendResult> {
    if (!this.#account.outboundUrl) return NO_OUTBOUND_URL;
    let answer: ApiResponse;
    try {
      answer = await this.#request(event, signal);
    } catch (err) {
      if (err instanceof NotSentError) return { state: "refused", retryable: true, reason: `the peer cannot be reached: ${err.message}` };
      throw err;
    }
    const { status, body, headers } = answer;
    if (status >= 200 && status < 300) {
      const ids = parseMessageIds(body);
      return { state: "sent", ids: (ids.length > 0 ? ids : [event.key]).map((id) => asId<MessageId>(id)) };
    }
    const wait = retryAfterMs(headers);
    if (status === 429 || status === 503) {
      this.#host.reportRateLimit();
      return { state: "refused", retryable: true, reason: `the peer answered ${status}`, ...(wait !== null && { retryAfterMs: wait }) };
    }
    if (status === 404 || status === 410)
      return {
        state: "refused",
        retryable: false,
        reason: `the peer answered ${status}`,
        ...(event.type === "edit" && { notFound: true as const }),
      };
    if (status >= 300 && status < 500) return { state: "refused", retryable: false, reason: `the peer answered ${status}` };
    throw new Error(`the peer answered ${status}`);
  }

  async #deliverOrThrow(event: OutboundEvent): Promise<void> {
    const result = await this.#deliver(event, this.#signal);
    if (result.state === "refused") throw new Error(result.reason);
  }
}

/** Asks the peer whether it knows the secret. Throws with the reason. */
export async function ping(account: WebhookAccount, clock: Clock, signal: AbortSignal): Promise<void> {
  const key = `ping:${clock.now()}`;
  const body = Buffer.from(JSON.stringify({ type: "ping", key }));
  const timestamp = String(Math.floor(clock.now() / 1_000));
  const headers = {
    "x-webhook-id": key,
    "x-webhook-timestamp": timestamp,
    "x-webhook-signature": sign(account.secret, "from-gateway", key, timestamp, body),
  };
  const { status } = await callApi({
    method: "POST",
    url: account.outboundUrl!,
    headers: { ...headers, "content-type": "application/json", "idempotency-key": key },
    body,
    proxy: account.proxy,
    signal,
  });
  if (status >= 200 && status < 300) return;
  throw Object.assign(new Error(`the peer answered ${status} to a signed ping`), { status });
}
