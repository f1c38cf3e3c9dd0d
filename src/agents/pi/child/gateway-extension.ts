import type { ToolContent, ToolDescription, ToolResult } from "../../../tools/tool.ts";
import type { ToolRequest, TurnGrant } from "../records.ts";
import type { CallUpdate } from "./call-arguments.ts";
import { redactKeys } from "./keys.ts";

/** The part of Pi's extension context that is used here. */
export type ExtensionContext = {
  ui: {
    input(title: string, placeholder: string, options?: { signal?: AbortSignal | undefined }): Promise<string | undefined>;
    notify(message: string, type?: "info"): void;
  };
};

type UpdateHandler = (partial: { content: readonly ToolContent[]; details: unknown }) => void;
type PiTool = ToolDescription & {
  label: string;
  execute(
    id: string,
    args: unknown,
    signal: AbortSignal | undefined,
    onUpdate: UpdateHandler | undefined,
    context: ExtensionContext,
  ): Promise<{ content: readonly ToolContent[]; details: unknown }>;
};
type Handler<E> = (event: E, context: ExtensionContext) => unknown;

/** The part of Pi's extension interface that is used here. */
export type PiApi = {
  on(event: "before_agent_start", handler: Handler<unknown>): void;
  on(event: "tool_call", handler: Handler<{ toolName: string }>): void;
  on(event: "user_bash", handler: Handler<unknown>): void;
  on(event: "session_start", handler: Handler<unknown>): void;
  on(event: "message_start", handler: Handler<unknown>): void;
  on(event: "message_update", handler: Handler<{ assistantMessageEvent: CallUpdate }>): void;
  on(event: "message_end", handler: Handler<{ message: { role: string; errorMessage?: string } }>): void;
  registerTool(tool: PiTool): void;
  getActiveTools(): readonly string[];
  setActiveTools(names: readonly string[]): void;
  registerProvider(name: string, provider: Record<string, unknown>): void;
};

/** How one Pi session reaches the gateway. */
export type GatewayPort = {
  /** The grant of the run that is about to start. Rejects without one; the run then has no tools and fails. */
  grant(context: ExtensionContext): Promise<TurnGrant>;
  /** Has the gateway run a call; `onUpdate` gets the intermediate results. */
  runTool(
    call: ToolRequest,
    signal: AbortSignal | undefined,
    onUpdate: (content: readonly ToolContent[]) => void,
    context: ExtensionContext,
  ): Promise<ToolResult>;
  /** Whether the arguments of a call ended before they were complete. */
  isCut(callId: string): boolean;
  /** Provider keys: when a provider repeats the key that it rejects, the key reaches neither the transcript nor a person. */
  secrets: readonly string[];
};

const CUT_CALL =
  "Nothing was run: the arguments of this call ended before they were complete. Make the call again with all of its arguments, and in smaller parts if they are long.";

/** The tools that some run of this process was granted: most sessions are granted the same. None is active by that. */
const grantedBefore = new Map<string, ToolDescription>();

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((name, at) => name === b[at]);

/**
 * What Pi may do, decided by the gateway: each run has exactly the system prompt and the tools of its grant, and each call of a tool
 * is run by the gateway. Pi's own tools are never active.
 */
export function gatewayExtension(pi: PiApi, port: GatewayPort): void {
  let granted: ReadonlySet<string> = new Set();
  /** What each registered tool looks like, as JSON: registering is not free. */
  const registered = new Map<string, string>();

  /** True when Pi did not have exactly this tool. */
  const register = (tool: ToolDescription): boolean => {
    const shape = JSON.stringify(tool);
    if (registered.get(tool.name) === shape) return false;
    registered.set(tool.name, shape);
    grantedBefore.set(tool.name, tool);
    const { name, description, parameters } = tool;
    pi.registerTool({
      name,
      label: name,
      description,
      parameters,
      async execute(id, args, signal, onUpdate, context) {
        if (port.isCut(id)) throw new Error(CUT_CALL);
        const show = (content: readonly ToolContent[]): void => onUpdate?.({ content, details: {} });
        const { content, isError } = await port.runTool({ id, name, args }, signal, show, context);
        if (isError) throw new Error(content.map((part) => (part.type === "text" ? part.text : "[image]")).join("\n"));
        return { content, details: {} };
      },
    });
    return true;
  };

  const grantTools = (tools: readonly ToolDescription[]): void => {
    const isNew = tools.filter(register).length > 0;
    const names = tools.map(({ name }) => name);
    granted = new Set(names);
    // Pi builds its prompt again with each change.
    if (isNew || !isSame(names, pi.getActiveTools())) pi.setActiveTools(names);
  };

  // While an extension is loaded, Pi registers tools without building its prompt again for each.
  for (const tool of grantedBefore.values()) register(tool);
  pi.on("session_start", () => grantTools([]));
  pi.on("before_agent_start", async (_event, context) => {
    // No call is allowed until the grant of this run is here.
    granted = new Set();
    try {
      const grant = await port.grant(context);
      grantTools(grant.tools);
      return { systemPrompt: grant.system };
    } catch (err) {
      grantTools([]);
      throw err;
    }
  });
  pi.on("tool_call", ({ toolName: name }) =>
    granted.has(name) ? undefined : { block: true, reason: `The tool ${name} is not available in this conversation.` },
  );
  pi.on("message_end", ({ message }) => {
    if (message.role !== "assistant" || message.errorMessage === undefined) return undefined;
    const shown = redactKeys(message, port.secrets);
    return shown === message ? undefined : { message: shown };
  });
  pi.on("user_bash", () => ({ result: { output: "Not available.", exitCode: 1, cancelled: false, truncated: false } }));
}
