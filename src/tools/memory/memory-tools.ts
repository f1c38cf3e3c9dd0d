import { reasonOf } from "../../core/errors.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { sessionFilter, type Conversations, type SessionPolicy } from "../conversations.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { errorResult, fileError, quote, stoppedError, textResult } from "../results.ts";
import { around, toFoundLine, wordsOf } from "../shown-messages.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { keepFirstLines } from "../truncation.ts";
import { frameWebContent } from "../untrusted-content.ts";
import type { MemoryNotes } from "./memory-notes.ts";
import { isNotePath } from "./note-files.ts";
import type { NoteOwner } from "./note-index.ts";
import type { ToolEntry } from "../tool-entry.ts";

export type MemoryToolsOptions = {
  notes: Pick<MemoryNotes, "search" | "read">;
  conversations: Pick<Conversations, "agentOf" | "parentOf" | "search">;
  sessionPolicy: () => SessionPolicy;
};

const NOT_PRIVATE = "notes are shown only in conversations that only the owner reads, and this is not one";

/** `memory_search` and `memory_get`: what the agent has noted in its workspace, and with the first also earlier messages. */
export const createMemoryTools = (options: MemoryToolsOptions): readonly Tool[] => [
  {
    name: "memory_search",
    description:
      "Finds what was noted (MEMORY.md, USER.md, memory/**/*.md) and messages of earlier conversations, by words. Use it before you say that you do not remember.",
    parameters: {
      type: "object",
      properties: {
        query: { type: "string", description: "Words; those in other forms count as well" },
        maxResults: { type: "integer", minimum: 1, description: `${TOOL_LIMITS.foundNotes} by default, of notes and of messages each` },
        corpus: { type: "string", enum: ["memory", "sessions", "all"], description: "Notes, conversations, or both (default)" },
      },
      required: ["query"],
    },
    run: (args, context) => searchMemory(options, args, context),
  },
  {
    name: "memory_get",
    description: "Shows a note, or some lines of it.",
    parameters: {
      type: "object",
      properties: {
        path: { type: "string", description: "As memory_search names it, e.g. memory/2026-01-31.md" },
        from: { type: "integer", minimum: 1, description: "First line" },
        lines: { type: "integer", minimum: 1, description: "Number of lines" },
      },
      required: ["path"],
    },
    run: (args, context) => showNote(options, args, context),
  },
];

const ownerOf = ({ caller, workspace }: ToolContext): NoteOwner => ({
  agentId: caller.agentId,
  workspace,
  run: { runId: caller.runId, sessionKey: caller.sessionKey },
});

async function searchMemory(options: MemoryToolsOptions, args: JsonObject, context: ToolContext): Promise<ToolResult> {
  const words = wordsOf(asString(args["query"]));
  if (words.length === 0) return errorResult("Nothing was searched: the query has no words.");
  const corpus = asString(args["corpus"]) || "all";
  const asked = asNumber(args["maxResults"]);
  const wanted = asked === null ? null : Math.min(asked, TOOL_LIMITS.maxFoundNotes);
  const { isPrivate } = context.caller;
  if (corpus === "memory" && !isPrivate) return errorResult(`Nothing was searched: ${NOT_PRIVATE}.`);
  const notes =
    corpus === "sessions"
      ? null
      : isPrivate
        ? await findNotes(options, words, wanted, context)
        : { parts: [], remarks: ["No notes were searched: they are shown only in conversations that only the owner reads."] };
  const messages = corpus === "memory" ? [] : findMessages(options, words, wanted ?? TOOL_LIMITS.foundNotes, context);
  const parts = [...(notes?.parts ?? []), ...(messages.length > 0 ? [messages.join("\n")] : [])];
  const remarks = notes?.remarks ?? [];
  if (parts.length === 0) return textResult([`Nothing has the words ${quote(words.join(" "))}.`, ...remarks].join(" "));
  return textResult(frameWebContent({ source: "What was found", text: parts.join("\n\n"), notes: remarks }));
}

type FoundParts = { parts: readonly string[]; remarks: readonly string[] };

/** What cannot be searched is a remark: the messages are searched nevertheless. */
async function findNotes(
  { notes }: MemoryToolsOptions,
  words: readonly string[],
  wanted: number | null,
  context: ToolContext,
): Promise<FoundParts> {
  try {
    const { found, isAll, notes: remarks } = await notes.search(words.join(" "), wanted, ownerOf(context), context.signal);
    const parts = found.map(({ path, firstLine, lastLine, text }) => {
      return `${path}, lines ${firstLine} to ${lastLine}:\n${around(text, words, TOOL_LIMITS.foundNoteChars)}`;
    });
    const some = isAll || found.length === 0 ? [] : ["No note has all of the words; these have some of them."];
    return { parts, remarks: [...some, ...remarks] };
  } catch (err) {
    if (context.signal.aborted) throw stoppedError();
    const cause = reasonOf(err);
    context.log.warn("the notes of an agent could not be searched", { agent: context.caller.agentId, cause });
    return { parts: [], remarks: [`The notes could not be searched: ${cause}. The tools grep and read reach them.`] };
  }
}

function findMessages(options: MemoryToolsOptions, words: readonly string[], limit: number, { caller }: ToolContext): readonly string[] {
  const { conversations, sessionPolicy } = options;
  const isSearched = sessionFilter(conversations, caller, sessionPolicy());
  return conversations.search(words.slice(0, TOOL_LIMITS.searchedWords), limit, isSearched).map((hit) => toFoundLine(hit, words));
}

async function showNote({ notes }: MemoryToolsOptions, args: JsonObject, context: ToolContext): Promise<ToolResult> {
  const path = asString(args["path"]).replace(/^\.\//, "");
  if (!context.caller.isPrivate) return errorResult(`Nothing is shown: ${NOT_PRIVATE}.`);
  if (!isNotePath(path))
    return errorResult(`${quote(path)} is not a note: these are MEMORY.md, USER.md and memory/**/*.md. The tool read shows other files.`);
  let note;
  try {
    note = await notes.read(path, ownerOf(context));
  } catch (err) {
    throw fileError("show", path, err);
  }
  if (note === null) return errorResult(`Note ${quote(path)} was not found. memory_search lists the available ones.`);
  return textResult(toLines(note, asNumber(args["from"]) ?? 1, asNumber(args["lines"]) ?? Infinity));
}

/** The lines that a call wants, as far as they fit into a result, with what is left out. */
function toLines({ text, isCut }: { text: string; isCut: boolean }, from: number, count: number): string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) return "(the note is empty)";
  if (from > lines.length) return `(the note has ${lines.length} lines)`;
  const wanted = lines.slice(from - 1, from - 1 + count);
  const part = keepFirstLines(wanted.join("\n"));
  if (part.limit !== null && part.lines === 0) return `[Line ${from} is longer than a result. A command shows a part of it.]`;
  const last = from - 1 + (part.limit === null ? wanted.length : part.lines);
  if (from === 1 && last === lines.length && !isCut) return part.text;
  const rest = last < lines.length ? ` Continue with from=${last + 1}.` : isCut ? " The note is longer: the tool read shows the rest." : "";
  return `${part.text}\n\n[Lines ${from} to ${last} of ${lines.length}.${rest}]`;
}

export const memoryEntry: ToolEntry = {
  facts: {
    memory_search: { section: "memory", effect: "recall", profiles: ["coding"], isFound: true },
    memory_get: { section: "memory", effect: "recall", profiles: ["coding"], isFound: true },
  },
  create: createMemoryTools,
};
