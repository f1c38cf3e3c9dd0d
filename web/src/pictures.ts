/** Pictures of messages that their rows do not carry: from this tab's memory, or from the gateway, once each. */
import { gateway } from "./live.ts";
import { keptPicture } from "./store.ts";
import type { Source } from "./items.ts";

const SHOWN = /^image\/(png|jpeg|gif|webp|avif)$/;
/** Pictures of the gateway that are kept, so that scrolling back and forth asks once. */
const KEPT = 24;

const fetched = new Map<string, Promise<string | null>>();

/** The address of a picture that may be shown; null for everything else. */
export const toDataUrl = (mimeType: string, data: string): string | null =>
  SHOWN.test(mimeType) && /^[a-z0-9+/=\s]+$/i.test(data) ? `data:${mimeType};base64,${data}` : null;

/** A picture that was sent from this tab. */
export function sentPicture({ sentAs, at }: Source): string | null {
  const kept = sentAs === null ? undefined : keptPicture(sentAs, at);
  return kept === undefined ? null : toDataUrl(kept.mimeType, kept.content);
}

/** Asks the gateway. Rejects with RequestError; null for a picture of a kind that is not shown. */
export function storedPicture(sessionKey: string, messageId: string, index: number): Promise<string | null> {
  const name = JSON.stringify([sessionKey, messageId, index]);
  const known = fetched.get(name);
  if (known !== undefined) return known;
  const asked = gateway()
    .request<{ mimeType: string; data: string }>("chat.media", { sessionKey, messageId, index })
    .then(({ mimeType, data }) => toDataUrl(mimeType, data));
  asked.catch(() => fetched.delete(name));
  fetched.set(name, asked);
  for (const oldest of [...fetched.keys()].slice(0, Math.max(0, fetched.size - KEPT))) fetched.delete(oldest);
  return asked;
}
