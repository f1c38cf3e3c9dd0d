import type { Readable, Writable } from "node:stream";
import { Server } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { fieldsOf } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import { VERSION } from "../core/version.ts";
import { checkToolArguments, type ServedTool } from "./mcp-serve-arguments.ts";

export type McpServeOptions = {
  tools: readonly ServedTool[];
  instructions: string;
  /** Capabilities beyond the protocol, such as `claude/channel`. */
  experimental: Record<string, Record<string, never>>;
  input: Readable;
  output: Writable;
  onProblem: (err: Error) => void;
};

export type McpServing = {
  /** Resolves when the client has ended its side. */
  ended: Promise<void>;
  /** A notification beyond the protocol. */
  notify: (method: string, params: Record<string, unknown>) => Promise<void>;
  close: () => Promise<void>;
};

/** Serves tools to one client over two streams, which carry nothing else. */
export async function serveMcp({ tools, instructions, experimental, input, output, onProblem }: McpServeOptions): Promise<McpServing> {
  const server = new Server(
    { name: "openclaw", version: VERSION },
    { capabilities: { tools: {}, ...(Object.keys(experimental).length > 0 && { experimental }) }, instructions },
  );
  const ended = Promise.withResolvers<void>();
  Object.assign(server, { onerror: onProblem, onclose: () => ended.resolve() });
  server.setRequestHandler("tools/list", () => ({
    tools: tools.map(({ name, description, fields, required = [] }) => ({
      name,
      description,
      inputSchema: { type: "object" as const, properties: fields, ...(required.length > 0 && { required: [...required] }) },
    })),
  }));
  server.setRequestHandler("tools/call", async ({ params }, { mcpReq }) => {
    const tool = tools.find(({ name }) => name === params.name);
    if (!tool) return toFailure(`there is no tool ${JSON.stringify(params.name.slice(0, 64))}: tools/list has them`);
    const args = fieldsOf(params.arguments);
    const problem = checkToolArguments(tool, args);
    if (problem !== null) return toFailure(problem);
    const answer = await tool.run(args, mcpReq.signal);
    if (typeof answer["failure"] === "string") return toFailure(answer["failure"]);
    // Clients that do not read structured content have the same as text.
    return { content: [{ type: "text", text: JSON.stringify(answer) }], structuredContent: answer };
  });
  await server.connect(new StdioServerTransport(input, output, { maxBufferSize: LIMITS.mcpServeMessageBytes }));
  return {
    ended: ended.promise,
    notify: (method, params) => server.notification({ method, params }),
    close: () => server.close(),
  };
}

const toFailure = (text: string) => ({ content: [{ type: "text" as const, text }], isError: true });
