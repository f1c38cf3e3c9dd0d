import type { ToolReply } from "./records.ts";

/**
 * The answers to a tool call of a stock Pi process, which asks once for each: updates that Pi has not asked for yet replace each
 * other, and the result waits until it is asked for.
 */
export class ToolExchange {
  #waiting: ToolReply | null = null;
  #answer: ((reply: ToolReply) => void) | null = null;

  /** Pi asks for the next reply. */
  ask(answer: (reply: ToolReply) => void): void {
    this.#answer = answer;
    this.#send();
  }

  push(reply: ToolReply): void {
    this.#waiting = reply;
    this.#send();
  }

  #send(): void {
    const { waiting, answer } = { waiting: this.#waiting, answer: this.#answer };
    if (!waiting || !answer) return;
    this.#waiting = null;
    this.#answer = null;
    answer(waiting);
  }
}
