import { clip, firstSentence } from "../../core/text.ts";
import { textResult } from "../results.ts";
import { isFound, MORE_TOOLS, TOOL_SOURCES, type Tool, type ToolCaller, type ToolContext, type ToolDescription } from "../tool.ts";
import { rankTools } from "./rank-tools.ts";

/** Tools that a result describes with their parameters; of the others it has the first sentence. */
const DESCRIBED = 4;
const NAMED = 30;
const SENTENCE_CHARS = 160;

/** How long a search waits for tools of other programs. */
const SOURCE_MS = 2_000;

export type MoreToolsOptions = {
  /** The built-in tools by their names. */
  describe: (names: readonly string[]) => readonly ToolDescription[];
  /** The tools of other programs that the caller may call, as far as they are known when `signal` aborts. */
  listSource: (caller: ToolCaller, signal: AbortSignal) => Promise<readonly ToolDescription[]>;
};

/**
 * The tool with which a model finds the tools that it does not read with every request. A call with a name never gets here: it is a call of
 * the tool with that name, see toMeantCall.
 */
export function createMoreToolsTool({ describe, listSource }: MoreToolsOptions): Tool {
  const listFindable = async ({ caller, signal }: ToolContext): Promise<readonly ToolDescription[]> => {
    const own = describe(caller.tools.filter(isFound));
    if (!TOOL_SOURCES.some((source) => caller.tools.includes(source))) return own;
    return [...own, ...(await listSource(caller, AbortSignal.any([signal, AbortSignal.timeout(SOURCE_MS)])))];
  };
  return {
    name: MORE_TOOLS,
    description:
      "Finds further tools (past conversations, a browser, messages to people, notes, and others) by words, and calls one. First `query`: the answer has names and parameters. Then `name` and `arguments`.",
    parameters: {
      type: "object",
      properties: {
        query: { type: "string", description: "What the tool should do. Empty: all of them." },
        name: { type: "string", description: "The tool to call." },
        arguments: { type: "object", description: "Its arguments." },
      },
    },
    run: async ({ query = "" }, context) => {
      const tools = await listFindable(context);
      const matching = rankTools(tools, String(query));
      return textResult(toText(matching.length > 0 ? matching : tools, matching.length > 0));
    },
  };
}

function toText(tools: readonly ToolDescription[], isMatch: boolean): string {
  const head = isMatch ? `Tools that match, the best first:` : `No tool matches these words. All further tools:`;
  const described = tools
    .slice(0, DESCRIBED)
    .map(({ name, description, parameters }) => `${name}: ${description}\nParameters: ${JSON.stringify(parameters)}`);
  const named = tools
    .slice(DESCRIBED, NAMED)
    .map(({ name, description }) => `${name}: ${clip(firstSentence(description), SENTENCE_CHARS)}`);
  const rest = tools.length > NAMED ? [`${tools.length - NAMED} more: use other words.`] : [];
  return [head, ...described, ...(named.length > 0 ? [named.join("\n")] : []), ...rest].join("\n\n");
}
