import type { Mutant } from "./mutant.ts";

const PERMISSIONS = "src/turns/permissions.test.ts";
const MEMORY = "src/gateway/agent-memory.test.ts";
const MESSAGES = "src/gateway/tool-messages.test.ts";

/** Guards of what agents remember for their owners, and of whom they write to. */
export const MEMORY_MUTANTS: readonly Mutant[] = [
  {
    invariant: 11,
    breaks: "notes are for owners",
    file: "src/turns/permissions.ts",
    text: "return grant.owner && session",
    broken: "return session",
    tests: [PERMISSIONS],
  },
  {
    invariant: 11,
    breaks: "notes are not for rooms",
    file: "src/turns/permissions.ts",
    text: 'session?.chat_kind === "direct" && isBack',
    broken: "session !== undefined && isBack",
    tests: [PERMISSIONS],
  },
  {
    invariant: 11,
    breaks: "notes are not for an answer that is sent elsewhere",
    file: "src/turns/permissions.ts",
    text: "payload.target === null : payload",
    broken: "true : payload",
    tests: [PERMISSIONS],
  },
  {
    invariant: 11,
    breaks: "a search shows notes in private only",
    file: "src/tools/memory/memory-tools.ts",
    text: "      : isPrivate",
    broken: "      : isPrivate || limit > 0",
    tests: [MEMORY],
  },
  {
    invariant: 11,
    breaks: "a note is shown in private only",
    file: "src/tools/memory/memory-tools.ts",
    text: "if (!context.caller.isPrivate) return",
    broken: "if (false) return",
    tests: [MEMORY],
  },
  {
    invariant: 8,
    breaks: "what is shown as a note is one",
    file: "src/tools/memory/memory-tools.ts",
    text: "if (!isNotePath(path))",
    broken: 'if (path === "")',
    tests: [MEMORY],
  },
  {
    invariant: 8,
    breaks: "notes are in the workspace, whatever a call may use beside it",
    file: "src/tools/memory/memory-notes.ts",
    text: "outside: [],",
    broken: 'outside: ["/"],',
    tests: [MEMORY],
  },
  {
    invariant: 11,
    breaks: "what was noted is in no prompt that others cause",
    file: "src/agents/system-prompt.ts",
    text: "turn.isPrivate ? files",
    broken: "turn.isPrivate || files ? files",
    tests: ["src/agents/system-prompt.test.ts"],
  },
  {
    invariant: 11,
    breaks: "a call writes in its own conversation unless a setting opens others",
    file: "src/gateway/tool-messages.ts",
    text: "if (isAllowed) return;",
    broken: "if (isAllowed || rule) return;",
    tests: [MESSAGES],
  },
  {
    invariant: 11,
    breaks: "people on channels take back only what the agent has sent",
    file: "src/gateway/tool-messages.ts",
    text: 'if (action === "delete" && caller.surface === "channel") this',
    broken: 'if (action === "none") this',
    tests: [MESSAGES],
  },
  {
    invariant: 11,
    breaks: "the last chat of a session is not that of the person who writes",
    file: "src/gateway/tool-messages.ts",
    text: 'if (target !== null || surface === "channel") return target;',
    broken: "if (target !== null) return target;",
    tests: [MESSAGES],
  },
  {
    invariant: 11,
    breaks: "a session that may not send does not send",
    file: "src/gateway/tool-messages.ts",
    text: "if (isSendDenied(this.#deps.sessions.get(caller.sessionKey)))",
    broken: "if (isSendDenied(undefined))",
    tests: [MESSAGES],
  },
  {
    invariant: 8,
    breaks: "an agent sends files and no addresses",
    file: "src/tools/message/message.ts",
    text: "return /^[a-z][a-z0-9+.-]*:/i.test(media)",
    broken: "return /^ftp:/i.test(media)",
    tests: [MESSAGES],
  },
];
