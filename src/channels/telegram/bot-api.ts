import { reasonOf } from "../../core/errors.ts";
import { TELEGRAM_LIMITS } from "./limits.ts";
import { callApi, networkErrorReason, MultipartForm, NotSentError, readBytes } from "../api.ts";
import { openHttp } from "../http.ts";
import type { TelegramAccount } from "./config.ts";

/** A refusal. `code` is the HTTP status where the body says nothing; `foreign`: it is not the Bot API that speaks, but something in between. */
export type TelegramApiError = {
  ok: false;
  code: number;
  description: string;
  isProxyResponse: boolean;
  retryAfterMs: number | null;
  migrateTo: string | null;
};
export type TelegramApiResponse = { ok: true; result: unknown } | TelegramApiError;

export type BotApiParams = Readonly<Record<string, unknown>>;
export type FileUpload = { field: string; name: string; mimeType: string; bytes: Uint8Array };
type CallOptions = { signal: AbortSignal; timeoutMs?: number; upload?: FileUpload };

const asObject = (value: unknown): BotApiParams => (typeof value === "object" && value !== null ? (value as BotApiParams) : {});

/**
 * The Bot API of one account. The token is a part of every address, so no error of this class says an address.
 * Throws NotSentError when the request has certainly not arrived; after any other error the outcome is unknown.
 */
export class BotApi {
  readonly #account: TelegramAccount;

  constructor(account: TelegramAccount) {
    this.#account = account;
  }

  async call(method: string, params: BotApiParams, { signal, timeoutMs, upload }: CallOptions): Promise<TelegramApiResponse> {
    try {
      const { status, body } = await callApi({
        method: "POST",
        url: `${this.#account.apiRoot}/bot${this.#account.token.reveal()}/${method}`,
        body: upload ? toForm(params, upload) : params,
        proxy: this.#account.proxy,
        signal,
        timeoutMs: timeoutMs ?? (upload ? TELEGRAM_LIMITS.fileMs : this.#account.timeoutMs),
      });
      return parseResponse(status, body, this.#withoutToken);
    } catch (err) {
      throw this.#failure(err);
    }
  }

  /** Bytes of a file. `path` is what `getFile` said. */
  async downloadFile(path: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    if (!/^[\w-][\w./-]{0,400}$/.test(path) || path.split("/").includes("..")) throw new Error("the path of the file is invalid");
    const url = `${this.#account.apiRoot}/file/bot${this.#account.token.reveal()}/${path}`;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TELEGRAM_LIMITS.fileMs)]);
    try {
      const response = await openHttp({ url, proxy: this.#account.proxy, signal: limit });
      if (response.status === 200) return await readBytes(response, maxBytes);
      response.cancel();
      throw new Error(`Telegram refused to send the file (${response.status})`);
    } catch (err) {
      throw this.#failure(err);
    }
  }

  /** The same failure in words without the token; the original, which may know the address, is left behind. */
  #failure(err: unknown): Error {
    const text = this.#withoutToken(networkErrorReason(err));
    return err instanceof NotSentError ? new NotSentError(text) : new Error(text);
  }

  readonly #withoutToken = (text: string): string => text.replaceAll(this.#account.token.reveal(), "[token]");
}

function toForm(params: BotApiParams, { field, name, mimeType, bytes }: FileUpload): MultipartForm {
  const values = Object.entries(params).flatMap(([key, value]) =>
    value === undefined ? [] : [{ name: key, value: typeof value === "object" ? JSON.stringify(value) : String(value) }],
  );
  return new MultipartForm([...values, { name: field, file: { name, mimeType, bytes } }]);
}

function parseResponse(status: number, body: unknown, clean: (text: string) => string): TelegramApiResponse {
  const answer = asObject(body);
  if (status >= 200 && status < 300 && answer["ok"] === true) return { ok: true, result: answer["result"] };
  const parameters = asObject(answer["parameters"]);
  const { retry_after: seconds, migrate_to_chat_id: chat } = parameters;
  const code = status >= 200 && status < 300 ? Number(answer["error_code"] ?? 500) : status;
  const foreign = answer["ok"] !== false;
  const description = typeof answer["description"] === "string" ? answer["description"] : `HTTP ${status}`;
  return {
    ok: false,
    code,
    description: clean(reasonOf(description)),
    isProxyResponse: foreign,
    retryAfterMs: typeof seconds === "number" && seconds >= 0 ? Math.ceil(seconds * 1_000) : null,
    migrateTo: typeof chat === "number" || typeof chat === "string" ? String(chat) : null,
  };
}
