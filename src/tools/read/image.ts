import type { FileHandle } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { readAtMost } from "../../core/files.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { stoppedError, textResult } from "../results.ts";
import type { ToolContext, ToolResult } from "../tool.ts";
import { formatBytes } from "../truncation.ts";
import type { FittedImage, ImageRequest } from "./image-worker.ts";

/** The image within the limits of a result, or a text that says why it is not shown. Rejects when the call is stopped. */
export async function readImage(handle: FileHandle, mimeType: string, { signal, log }: ToolContext): Promise<ToolResult> {
  const bytes = await readAtMost(handle, Math.min((await handle.stat()).size, TOOL_LIMITS.imageFileBytes) + 1);
  const refusal = (why: string): ToolResult => textResult(`[Image ${mimeType} is not shown: ${why}. Convert it with a command.]`);
  if (bytes.length > TOOL_LIMITS.imageFileBytes) return refusal(`the file is larger than ${formatBytes(TOOL_LIMITS.imageFileBytes)}`);
  const { imageSide, imageChars, imagePixels } = TOOL_LIMITS;
  const fitted = await fitInWorker({ bytes, mimeType, side: imageSide, chars: imageChars, pixels: imagePixels }, signal);
  if ("problem" in fitted) {
    log.info("an image was not shown", { mimeType, bytes: bytes.length, reason: fitted.problem });
    return refusal(fitted.problem);
  }
  return {
    content: [
      { type: "text", text: describe(mimeType, fitted) },
      { type: "image", mimeType: fitted.mimeType, data: fitted.data },
    ],
    isError: false,
  };
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
