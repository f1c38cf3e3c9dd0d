import { asId, type MessageId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import { SIGNAL_LIMITS } from "./limits.ts";
import { networkErrorReason, NotSentError, readBytes } from "../api.ts";
import { openHttp } from "../http.ts";
import { TerminalError, type MediaUpload, type SendResult, type ReplyTarget } from "../channel.ts";
import { asArray, asObject, asString, type JsonObject } from "../../core/json.ts";
import { parseJsonOrText } from "../../core/json.ts";
import { refusedSend, type SignalBackend, type SignalBackendDeps, type MessageDraft, type SignalSendResult } from "./backend.ts";
import { authorRecipient, isGroup, toRecipient, type MessageRef } from "./ids.ts";
import { toTextStyles } from "./outbound.ts";
import { SseParser } from "./sse-parser.ts";

type RpcResponse = { ok: true; result: unknown } | { ok: false; code: number; message: string; results: readonly JsonObject[] };

/** Codes of signal-cli and of JSON-RPC. */
const CODE = { user: -1, untrusted: -4, rateLimit: -5, noMethod: -32_601, params: -32_602, internal: -32_603 };
/** Java's names for failures in which not a byte has left. */
const NOT_SENT_CODES =
  /\((?:UnknownHostException|ConnectException|NoRouteToHostException|ConnectTimeoutException|PortUnreachableException)\)/;

/** The number is not one of those that signal-cli holds. */
export class NotLinkedError extends TerminalError {
  constructor(number: string, where: string) {
    super(
      `${where} has no account ${number}`,
      "Link it: openclaw channels login signal (or register the number with signal-cli), then: openclaw channels start signal",
    );
  }
}

/** A signal-cli daemon: requests as JSON-RPC, notifications as server-sent events. */
export class NativeBackend implements SignalBackend {
  readonly #deps: SignalBackendDeps;
  #requests = 0;

  constructor(deps: SignalBackendDeps) {
    this.#deps = deps;
  }

  async check(signal: AbortSignal): Promise<void> {
    const { url, account } = this.#deps;
    const answer = await this.#rpc("listAccounts", {}, { signal, general: true }).catch((err: Error) => {
      throw new (err instanceof NotSentError ? NotSentError : Error)(`signal-cli at ${url} does not answer: ${err.message}`, {
        cause: err,
      });
    });
    // A daemon that was started with -a has one account and no list; its notifications say whose they are.
    if (!answer.ok && answer.code === CODE.noMethod) return;
    if (!answer.ok) throw new Error(`signal-cli at ${url} does not list its accounts: ${answer.message}`);
    if (!asArray(answer.result).some((each) => asObject(each)?.["number"] === account.number))
      throw new NotLinkedError(account.number, `signal-cli at ${url}`);
  }

  async *listen(signal: AbortSignal, opened: () => void, alive: () => void): AsyncIterable<readonly unknown[]> {
    const { url, account, clock, quietMs } = this.#deps;
    const quiet = new AbortController();
    let cancel: (() => void) | null = null;
    const watch = (): void => {
      cancel?.();
      cancel = clock.after(quietMs, () => quiet.abort(new Error(`signal-cli has sent nothing for ${quietMs / 1_000} s`)));
    };
    watch();
    try {
      const response = await openHttp({
        url: `${url}/api/v1/events?account=${encodeURIComponent(account.number)}`,
        headers: { accept: "text/event-stream" },
        proxy: account.proxy,
        signal: AbortSignal.any([signal, quiet.signal]),
      });
      if (response.status === 400) throw new NotLinkedError(account.number, `signal-cli at ${url}`);
      if (response.status !== 200) throw unexpectedResponse(url, response.status);
      opened();
      const cutter = new SseParser(SIGNAL_LIMITS.eventBytes);
      for await (const chunk of response.body) {
        watch();
        alive();
        const events = cutter.push(chunk);
        if (events.length > 0) yield events.map(parseJsonOrText);
        // Time in which the events were stored is not silence.
        watch();
      }
      throw new Error("signal-cli has closed the connection");
    } catch (err) {
      if (quiet.signal.aborted && !signal.aborted) throw quiet.signal.reason;
      throw err instanceof TerminalError ? err : new Error(networkErrorReason(err), { cause: err });
    } finally {
      (cancel as (() => void) | null)?.();
    }
  }

  async send(draft: MessageDraft, signal: AbortSignal): Promise<SignalSendResult> {
    const { text, ranges } = toTextStyles(draft.text);
    const styled = !draft.plain && ranges.length > 0;
    const { quote, edits } = draft;
    const params = {
      ...toRecipientParams(draft.target),
      message: text,
      ...(styled && { textStyle: ranges.map(({ start, length, style }) => `${start}:${length}:${style}`) }),
      ...(draft.files.length > 0 && { attachments: draft.files.map(({ media, bytes }) => toDataUri(media, bytes)) }),
      ...(quote && { quoteTimestamp: quote.at, quoteAuthor: authorRecipient(quote, this.#deps.account), quoteMessage: quote.text }),
      ...(edits !== null && { editTimestamp: edits }),
    };
    const answer = await this.#send("send", params, signal);
    return styled && answer.state === "refused" && /style/i.test(answer.reason) ? { ...answer, badMarkup: true } : answer;
  }

  react(target: ReplyTarget, ref: MessageRef, emoji: string, on: boolean, signal: AbortSignal): Promise<SendResult> {
    return this.#send("sendReaction", { ...toRecipientParams(target), emoji, remove: !on, ...this.#toTargetParams(ref) }, signal);
  }

  remove(target: ReplyTarget, at: number, signal: AbortSignal): Promise<SendResult> {
    return this.#send("remoteDelete", { ...toRecipientParams(target), targetTimestamp: at }, signal);
  }

  pin(target: ReplyTarget, ref: MessageRef, on: boolean, signal: AbortSignal): Promise<SendResult> {
    const duration = on ? { pinDuration: -1 } : {};
    return this.#send(
      on ? "sendPinMessage" : "sendUnpinMessage",
      { ...toRecipientParams(target), ...this.#toTargetParams(ref), ...duration },
      signal,
    );
  }

  poll(
    target: ReplyTarget,
    poll: { question: string; options: readonly string[]; multiple: boolean },
    signal: AbortSignal,
  ): Promise<SendResult> {
    const { question, options, multiple } = poll;
    return this.#send("sendPollCreate", { ...toRecipientParams(target), question, option: options, noMulti: !multiple }, signal);
  }

  async typing(target: ReplyTarget, signal: AbortSignal): Promise<void> {
    await this.#rpc("sendTyping", toRecipientParams(target), { signal });
  }

  async downloadFile(query: URLSearchParams, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const [id, recipient, groupId] = [query.get("id"), query.get("recipient"), query.get("group")];
    const params = { id, ...(groupId === null ? { recipient: toRecipient(recipient ?? "") } : { groupId }) };
    // The file comes as base64 in JSON.
    const maxAnswer = Math.ceil((maxBytes * 4) / 3) + 4_096;
    const answer = await this.#rpc("getAttachment", params, { signal, timeoutMs: SIGNAL_LIMITS.sendMs, maxAnswer });
    if (!answer.ok) throw new Error(`signal-cli refused to send the file: ${answer.message}`);
    const bytes = Buffer.from(asString(asObject(answer.result)?.["data"]), "base64");
    if (bytes.length > maxBytes) throw new Error(`the file is larger than ${maxBytes} bytes`);
    return bytes;
  }

  async linkDevice(show: (uri: string) => void, signal: AbortSignal): Promise<string> {
    for (;;) {
      const begun = await this.#rpc("startLink", {}, { signal, general: true, timeoutMs: SIGNAL_LIMITS.sendMs });
      if (!begun.ok && begun.code === CODE.noMethod)
        throw new Error("this signal-cli was started for one account (-a) and cannot link another: start the daemon without -a");
      if (!begun.ok) throw new Error(`signal-cli cannot start linking: ${begun.message}`);
      const uri = asString(asObject(begun.result)?.["deviceLinkUri"]);
      if (uri === "") throw new Error("signal-cli returned no link to scan");
      show(uri);
      const params = { deviceLinkUri: uri, deviceName: "OpenClaw Gateway" };
      const ended = await this.#rpc("finishLink", params, { signal, general: true, timeoutMs: LIMITS.channelLoginMs });
      if (ended.ok) return asString(asObject(ended.result)?.["number"]);
      // The code was not scanned in time: show the next one.
      if (!/timed out/i.test(ended.message)) throw new Error(`Signal did not accept the link: ${ended.message}`);
    }
  }

  #toTargetParams(ref: MessageRef): { targetTimestamp: number; targetAuthor: string } {
    return { targetTimestamp: ref.at, targetAuthor: authorRecipient(ref, this.#deps.account) };
  }

  async #send(method: string, params: JsonObject, signal: AbortSignal): Promise<SignalSendResult> {
    let answer: RpcResponse;
    try {
      answer = await this.#rpc(method, params, { signal, timeoutMs: SIGNAL_LIMITS.sendMs });
    } catch (err) {
      if (err instanceof NotSentError) return refusedSend(`signal-cli cannot be reached: ${err.message}`, true);
      throw err;
    }
    if (!answer.ok) return this.#toSendResult(answer);
    const at = asObject(answer.result)?.["timestamp"];
    if (typeof at !== "number") throw new Error("signal-cli's answer has no time");
    return { state: "sent", ids: [asId<MessageId>(String(at))] };
  }

  /** What a failure says about the outcome of a message. Throws when it is unknown. */
  #toSendResult({ code, message, results }: Extract<RpcResponse, { ok: false }>): SignalSendResult {
    const types = results.map((each) => asString(each["type"]));
    if (code === CODE.rateLimit || (types.length > 0 && types.every((type) => type === "RATE_LIMIT_FAILURE"))) {
      this.#deps.host.reportRateLimit();
      const seconds = Math.max(0, ...results.map((each) => Number(each["retryAfterSeconds"] ?? 0)));
      const proof = results.some((each) => asString(each["token"]) !== "");
      const reason = proof ? `${message}; Signal wants a captcha to be solved: signal-cli submitRateLimitChallenge` : message;
      return { state: "refused", retryable: true, retryAfterMs: seconds > 0 ? seconds * 1_000 : SIGNAL_LIMITS.retryMs, reason };
    }
    if (code === CODE.untrusted) return refusedSend(`${message}: the safety number has changed; see signal-cli trust`, false);
    if (NOT_SENT_CODES.test(message)) return refusedSend(message, true);
    const mayHaveLeft = types.includes("NETWORK_FAILURE") || types.includes("SUCCESS");
    if (code === CODE.user && !mayHaveLeft) return refusedSend([message, ...new Set(types)].join(", "), false);
    if (code === CODE.noMethod) return refusedSend(`this signal-cli does not support the request; update it: ${message}`, false);
    if (code === CODE.params) return refusedSend(message, false);
    throw new Error(`signal-cli answered: ${message} (${code})`);
  }

  async #rpc(
    method: string,
    params: JsonObject,
    options: { signal: AbortSignal; general?: boolean; timeoutMs?: number; maxAnswer?: number },
  ): Promise<RpcResponse> {
    const { url, account } = this.#deps;
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: String(++this.#requests),
      method,
      params: options.general ? params : { account: account.number, ...params },
    });
    const deadline = AbortSignal.timeout(options.timeoutMs ?? LIMITS.channelApiMs);
    const response = await openHttp({
      url: `${url}/api/v1/rpc`,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: Buffer.from(body),
      proxy: account.proxy,
      signal: AbortSignal.any([options.signal, deadline]),
    });
    const bytes = await readBytes(response, options.maxAnswer ?? LIMITS.channelAnswerBytes);
    if (response.status >= 300 && response.status < 500)
      return { ok: false, code: CODE.params, message: unexpectedResponse(url, response.status).message, results: [] };
    if (response.status !== 200) throw unexpectedResponse(url, response.status);
    return parseRpcResponse(asObject(parseJsonOrText(Buffer.from(bytes).toString("utf8"))), url);
  }
}

function parseRpcResponse(answer: JsonObject | null, url: string): RpcResponse {
  const error = asObject(answer?.["error"]);
  if (error) {
    const response = asObject(asObject(error["data"])?.["response"]);
    const results = asArray(response?.["results"]).flatMap((each): JsonObject[] => [asObject(each)].filter((found) => found !== null));
    return { ok: false, code: Number(error["code"]), message: asString(error["message"]), results };
  }
  if (!answer || !("result" in answer)) throw new Error(`the server at ${url} does not speak JSON-RPC`);
  return { ok: true, result: answer["result"] };
}

const unexpectedResponse = (url: string, status: number): Error =>
  new Error(
    status === 421
      ? `signal-cli refuses the host name of ${url} (421): use the address on which it listens`
      : `the server at ${url} is not a signal-cli daemon (status ${status})`,
  );

const toRecipientParams = (target: ReplyTarget): JsonObject =>
  isGroup(target) ? { groupId: target.chat.id } : { recipient: [toRecipient(target.chat.id)] };

export function toDataUri({ name, mimeType }: MediaUpload, bytes: Uint8Array): string {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  // The name is a parameter of the type: nothing in it may end the parameter.
  return `data:${mimeType.replaceAll(/[;,\s]/g, "")};filename=${name.replaceAll(/[^\p{L}\p{N}._ -]/gu, "_")};base64,${base64}`;
}
