import { GatewayError } from "../core/errors.ts";

/**
 * The text of one stream of the OpenAI-compatible API. Nothing that was sent can be taken back there, so an attempt that is
 * repeated goes on where its text agrees with what was sent, and ends the stream with an error where it does not. Nothing is ever
 * sent twice.
 */
export class SentText {
  #sent = "";
  /** The text of the repeated attempt as far as it is known, while it only repeats what was sent. */
  #retryText: string | null = null;

  /** The new part of `delta` to send; "" for none. */
  add(delta: string): string {
    if (this.#retryText === null) {
      this.#sent += delta;
      return delta;
    }
    this.#retryText += delta;
    if (this.#sent.startsWith(this.#retryText)) return "";
    return this.#continue(this.#retryText);
  }

  /** `text` replaces all earlier text. */
  replace(text: string): string {
    this.#retryText = "";
    return this.add(text);
  }

  /** What is missing when the answer is complete. */
  end(text: string): string {
    return this.#continue(text);
  }

  #continue(text: string): string {
    if (!text.startsWith(this.#sent))
      throw new GatewayError(
        "UNAVAILABLE",
        "the answer was restarted after a part of it had been sent, and the new one differs; send the request again",
        { details: { kind: "cut" } },
      );
    const rest = text.slice(this.#sent.length);
    this.#sent = text;
    this.#retryText = null;
    return rest;
  }
}
