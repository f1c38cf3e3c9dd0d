/** Cuts a stream of server-sent events into the data of each event. Comments are skipped. One for each connection. */
export class SseParser {
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder();
  #rest = "";

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The data of every event that is complete with this chunk. Throws when one is longer than allowed. */
  push(chunk: Uint8Array): string[] {
    this.#rest += this.#decoder.decode(chunk, { stream: true }).replaceAll("\r", "");
    const blocks = this.#rest.split("\n\n");
    this.#rest = blocks.pop()!;
    if (this.#rest.length > this.#maxBytes) throw new Error(`an event is longer than ${this.#maxBytes} bytes`);
    return blocks.flatMap((block) => {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      return lines.length === 0 ? [] : [lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n")];
    });
  }
}
