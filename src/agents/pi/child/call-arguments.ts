/** Characters of the arguments of one call that are looked at; a longer call counts as incomplete. */
const MAX_CHARS = 8_388_608;

/** The part of Pi's events about a message that says how a call arrives. */
export type CallUpdate = { type: string; contentIndex?: number; delta?: string; toolCall?: { id: string } };

/**
 * Which calls arrived without the end of their arguments. Pi's providers repair such JSON and run what they have, which can mean something
 * else: the command `rm -rf build/tmp` without its end is `rm -rf build`.
 */
export class CallArguments {
  /** By position in the message that streams. */
  readonly #open = new Map<number, JsonEnd>();
  readonly #cut = new Set<string>();

  /** A message begins. */
  begin(): void {
    this.#open.clear();
    this.#cut.clear();
  }

  note({ type, contentIndex, delta, toolCall }: CallUpdate): void {
    if (contentIndex === undefined) return;
    if (type === "toolcall_delta" && delta !== undefined) {
      let end = this.#open.get(contentIndex);
      if (!end) this.#open.set(contentIndex, (end = new JsonEnd()));
      end.add(delta);
    } else if (type === "toolcall_end" && toolCall) {
      if (this.#open.get(contentIndex)?.isCut) this.#cut.add(toolCall.id);
      this.#open.delete(contentIndex);
    }
  }

  isCut = (callId: string): boolean => this.#cut.has(callId);
}

/** Whether a JSON text that comes in pieces has ended: outside of a string, with every bracket closed. */
class JsonEnd {
  #chars = 0;
  #depth = 0;
  #inString = false;
  #isEscaped = false;

  add(piece: string): void {
    this.#chars += piece.length;
    if (this.#chars > MAX_CHARS) return;
    for (const char of piece) this.#step(char);
  }

  #step(char: string): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (this.#inString) {
      if (char === "\\") this.#isEscaped = true;
      else if (char === '"') this.#inString = false;
    } else if (char === '"') this.#inString = true;
    else if (char === "{" || char === "[") this.#depth++;
    else if (char === "}" || char === "]") this.#depth--;
  }

  get isCut(): boolean {
    return this.#inString || this.#depth > 0 || this.#chars > MAX_CHARS;
  }
}
