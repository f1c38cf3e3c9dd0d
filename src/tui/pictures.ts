import type { ProtocolClient } from "../client/protocol-client.ts";
import type { PictureBlock } from "./item-lines.ts";
import { TUI_LIMITS } from "./limits.ts";
import { getCapabilities, Image } from "./toolkit.ts";

const SHOWN_TYPES = /^image\/(?:png|jpeg|gif|webp)$/;
const BASE64 = /^[a-z0-9+/]+={0,2}$/i;
const MAX_COLUMNS = 60;
const MAX_ROWS = 20;

type Picture = Image | "asked" | "none";

/** Pictures of messages, for terminals that show some: from their rows, or read from the gateway, once each. */
export class Pictures {
  readonly #request: ProtocolClient["request"];
  readonly #onRead: () => void;
  readonly #pictures = new Map<string, Picture>();

  /** `request` rejects while the gateway is not connected. */
  constructor(request: ProtocolClient["request"], onRead: () => void) {
    this.#request = request;
    this.#onRead = onRead;
  }

  /** Null where the terminal shows no pictures, and for one that is not there (yet). */
  lines(sessionKey: string, block: PictureBlock, width: number): readonly string[] | null {
    if (getCapabilities().images === null) return null;
    const name = block.data === null ? `${sessionKey}/${block.source?.messageId}/${block.source?.index}` : block.data;
    const known = this.#pictures.get(name);
    if (known === undefined) this.#read(name, sessionKey, block);
    const picture = this.#pictures.get(name);
    return picture instanceof Image ? picture.render(Math.min(width, MAX_COLUMNS)) : null;
  }

  #read(name: string, sessionKey: string, { mimeType, data, sizeBytes, source }: PictureBlock): void {
    if (data !== null) return this.#keep(name, mimeType, data);
    const messageId = source?.messageId ?? null;
    if (messageId === null || (sizeBytes ?? 0) > TUI_LIMITS.imageBytes) return void this.#pictures.set(name, "none");
    this.#pictures.set(name, "asked");
    this.#request<{ mimeType: string; data: string }>("chat.media", { sessionKey, messageId, index: source?.index }).then(
      (answer) => {
        this.#keep(name, answer.mimeType, answer.data);
        this.#onRead();
      },
      // The line with its kind and size stays; it is asked for again after the next drawing of its message.
      () => this.#pictures.delete(name),
    );
  }

  #keep(name: string, mimeType: string, data: string): void {
    const fits = SHOWN_TYPES.test(mimeType) && data.length <= (TUI_LIMITS.imageBytes * 4) / 3 && BASE64.test(data);
    const options = { maxWidthCells: MAX_COLUMNS, maxHeightCells: MAX_ROWS };
    this.#pictures.set(name, fits ? new Image(data, mimeType, { fallbackColor: (text) => text }, options) : "none");
    for (const oldest of [...this.#pictures.keys()].slice(0, Math.max(0, this.#pictures.size - TUI_LIMITS.images)))
      this.#pictures.delete(oldest);
  }
}
