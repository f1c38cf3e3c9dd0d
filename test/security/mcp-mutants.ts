import type { Mutant } from "./mutant.ts";

const SERVERS = "src/mcp/servers.test.ts";
const HOSTILE = "src/mcp/hostile-servers.test.ts";
const PINS = "src/mcp/pins.test.ts";
const OFFERED = "src/mcp/offered-tools.test.ts";
const HTTP = "src/mcp/http-servers.test.ts";
const OAUTH = "src/mcp/oauth.test.ts";
const POLICY = "src/tools/policy.test.ts";
const GATEWAY = "src/gateway/mcp-servers.test.ts";

/** Guards of the tools of MCP servers. */
export const MCP_MUTANTS: readonly Mutant[] = [
  {
    invariant: 6,
    breaks: "a tool that has changed is not called",
    file: "src/mcp/server.ts",
    text: "const withheld = this.#listed!.withheld.get(found.name);",
    broken: "const withheld = this.#listed!.withheld.get(full);",
    tests: [HOSTILE],
    title: "first seen",
  },
  {
    invariant: 6,
    breaks: "a tool that has changed is not listed",
    file: "src/mcp/server.ts",
    text: "return tools.filter(({ name }) => !withheld!.has(name));",
    broken: "return tools.filter(({ name }) => withheld !== undefined && name !== undefined);",
    tests: [HOSTILE],
    title: "first seen",
  },
  {
    invariant: 6,
    breaks: "a tool that is added later is withheld",
    file: "src/mcp/pins.ts",
    text: 'if (!Object.hasOwn(known, name)) return "new";',
    broken: "if (!Object.hasOwn(known, name)) return null;",
    tests: [HOSTILE],
    title: "added later",
  },
  {
    invariant: 6,
    breaks: "a damaged record of accepted tools withholds them",
    file: "src/mcp/pins.ts",
    text: 'if (keyValue.isDamaged(keyOf(server))) return "damaged";',
    broken: "if (keyValue.isDamaged(keyOf(server))) return null;",
    tests: [PINS],
  },
  {
    invariant: 6,
    breaks: "the schema of a tool is pinned",
    file: "src/mcp/offered-tools.ts",
    text: "sortKeys([name, text, schema])",
    broken: "sortKeys([name, text])",
    tests: [OFFERED],
  },
  {
    invariant: 4,
    breaks: "the cause of a failure has no secret of the configuration",
    file: "src/mcp/server.ts",
    text: 'return secrets.reduce((shown, each) => shown.replaceAll(each, "[secret]"), text);',
    broken: "return secrets.reduce((shown) => shown, text);",
    tests: [SERVERS],
    title: "without the secrets",
  },
  {
    invariant: 6,
    breaks: "the configuration cannot replace the mark of a process",
    file: "src/mcp/connection.ts",
    text: ', [MARKER_VARIABLE]: env[MARKER_VARIABLE] ?? "" },',
    broken: " },",
    tests: [SERVERS],
    title: "sees its own variables",
  },
  {
    invariant: 7,
    breaks: "one tool of a server can be denied",
    file: "src/tools/policy.ts",
    text: 'return { tool: "mcp", isNamed, isDenied: isNamed };',
    broken: 'return { tool: "mcp", isNamed, isDenied: (list) => expand(list).includes("mcp") };',
    tests: [POLICY],
  },
  {
    invariant: 11,
    breaks: "every room of a turn decides about a tool of a server",
    file: "src/gateway/tool-sources.ts",
    text: "const decisions = [null, ...rooms].map(",
    broken: "const decisions = [null, ...rooms.slice(0, 1)].map(",
    tests: [GATEWAY],
  },
  {
    invariant: 13,
    breaks: "a call is decided before it is made",
    file: "src/gateway/tool-sources.ts",
    text: "if (!isGranted) return errorResult(",
    broken: "if (!isGranted && rule === '') return errorResult(",
    tests: [GATEWAY],
  },
  {
    invariant: 6,
    breaks: "people are asked about tools of servers that act, where commands are asked about",
    file: "src/gateway/mcp-servers.ts",
    text: 'if (ask === "never") return null;',
    broken: 'if (ask !== "always") return null;',
    tests: [GATEWAY],
  },
  {
    invariant: 6,
    breaks: "what a server says later of a tool makes it no safer",
    file: "src/mcp/pins.ts",
    text: "readsOnly && isReading(pinned, name) ? [name] : []",
    broken: "readsOnly ? [name] : []",
    tests: ["src/mcp/pins.test.ts"],
  },
  {
    invariant: 12,
    breaks: "names of tools have only some characters",
    file: "src/mcp/offered-tools.ts",
    text: "const TOOL_NAME = /^[A-Za-z0-9_.-]+$/;",
    broken: "const TOOL_NAME = /^[A-Za-z0-9_.-]/;",
    tests: [OFFERED],
  },
  {
    invariant: 10,
    breaks: "a line of a server has an end",
    file: "src/tools/json-rpc-process.ts",
    text: "if (this.#partialBytes > TOOL_LIMITS.rpcMessageBytes) this.#tooLong();",
    broken: "if (this.#partialBytes < 0) this.#tooLong();",
    tests: [HOSTILE],
    title: "without an end",
  },
  {
    invariant: 10,
    breaks: "an answer of a server has an end",
    file: "src/mcp/http-fetch.ts",
    text: "if (bytes > MCP_LIMITS.messageBytes) done(",
    broken: "if (bytes < 0) done(",
    tests: [HTTP],
    title: "without an end",
  },
  {
    invariant: 6,
    breaks: "an answer belongs to the sign-in that was begun",
    file: "src/mcp/oauth.ts",
    text: 'if (!state || !secureEquals(state, pending.state ?? ""))',
    broken: "if (!state)",
    tests: [OAUTH],
    title: "another sign-in",
  },
  {
    invariant: 9,
    breaks: "a token is sent only to the address that it was made for",
    file: "src/mcp/login-store.ts",
    text: 'return login["url"] === this.#url ? (login as Login) : { url: this.#url };',
    broken: "return { ...(login as Login), url: this.#url };",
    tests: [OAUTH],
    title: "counts only for the address",
  },
];
