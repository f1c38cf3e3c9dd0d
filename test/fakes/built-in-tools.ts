import { createBuiltInTools, type BuiltInToolOptions } from "../../src/tools/built-in.ts";
import type { Tool } from "../../src/tools/tool.ts";
import { noConversations } from "./no-conversations.ts";
import { noImageModels } from "./no-image-models.ts";
import { noJobs } from "./no-jobs.ts";
import { noTasks } from "./no-tasks.ts";
import { noNodes } from "./no-nodes.ts";
import { noMessages } from "./no-messages.ts";
import { noNotes } from "./no-notes.ts";
import { openGate } from "./open-gate.ts";
import { testMarker } from "./test-marker.ts";

/** The built-in tools of a gateway without channels, conversations and models. */
export const builtInTools = (options: Partial<BuiltInToolOptions> = {}): readonly Tool[] =>
  createBuiltInTools({
    env: { HOME: "/home" },
    marker: testMarker(),
    tempDir: "/nonexistent",
    config: () => ({}),
    variables: () => undefined,
    conversations: noConversations,
    notes: noNotes,
    messages: noMessages,
    images: noImageModels,
    jobs: noJobs,
    tasks: noTasks,
    nodes: noNodes,
    gate: openGate,
    ...options,
  });
