/** Invented MCP servers for the scripted gateway. */
type Params = Record<string, unknown>;
type Row = Record<string, unknown> & { name: string };

const SINCE = Date.UTC(2026, 2, 14, 9, 41);

const row = (name: string, state: string, more: object = {}): Row => ({
  name,
  enabled: true,
  state,
  cause: null,
  since: SINCE,
  retryAt: null,
  transport: "stdio",
  launch: "npx",
  pid: state === "ready" ? 4711 : null,
  tools: null,
  resources: null,
  prompts: null,
  withheld: [],
  leftOut: [],
  refused: [],
  signedIn: null,
  ...more,
});

const tool = (server: string, name: string, says: string, more: object = {}): object => ({
  name,
  id: `${server}__${name}`,
  description: `A tool of the MCP server ${server}, which says of it: ${JSON.stringify(says)}`,
  parameters: { type: "object" },
  hash: "h",
  withheld: null,
  isGranted: true,
  rule: "operators have all tools that nothing denies",
  ...more,
});

export class ScriptedMcp {
  #isAccepted = false;
  #isSignedIn = false;
  #isEmpty = false;

  reset(): void {
    this.#isAccepted = false;
    this.#isSignedIn = false;
    this.#isEmpty = false;
  }

  /** No server is configured. */
  empty(): void {
    this.#isEmpty = true;
  }

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Params): unknown {
    const { name } = params;
    if (method === "mcp.status") return { servers: this.#rows().filter((each) => name === undefined || each.name === name) };
    if (method === "mcp.tools") return { server: name, state: "ready", cause: null, tools: this.#tools(String(name)), leftOut: [] };
    if (method === "mcp.reload") return { reloaded: [name] };
    if (method === "mcp.login.start") return { name, url: "https://auth.example.org/authorize?state=s1" };
    if (method === "mcp.accept") {
      this.#isAccepted = true;
      return { server: name, accepted: ["delete_file"], tools: 3 };
    }
    if (method !== "mcp.login.finish" && method !== "mcp.logout") return undefined;
    this.#isSignedIn = method === "mcp.login.finish";
    return { name, signedIn: this.#isSignedIn };
  }

  #rows(): readonly Row[] {
    if (this.#isEmpty) return [];
    const withheld = this.#isAccepted ? [] : [{ name: "delete_file", reason: "new" }];
    return [
      row("files", "ready", { tools: 3, resources: 2, prompts: 0, withheld, refused: ["sampling/createMessage"] }),
      row("docs", "failed", {
        transport: "streamable-http",
        launch: "https://mcp.example.org/mcp",
        cause: this.#isSignedIn ? "it answered with HTTP 502" : "it wants you to sign in: openclaw mcp login docs",
        signedIn: this.#isSignedIn,
      }),
      row("memory", "idle", { launch: "uvx" }),
      row("old", "off", { enabled: false, launch: "node" }),
    ];
  }

  #tools(server: string): readonly object[] {
    if (server !== "files") return [];
    return [
      tool("files", "read_file", "Reads a file."),
      tool("files", "write_file", "Writes a file.", { isGranted: false, rule: "tools.deny" }),
      tool("files", "delete_file", "Deletes a file, for good.", { withheld: this.#isAccepted ? null : "new" }),
    ];
  }
}
