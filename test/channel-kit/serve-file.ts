import type { ServerResponse } from "node:http";

/**
 * Answers a download. What a file does is in its name, as the model of the tests has it in the text: one whose name begins with
 * `stalled` stops in the middle and says nothing more, `broken` ends there, every other one is complete. Undefined: there is none.
 */
export function serveFile(response: ServerResponse, name: string, bytes: Uint8Array | undefined, type = "application/octet-stream"): void {
  if (!bytes) return void response.writeHead(404).end();
  response.writeHead(200, { "content-type": type, "content-length": bytes.length });
  const half = bytes.subarray(0, bytes.length >> 1);
  if (name.startsWith("stalled")) response.write(half);
  else if (name.startsWith("broken")) response.write(half, () => response.destroy());
  else response.end(bytes);
}
