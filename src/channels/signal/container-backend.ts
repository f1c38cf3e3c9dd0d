import { asId, type MessageId } from "../../core/ids.ts";
import { contain } from "../../core/contain.ts";
import { LIMITS } from "../../core/limits.ts";
import { SIGNAL_LIMITS } from "./limits.ts";
import { callApi, networkErrorReason, NotSentError, readBytes, type ApiResponse, type ApiRequest } from "../api.ts";
import { TerminalError, type SendResult, type ReplyTarget } from "../channel.ts";
import { openHttp } from "../http.ts";
import { sleep } from "../../core/async.ts";
import { openWebSocket } from "../websocket.ts";
import { asArray, asObject, asString, type JsonObject } from "../../core/json.ts";
import { parseJsonOrText } from "../../core/json.ts";
import { refusedSend, type SignalBackend, type SignalBackendDeps, type MessageDraft, type SignalSendResult } from "./backend.ts";
import { authorRecipient, isGroup, toRecipient, type MessageRef } from "./ids.ts";
import { NotLinkedError, toDataUri } from "./native-backend.ts";
import { toMarkedSignal, toVisibleSignal } from "./outbound.ts";

type Deps = SignalBackendDeps & { /** Time for the socket to be opened. */ openMs: number };

/** Refusals in which nothing was sent. After any other the outcome is unknown: the container answers 400 to all of them. */
const NOT_SENT_CODES =
  /unregistered|not registered|not a (?:group )?member|untrusted|invalid|no recipients|couldn't process request|does not exist|group not found|not found|too (?:large|big)|safety number/i;

/** The REST container around signal-cli (`MODE=json-rpc`): requests as REST, notifications over a WebSocket. */
export class ContainerBackend implements SignalBackend {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async check(signal: AbortSignal): Promise<void> {
    const { url, account } = this.#deps;
    const about = await this.#call({ url: "/v1/about", signal }).catch((err: Error) => {
      throw new (err instanceof NotSentError ? NotSentError : Error)(`the container at ${url} does not answer: ${err.message}`, {
        cause: err,
      });
    });
    const mode = asString(asObject(about.body)?.["mode"]);
    if (about.status !== 200 || mode === "") throw new Error(`the server at ${url} is not signal-cli-rest-api (status ${about.status})`);
    if (mode !== "json-rpc")
      throw new TerminalError(
        `the container at ${url} runs in the mode ${mode}, which cannot receive messages`,
        "Start it with MODE=json-rpc, then: openclaw channels start signal",
      );
    const accounts = await this.#call({ url: "/v1/accounts", signal });
    if (accounts.status !== 200) throw new Error(`the container at ${url} does not list its accounts: status ${accounts.status}`);
    if (!asArray(accounts.body).includes(account.number)) throw new NotLinkedError(account.number, `the container at ${url}`);
  }

  async *listen(signal: AbortSignal, opened: () => void, alive: () => void): AsyncIterable<readonly unknown[]> {
    const { url, account, clock, quietMs, openMs, host } = this.#deps;
    const socket = openWebSocket(`${url.replace(/^http/, "ws")}/v1/receive/${encodeURIComponent(account.number)}`, {
      handshakeMs: openMs,
      proxy: account.proxy,
      fail: (err) => {
        host.fail(err);
        end(err instanceof Error ? err : new Error(networkErrorReason(err)));
      },
    });
    const waiting: unknown[] = [];
    let over: Error | null = null;
    let wake: (() => void) | null = null;
    let cancel: (() => void) | null = null;
    const end = (cause: Error): void => {
      over ??= cause;
      cancel?.();
      socket.terminate();
      wake?.();
    };
    const watch = (ms: number): void => {
      cancel?.();
      if (over) return;
      // A socket that we do not read at the moment is not a silent one.
      const late = (): void => (socket.isPaused ? watch(ms) : end(new Error(`the container has sent nothing for ${ms / 1_000} s`)));
      cancel = clock.after(ms, late);
    };
    const seen = (): void => {
      watch(quietMs);
      alive();
    };
    const onAbort = contain(host.fail, () => end(new Error("stopped")));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("ping", seen);
    socket.on("open", () => {
      seen();
      opened();
    });
    socket.on("message", (data) => {
      seen();
      waiting.push(parseJsonOrText(String(data)));
      // What the container has written it never writes again: it has to wait with the rest until there is room.
      if (waiting.length >= LIMITS.channelPendingEvents) socket.pause();
      wake?.();
    });
    socket.on("error", (err) => end(new Error(networkErrorReason(err))));
    socket.on("close", (code) => end(new Error(`the container has closed the connection (${code})`)));
    watch(openMs);
    try {
      for (;;) {
        // What was read before the end is still handed over.
        if (waiting.length > 0) {
          yield waiting.splice(0);
          if (socket.isPaused && waiting.length < LIMITS.channelPendingEvents) {
            socket.resume();
            watch(quietMs);
          }
        } else if (over) throw over as Error;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      end(new Error("the connection was closed"));
    }
  }

  async send(draft: MessageDraft, signal: AbortSignal): Promise<SignalSendResult> {
    const { number } = this.#deps.account;
    const { quote, edits, target, plain } = draft;
    const body = {
      number,
      recipients: [toRecipientId(target)],
      message: plain ? toVisibleSignal(draft.text) : toMarkedSignal(draft.text),
      text_mode: plain ? "normal" : "styled",
      ...(draft.files.length > 0 && { base64_attachments: draft.files.map(({ media, bytes }) => toDataUri(media, bytes)) }),
      ...(quote && { quote_timestamp: quote.at, quote_author: authorRecipient(quote, this.#deps.account), quote_message: quote.text }),
      ...(edits !== null && { edit_timestamp: edits }),
    };
    return this.#send({ method: "POST", url: "/v2/send", body, signal });
  }

  async react(target: ReplyTarget, ref: MessageRef, emoji: string, on: boolean, signal: AbortSignal): Promise<SendResult> {
    const body = {
      reaction: emoji,
      recipient: toRecipientId(target),
      target_author: authorRecipient(ref, this.#deps.account),
      timestamp: ref.at,
    };
    return this.#send({ method: on ? "POST" : "DELETE", url: this.#path("reactions"), body, signal }, ref.at);
  }

  async remove(target: ReplyTarget, at: number, signal: AbortSignal): Promise<SendResult> {
    const body = { recipient: toRecipientId(target), timestamp: at };
    return this.#send({ method: "DELETE", url: this.#path("remote-delete"), body, signal }, at);
  }

  async pin(target: ReplyTarget, ref: MessageRef, on: boolean, signal: AbortSignal): Promise<SendResult> {
    if (!isGroup(target)) return refusedSend("the container pins messages in groups only", false);
    const body = { target_author: authorRecipient(ref, this.#deps.account), timestamp: ref.at, ...(on && { duration: -1 }) };
    const url = `${this.#path("groups")}/${encodeURIComponent(toRecipientId(target))}/pin-message`;
    return this.#send({ method: on ? "POST" : "DELETE", url, body, signal }, ref.at);
  }

  async poll(
    target: ReplyTarget,
    { question, options, multiple }: { question: string; options: readonly string[]; multiple: boolean },
    signal: AbortSignal,
  ): Promise<SendResult> {
    const body = { recipient: toRecipientId(target), question, answers: options, allow_multiple_selections: multiple };
    return this.#send({ method: "POST", url: this.#path("polls"), body, signal });
  }

  async typing(target: ReplyTarget, signal: AbortSignal): Promise<void> {
    await this.#call({ method: "PUT", url: this.#path("typing-indicator"), body: { recipient: toRecipientId(target) }, signal });
  }

  async downloadFile(query: URLSearchParams, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const response = await openHttp({
      url: `${this.#deps.url}/v1/attachments/${encodeURIComponent(query.get("id") ?? "")}`,
      proxy: this.#deps.account.proxy,
      signal: AbortSignal.any([signal, AbortSignal.timeout(SIGNAL_LIMITS.sendMs)]),
    });
    if (response.status === 200) return readBytes(response, maxBytes);
    response.cancel();
    throw new Error(`the container refused to send the file: status ${response.status}`);
  }

  async linkDevice(show: (uri: string) => void, signal: AbortSignal): Promise<string> {
    const { account, clock } = this.#deps;
    const begun = await this.#call({ url: "/v1/qrcodelink/raw?device_name=OpenClaw%20Gateway", signal, timeoutMs: SIGNAL_LIMITS.sendMs });
    const uri = asString(asObject(begun.body)?.["device_link_uri"]);
    if (begun.status !== 200 || uri === "") throw new Error(`the container cannot start linking: ${errorOf(begun)}`);
    show(uri);
    // The container completes the link by itself; then it has the account.
    for (;;) {
      const accounts = asArray((await this.#call({ url: "/v1/accounts", signal })).body);
      if (accounts.includes(account.number)) return account.number;
      await sleep(clock, 1_000, signal);
      signal.throwIfAborted();
    }
  }

  #path(what: string): string {
    return `/v1/${what}/${encodeURIComponent(this.#deps.account.number)}`;
  }

  #call(request: ApiRequest): Promise<ApiResponse> {
    return callApi({ proxy: this.#deps.account.proxy, ...request, url: `${this.#deps.url}${request.url}` });
  }

  /** `at`: the message that was meant, where the answer names none. */
  async #send(request: ApiRequest, at?: number): Promise<SignalSendResult> {
    let answer: ApiResponse;
    try {
      answer = await this.#call({ timeoutMs: SIGNAL_LIMITS.sendMs, ...request });
    } catch (err) {
      if (err instanceof NotSentError) return refusedSend(`the container cannot be reached: ${err.message}`, true);
      throw err;
    }
    const { status } = answer;
    if (status >= 200 && status < 300) {
      const time = Number(asObject(answer.body)?.["timestamp"] ?? at);
      if (!Number.isSafeInteger(time) || time <= 0) throw new Error("the container's answer has no time");
      return { state: "sent", ids: [asId<MessageId>(String(time))] };
    }
    const reason = errorOf(answer);
    if (status === 429) {
      this.#deps.host.reportRateLimit();
      return { state: "refused", retryable: true, retryAfterMs: SIGNAL_LIMITS.retryMs, reason };
    }
    if (status === 404 || status === 405)
      return refusedSend(`this container does not support the request; update it: status ${status}`, false);
    if (status >= 400 && status < 500 && NOT_SENT_CODES.test(reason)) return refusedSend(reason, false);
    throw new Error(`the container answered: ${reason}`);
  }
}

/** A group is named in base64 once more. */
function toRecipientId({ chat }: Pick<ReplyTarget, "chat">): string {
  return isGroup({ chat }) ? `group.${Buffer.from(chat.id).toString("base64")}` : toRecipient(chat.id);
}

const errorOf = ({ status, body }: ApiResponse): string => asString((asObject(body) as JsonObject | null)?.["error"]) || `status ${status}`;
