/** Pictures of messages that their rows do not carry: from this tab's memory, or from the gateway, once each. */
import { requireClient } from "./sync.ts";
import { rememberedPicture } from "./state.ts";
import type { ImageSource } from "../../src/client/conversation/transcript-items.ts";

const DISPLAYABLE_TYPES = /^image\/(png|jpeg|gif|webp|avif)$/;
/** Pictures of the gateway that are kept, so that scrolling back and forth asks once. */
const MAX_CACHED = 24;

const pictureCache = new Map<string, Promise<string | null>>();

/** The address of a picture that may be shown; null for everything else. */
export const toDataUrl = (mimeType: string, data: string): string | null =>
  DISPLAYABLE_TYPES.test(mimeType) && /^[a-z0-9+/=\s]+$/i.test(data) ? `data:${mimeType};base64,${data}` : null;

/** A picture that was sent from this tab. */
export function sentPicture({ sentAs, at }: ImageSource): string | null {
  const kept = sentAs === null ? undefined : rememberedPicture(sentAs, at);
  return kept === undefined ? null : toDataUrl(kept.mimeType, kept.content);
}

/** Asks the gateway. Rejects with RequestError; null for a picture of a kind that is not shown. */
export function storedPicture(sessionKey: string, messageId: string, index: number): Promise<string | null> {
  const name = JSON.stringify([sessionKey, messageId, index]);
  const known = pictureCache.get(name);
  if (known !== undefined) return known;
  const asked = requireClient()
    .request<{ mimeType: string; data: string }>("chat.media", { sessionKey, messageId, index })
    .then(({ mimeType, data }) => toDataUrl(mimeType, data));
  asked.catch(() => pictureCache.delete(name));
  pictureCache.set(name, asked);
  for (const oldest of [...pictureCache.keys()].slice(0, Math.max(0, pictureCache.size - MAX_CACHED))) pictureCache.delete(oldest);
  return asked;
}
