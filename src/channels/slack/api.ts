import { reasonOf } from "../../core/errors.ts";
import { SLACK_LIMITS } from "./limits.ts";
import { callApi, networkErrorReason, NotSentError, readBytes, retryAfterMs } from "../api.ts";
import { TerminalError } from "../channel.ts";
import { openHttp } from "../http.ts";
import type { SlackAccount } from "./config.ts";

export type SlackObject = Readonly<Record<string, unknown>>;
/** An answer of the Web API. `error` is Slack's word for it; `needed` names missing scopes. */
export type SlackApiResponse =
  | { ok: true; body: SlackObject }
  | { ok: false; status: number; error: string; detail: string; retryAfterMs: number | null };
type CallOptions = { signal: AbortSignal; timeoutMs?: number };

export const asSlackObject = (value: unknown): SlackObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as SlackObject) : {};

/** Words for a token that will not be accepted again. */
export const TOKEN_ERRORS: ReadonlySet<string> = new Set([
  "not_authed",
  "invalid_auth",
  "account_inactive",
  "token_revoked",
  "token_expired",
]);
/** What a refused token means for the account. */
export function slackTokenRevokedError(cause: string): TerminalError {
  return new TerminalError(
    `Slack rejected this token (${cause})`,
    "Install the app again at api.slack.com/apps (OAuth & Permissions), set channels.slack.botToken, then: openclaw channels start slack",
    "botToken",
  );
}

/** The address of the next page; empty at the end. */
export function nextCursor(meta: unknown): string {
  const next = (meta as { next_cursor?: unknown } | null | undefined)?.next_cursor;
  return typeof next === "string" ? next : "";
}

/**
 * The Web API of one account. Tokens are sent in a header only, and never to another origin.
 * Throws NotSentError when the request has certainly not arrived; after any other error the outcome is unknown.
 */
export class SlackApi {
  readonly #account: SlackAccount;

  constructor(account: SlackAccount) {
    this.#account = account;
  }

  /** Calls one method with the bot's token. Objects among the parameters are sent as JSON, as Slack wants it. */
  call(method: string, params: SlackObject, options: CallOptions): Promise<SlackApiResponse> {
    return this.#call(method, params, this.#account.botToken.reveal(), options);
  }

  /** Asks for the address of one more socket. It is a credential: it is for `WebSocket` only. */
  openSocket(options: CallOptions): Promise<SlackApiResponse> {
    const { source } = this.#account;
    if (source.mode !== "socket") throw new Error("this account uses the HTTP mode, which has no sockets");
    return this.#call("apps.connections.open", {}, source.appToken.reveal(), options);
  }

  /** Answers a slash command at the address that came with it, where Slack or our own server gave it. */
  async postToResponseUrl(url: string, body: SlackObject, options: CallOptions): Promise<{ status: number; retryAfterMs: number | null }> {
    if (!this.#isSlack(url, ["hooks.slack.com"])) throw new Error("the address of the command does not belong to Slack");
    const answer = await this.#withoutSecrets(() => callApi({ method: "POST", url, body, proxy: this.#account.proxy, ...options }));
    return { status: answer.status, retryAfterMs: retryAfterMs(answer.headers) };
  }

  /** Puts bytes at an address that Slack has just given. The token does not go with them. */
  async upload(url: string, bytes: Uint8Array, signal: AbortSignal): Promise<number> {
    if (!this.#isSlack(url, ["files.slack.com"])) throw new Error("the upload address does not belong to Slack");
    return (
      await this.#withoutSecrets(() =>
        callApi({ method: "POST", url, body: bytes, proxy: this.#account.proxy, signal, timeoutMs: SLACK_LIMITS.fileMs }),
      )
    ).status;
  }

  /** Bytes of a private file. */
  async downloadFile(url: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    if (!this.#isSlack(url, ["files.slack.com"])) throw new Error("the file does not come from Slack");
    const limit = AbortSignal.any([signal, AbortSignal.timeout(SLACK_LIMITS.fileMs)]);
    return this.#withoutSecrets(async () => {
      const headers = { authorization: `Bearer ${this.#account.botToken.reveal()}` };
      const response = await openHttp({ url, headers, proxy: this.#account.proxy, signal: limit });
      const type = response.headers.get("content-type") ?? "";
      // Without the scope Slack answers with the page of a login instead of an error.
      if (response.status === 200 && !(type.startsWith("text/html") && !/\.html?$/i.test(new URL(url).pathname)))
        return readBytes(response, maxBytes);
      response.cancel();
      throw new Error(`Slack refused to send the file (${response.status}); the app needs the scope files:read`);
    });
  }

  #isSlack(url: string, hosts: readonly string[]): boolean {
    const asked = URL.parse(url);
    if (!asked || asked.username || asked.password) return false;
    if (asked.origin === new URL(this.#account.apiRoot).origin) return true;
    return asked.protocol === "https:" && asked.port === "" && hosts.includes(asked.hostname);
  }

  async #call(method: string, params: SlackObject, token: string, { signal, timeoutMs }: CallOptions): Promise<SlackApiResponse> {
    const form = new URLSearchParams();
    for (const [key, value] of Object.entries(params))
      if (value !== undefined) form.set(key, typeof value === "object" ? JSON.stringify(value) : String(value));
    const { status, headers, body } = await this.#withoutSecrets(() =>
      callApi({
        method: "POST",
        url: `${this.#account.apiRoot}/${method}`,
        headers: { authorization: `Bearer ${token}` },
        body: form,
        proxy: this.#account.proxy,
        signal,
        ...(timeoutMs !== undefined && { timeoutMs }),
      }),
    );
    const answer = asSlackObject(body);
    if (status === 200 && answer["ok"] === true) return { ok: true, body: answer };
    const error = status === 429 ? "ratelimited" : typeof answer["error"] === "string" ? answer["error"] : `HTTP ${status}`;
    const more = [
      answer["needed"],
      ...(Array.isArray(asSlackObject(answer["response_metadata"])["messages"])
        ? (asSlackObject(answer["response_metadata"])["messages"] as unknown[])
        : []),
    ];
    const detail = more.filter((one) => typeof one === "string" && one !== "").join("; ");
    return { ok: false, status, error: reasonOf(error), detail: reasonOf(detail), retryAfterMs: retryAfterMs(headers) };
  }

  /** Failures in words; the original, which may know an address, is left behind. */
  async #withoutSecrets<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (err) {
      const text = networkErrorReason(err).replaceAll(/(?:https?|wss?):\/\/\S+/g, "[address]");
      throw err instanceof NotSentError ? new NotSentError(text) : new Error(text);
    }
  }
}
