import { GatewayError } from "../core/errors.ts";
import type { StoredBlock } from "../store/messages.ts";
import { resolveKey, type ChatDeps } from "./chat-context.ts";
import type { MethodParams } from "../protocol/method.ts";

/** What a browser may show as a picture. Nothing else leaves through this method, whatever a channel has stored. */
const PICTURES: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

const isImage = (block: StoredBlock | undefined): block is Extract<StoredBlock, { type: "image" }> => block?.type === "image";

/**
 * chat.media: one picture of a message, which the history leaves out when it is large. `index` is its place in the message's content.
 * Throws NOT_FOUND for a message of another session and for a part that is not a picture, UNAVAILABLE when its file is gone.
 */
export async function chatMedia(deps: ChatDeps, params: MethodParams<"chat.media">): Promise<{ mimeType: string; data: string }> {
  const { sessionKey, agentId, messageId, index } = params;
  const { key } = resolveKey(deps, sessionKey, agentId);
  const message = deps.messages.byId(messageId);
  const content = message?.sessionKey === key ? message.body.content : undefined;
  const block = typeof content === "string" ? undefined : content?.[index];
  if (!isImage(block))
    throw new GatewayError("NOT_FOUND", "the picture was not found in this session; it may have been removed with its message");
  if (!PICTURES.has(block.mimeType)) throw new GatewayError("NOT_FOUND", "this file is not a picture that can be shown");
  const { mimeType, data } = await deps.media.loadImage(block);
  return { mimeType, data };
}
