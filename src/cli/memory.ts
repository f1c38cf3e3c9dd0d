import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { sanitizeLine } from "./terminal-text.ts";

type FoundNote = { path: string; firstLine: number; lastLine: number; text: string; score: number };
type SearchAnswer = { agentId: string; results: FoundNote[]; hasAllWords: boolean; notes: string[] };
export type StatusAnswer = {
  agentId: string;
  workspace: string;
  notes: number;
  chunks: number;
  waiting: number;
  problems: string[];
  embeddings?: Embeddings | null;
};
type Embeddings = { provider: string; model: string; chunks: number; waiting: number; problem: string | null };

/** Characters of a part of a note that the terminal shows. */
const SHOWN_CHARS = 300;

function agentOf(invocation: Invocation): { agentId?: string } {
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  return agentId === undefined ? {} : { agentId };
}

/** `openclaw memory search <words>` */
export const memorySearch: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const maxResults = invocation.number("max-results");
  const params = { query: invocation.args.join(" "), ...agentOf(invocation), ...(maxResults !== undefined && { maxResults }) };
  const answer = await callGateway<SearchAnswer>(invocation, ["operator.read"], "memory.search", params);
  out.result(answer, () => {
    if (answer.results.length === 0) out.line(sanitizeLine(`No note of the agent ${answer.agentId} has these words.`));
    else if (!answer.hasAllWords) out.line("No note has all of the words; these have some of them.");
    for (const { path, firstLine, lastLine, text } of answer.results) {
      out.line(sanitizeLine(`${path}, lines ${firstLine} to ${lastLine}`));
      out.line(sanitizeLine(`  ${shorten(text)}`));
    }
    for (const note of answer.notes) out.note(sanitizeLine(note));
  });
};

const shorten = (text: string): string => {
  const line = text.replaceAll(/\s+/gu, " ").trim();
  return line.length <= SHOWN_CHARS ? line : `${line.slice(0, SHOWN_CHARS).toWellFormed()}...`;
};

/** `openclaw memory status` */
export const memoryStatus: CommandHandler = async (invocation) => {
  show(invocation, await callGateway<StatusAnswer>(invocation, ["operator.read"], "memory.status", agentOf(invocation)));
};

/** `openclaw memory index` */
export const memoryIndex: CommandHandler = async (invocation) => {
  const params = { ...agentOf(invocation), ...(invocation.has("force") && { force: true }) };
  show(invocation, await callGateway<StatusAnswer>(invocation, ["operator.write"], "memory.index", params));
};

/** How far notes can be found by what they mean. */
function embeddingText(embeddings: Embeddings | null): string {
  if (embeddings === null) return "Embeddings: off, only words count";
  const { provider, model, chunks, waiting, problem } = embeddings;
  const what = provider === "" ? "" : ` ${provider}, model ${model}, vectors: ${chunks}, to be made: ${waiting}`;
  return `Embeddings:${what}${problem === null ? "" : `${what === "" ? " " : "; "}not usable now: ${problem}`}`;
}

function show({ out }: Invocation, status: StatusAnswer): void {
  out.result(status, () => {
    out.line(sanitizeLine(`Agent ${status.agentId}, workspace ${status.workspace}`));
    out.line(`Notes in the index: ${status.notes}, parts of them: ${status.chunks}, changed since: ${status.waiting}`);
    out.line(sanitizeLine(embeddingText(status.embeddings ?? null)));
    for (const problem of status.problems) out.line(sanitizeLine(problem));
    if (status.notes + status.waiting === 0)
      out.note("Notes are MEMORY.md, USER.md and the Markdown files below memory/ in the workspace.");
  });
}
