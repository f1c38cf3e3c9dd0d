import type { Conversations } from "../../src/tools/conversations.ts";

/** A gateway without conversations. */
export const noConversations: Conversations = {
  list: () => [],
  parentOf: () => null,
  below: () => [],
  agents: () => [],
  agentOf: () => null,
  page: () => ({ messages: [], next: null }),
  search: () => [],
};
