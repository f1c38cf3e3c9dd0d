import { ERRORS } from "../core/error-codes.ts";
import { GatewayError } from "../core/errors.ts";
import type { Exchange } from "./exchange.ts";
import type { CompletionEvent, FinalCompletion } from "./openai-backend.ts";
import { SentText } from "./openai-text.ts";

/** A comment that keeps proxies from closing a quiet stream. */
const KEEP_ALIVE_MS = 15_000;

/** A server-sent event stream; nothing is written after the client has gone. */
export class SseStream {
  readonly #exchange: Exchange;
  readonly #keepAlive: NodeJS.Timeout;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    exchange.response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" });
    exchange.response.flushHeaders();
    this.#keepAlive = setInterval(() => this.#write(": still working\n\n"), KEEP_ALIVE_MS);
    this.#keepAlive.unref();
  }

  send(value: unknown, event?: string): Promise<void> {
    const name = event === undefined ? "" : `event: ${event}\n`;
    return this.#write(`${name}data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`);
  }

  end(): void {
    clearInterval(this.#keepAlive);
    this.#exchange.response.end();
  }

  /** Resolves when the client has room for more, or has gone. */
  async #write(text: string): Promise<void> {
    const { response, signal } = this.#exchange;
    if (signal.aborted || response.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off("drain", done);
        response.off("close", done);
        resolve();
      };
      response.on("drain", done);
      response.on("close", done);
    });
  }
}

export const toOpenAiError = (err: GatewayError): { message: string; type: string; code: string; param: string | null } => ({
  message: err.message,
  type: ERRORS[err.code].http < 500 ? (err.code === "RATE_LIMITED" ? "rate_limit_error" : "invalid_request_error") : "server_error",
  code: err.code.toLowerCase(),
  param: typeof err.details?.["param"] === "string" ? err.details["param"] : null,
});

/** Reads the events to their end. Throws the GatewayError of an `error` event. */
export async function collectCompletion(
  events: AsyncIterable<CompletionEvent>,
  onEvent?: (event: CompletionEvent) => Promise<void>,
): Promise<FinalCompletion> {
  for await (const event of events) {
    if (event.type === "error") throw event.error;
    if (event.type === "final") return event;
    await onEvent?.(event);
  }
  throw new GatewayError("UNAVAILABLE", "the run ended without an answer");
}

/** Sends an answer while it comes, each piece once. Throws where a repeated attempt contradicts what was sent. */
export async function streamCompletionText(
  events: AsyncIterable<CompletionEvent>,
  send: (text: string) => Promise<void>,
): Promise<FinalCompletion> {
  const text = new SentText();
  const final = await collectCompletion(events, async (event) => {
    if (event.type === "delta") await send(text.add(event.text));
    else if (event.type === "replaced") await send(text.replace(event.text));
  });
  await send(text.end(final.text));
  return final;
}
