import { createHmac } from "node:crypto";
import type { Secret } from "../../core/secret.ts";
import { secureEquals } from "../../core/secure-compare.ts";
import type { WebhookRequest } from "../channel.ts";

/** How old a request may be, in seconds. */
const SIGNATURE_WINDOW_S = 300;

/** Whether Slack has signed exactly these bytes within the last five minutes. Takes the same time however much is right. */
export function verifySignature({ headers, body }: WebhookRequest, secret: Secret, now: number): boolean {
  const at = headers["x-slack-request-timestamp"] ?? "";
  if (!/^\d{1,12}$/.test(at) || Math.abs(now / 1_000 - Number(at)) > SIGNATURE_WINDOW_S) return false;
  const wanted = `v0=${createHmac("sha256", secret.reveal()).update(`v0:${at}:`).update(body).digest("hex")}`;
  return secureEquals(headers["x-slack-signature"] ?? "", wanted);
}

/** The payload of a request: an event is JSON, a command is a form, an interaction is JSON inside a form. Text that is none of them stays text. */
export function parsePayload({ body }: WebhookRequest): unknown {
  const text = Buffer.from(body).toString("utf8");
  const form = text.startsWith("{") ? null : new URLSearchParams(text);
  const json = form ? form.get("payload") : text;
  if (form && json === null) return form.has("command") ? Object.fromEntries(form) : text;
  try {
    return JSON.parse(json ?? "");
  } catch (err) {
    if (err instanceof SyntaxError) return text;
    throw err;
  }
}
