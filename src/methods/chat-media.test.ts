import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { chatMedia } from "./chat-media.ts";
import type { ChatDeps } from "./chat-context.ts";

const content = [
  { type: "text", text: "look" },
  { type: "image", mimeType: "image/png", file: "a".repeat(64), sizeBytes: 3 },
  { type: "image", mimeType: "image/svg+xml", data: "PHN2Zy8+" },
];

const deps = {
  defaultAgent: () => "main",
  agentIds: () => ["main"],
  canAnswer: (agentId: string) => agentId === "main",
  mainKey: () => undefined,
  messages: {
    byId: (id: string) => (id === "m1" ? { sessionKey: "agent:main:web-1", body: { role: "user", content } } : undefined),
  },
  media: { loadImage: async (image: { mimeType: string }) => ({ mimeType: image.mimeType, data: "AAAA" }) },
} as unknown as ChatDeps;

const missing = (err: unknown): boolean => err instanceof GatewayError && err.code === "NOT_FOUND";

test("a picture that the history leaves out is given for its message", async () => {
  const found = await chatMedia(deps, { sessionKey: "agent:main:web-1", messageId: "m1", index: 1 });
  assert.deepEqual(found, { mimeType: "image/png", data: "AAAA" });
});

test("nothing else is given: another session, another part, an unknown message, a picture with active content", async () => {
  for (const params of [
    { sessionKey: "agent:main:other", messageId: "m1", index: 1 },
    { sessionKey: "agent:main:web-1", messageId: "m1", index: 0 },
    { sessionKey: "agent:main:web-1", messageId: "m1", index: 9 },
    { sessionKey: "agent:main:web-1", messageId: "m2", index: 1 },
    { sessionKey: "agent:main:web-1", messageId: "m1", index: 2 },
  ]) {
    await assert.rejects(chatMedia(deps, params), missing, JSON.stringify(params));
  }
});
