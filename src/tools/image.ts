import type { FileHandle } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { readAtMost } from "../core/files.ts";
import { TOOL_LIMITS } from "./limits.ts";
import { stoppedError, textResult } from "./results.ts";
import type { ToolContent, ToolContext, ToolResult } from "./tool.ts";
import { formatBytes } from "./truncation.ts";
import type { FittedImage, ImageRequest } from "./image-worker.ts";

/** The image within the limits of a result, or a text that says why it is not shown. Rejects when the call is stopped. */
export async function readImage(handle: FileHandle, mimeType: string, { signal, log }: ToolContext): Promise<ToolResult> {
  const bytes = await readAtMost(handle, Math.min((await handle.stat()).size, TOOL_LIMITS.imageFileBytes) + 1);
  const image = await fitImage(bytes, mimeType, signal);
  if ("problem" in image) {
    log.info("an image was not shown", { mimeType, bytes: bytes.length, reason: image.problem });
    return textResult(`[Image ${mimeType} is not shown: ${image.problem}. Convert it with a command.]`);
  }
  return { content: [{ type: "text", text: image.description }, image.content], isError: false };
}

/** An image as models read it, with its type and size in words. */
export type ShownImage = { description: string; content: Extract<ToolContent, { type: "image" }> };

/**
 * An image within the limits of a result, and `chars` of base64 at most; `problem`: why there is none, as the end of a sentence. Rejects when the
 * call is stopped.
 */
export async function fitImage(
  bytes: Uint8Array,
  mimeType: string,
  signal: AbortSignal,
  chars: number = TOOL_LIMITS.imageChars,
): Promise<ShownImage | { problem: string }> {
  if (bytes.length > TOOL_LIMITS.imageFileBytes) return { problem: `the file is larger than ${formatBytes(TOOL_LIMITS.imageFileBytes)}` };
  const { imageSide, imagePixels } = TOOL_LIMITS;
  const fitted = await fitInWorker({ bytes, mimeType, side: imageSide, chars, pixels: imagePixels }, signal);
  if ("problem" in fitted) return fitted;
  return { description: describe(mimeType, fitted), content: { type: "image", mimeType: fitted.mimeType, data: fitted.data } };
}

/** Coordinates in a smaller copy must be converted to point at something in the file. */
function describe(mimeType: string, { mimeType: shown, width, height, originalWidth, originalHeight }: FittedImage): string {
  const converted = shown === mimeType ? "" : `, converted to ${shown}`;
  if (width === originalWidth) return `[Image ${mimeType}, ${width} x ${height} pixels${converted}]`;
  const factor = (originalWidth / width).toFixed(2);
  return `[Image ${mimeType}, ${originalWidth} x ${originalHeight} pixels${converted}; shown with ${width} x ${height}: multiply coordinates by ${factor}]`;
}

/** Decoding takes long and may run out of memory: it has a thread of its own, which is ended with the call. */
async function fitInWorker(request: ImageRequest, signal: AbortSignal): Promise<FittedImage | { problem: string }> {
  const entry = new URL(import.meta.url.endsWith(".ts") ? "./image-worker.ts" : "./image-worker.js", import.meta.url);
  const worker = new Worker(entry, { workerData: request, env: {} });
  const { promise, resolve, reject } = Promise.withResolvers<FittedImage | { problem: string }>();
  const onAbort = (): void => reject(stoppedError());
  const timer = setTimeout(() => resolve({ problem: "reading it took too long" }), TOOL_LIMITS.imageMs);
  worker.once("message", resolve);
  worker.once("error", (err) => resolve({ problem: `it could not be decoded (${err.message.slice(0, 100)})` }));
  worker.once("exit", () => resolve({ problem: "it could not be decoded" }));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    await worker.terminate();
  }
}
