import type { CliArgument, CliFlag, CommandFamily } from "./command.ts";

const NAME: CliArgument = { name: "name", required: true, valueKind: "mcp-server" };
const FILTERS: readonly CliFlag[] = [
  { name: "include", value: "names", help: "Only these tools, separated by commas; * stands for any text." },
  { name: "exclude", value: "names", help: "Never these tools." },
];

export const mcpCommands: CommandFamily = {
  summary: "MCP servers, whose tools agents can use.",
  commands: [
    {
      path: ["mcp", "list"],
      group: "Set up",
      summary: "List the configured MCP servers.",
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw mcp list"],
      load: async () => (await import("./mcp.ts")).mcpList,
    },
    {
      path: ["mcp", "status"],
      summary: "Show the state of each server, why it does not work, and which tools are withheld.",
      args: [{ ...NAME, required: false }],
      usesGateway: true,
      examples: ["openclaw mcp status", "openclaw mcp status files --json"],
      load: async () => (await import("./mcp.ts")).mcpStatus,
    },
    {
      path: ["mcp", "probe"],
      summary: "Start each server, or ask it, and show whether it works.",
      args: [{ ...NAME, required: false }],
      usesGateway: true,
      examples: ["openclaw mcp probe", "openclaw mcp probe files"],
      load: async () => (await import("./mcp.ts")).mcpProbe,
    },
    {
      path: ["mcp", "add"],
      summary: "Add a server: a program, or an address.",
      args: [
        { name: "name", required: true },
        { name: "command", required: false, variadic: true },
      ],
      flags: [
        { name: "command", value: "program", help: "The program; also after the name and --, with its arguments." },
        { name: "arg", value: "text", multiple: true, help: "An argument of the program; may be repeated." },
        { name: "env", value: "NAME=value", multiple: true, help: "A variable of the program; may be repeated." },
        { name: "cwd", value: "directory", help: "The directory in which it is started." },
        { name: "url", value: "address", help: "Address of a server that is reached over HTTP." },
        { name: "transport", value: "name", choices: ["stdio", "streamable-http", "sse"], help: "How it is reached (default: found out)." },
        { name: "header", value: "Name=value", multiple: true, help: "A header of every request; may be repeated." },
        { name: "auth", value: "kind", choices: ["oauth"], help: "The server wants a person to sign in." },
        ...FILTERS,
      ],
      notes: [
        "--url is the address of the server; the gateway itself is found in the files, or with OPENCLAW_GATEWAY_URL.",
        "Command-line values are visible in the process list, and are saved in the file: write --env 'TOKEN=${MY_TOKEN}' with single quotes to name a variable of the gateway instead.",
      ],
      usesGateway: true,
      examples: [
        "openclaw mcp add memory -- npx -y @modelcontextprotocol/server-memory",
        "openclaw mcp add docs --url https://mcp.example.com/mcp --include 'read_*'",
      ],
      load: async () => (await import("./mcp-edit.ts")).mcpAdd,
    },
    {
      path: ["mcp", "set"],
      summary: "Add or replace a server, given as JSON.",
      args: [
        { name: "name", required: true, valueKind: "mcp-server" },
        { name: "json", required: true },
      ],
      usesGateway: true,
      examples: [`openclaw mcp set memory '{"command":"npx","args":["-y","server-memory"]}'`],
      load: async () => (await import("./mcp-edit.ts")).mcpSet,
    },
    {
      path: ["mcp", "unset"],
      summary: "Remove a server.",
      args: [NAME],
      usesGateway: true,
      examples: ["openclaw mcp unset memory"],
      load: async () => (await import("./mcp-edit.ts")).mcpUnset,
    },
    {
      path: ["mcp", "tools"],
      summary: "Show the tools of a server as agents read them, or choose which of them agents are given.",
      args: [NAME],
      flags: [...FILTERS, { name: "clear", help: "Give agents all of its tools again." }],
      usesGateway: true,
      examples: ["openclaw mcp tools files", "openclaw mcp tools files --include 'read_*,list_directory'"],
      load: async () => (await import("./mcp.ts")).mcpTools,
    },
    {
      path: ["mcp", "accept"],
      summary: "Accept the tools of a server that have changed, or were added, since the server was first seen.",
      args: [NAME],
      usesGateway: true,
      notes: ["openclaw mcp tools <name> shows what the server says of its tools now."],
      examples: ["openclaw mcp accept files"],
      load: async () => (await import("./mcp.ts")).mcpAccept,
    },
    {
      path: ["mcp", "login"],
      summary: "Sign in at a server that wants it (auth: oauth).",
      args: [NAME],
      flags: [{ name: "code", value: "address", help: "Address of the page on which the browser ended, or the code in it." }],
      usesGateway: true,
      notes: ["It waits up to 10 minutes for the browser to come back to this machine."],
      examples: ["openclaw mcp login docs"],
      load: async () => (await import("./mcp-login.ts")).mcpLogin,
    },
    {
      path: ["mcp", "logout"],
      summary: "Forget the sign-in at a server.",
      args: [NAME],
      usesGateway: true,
      examples: ["openclaw mcp logout docs"],
      load: async () => (await import("./mcp-login.ts")).mcpLogout,
    },
    {
      path: ["mcp", "serve"],
      summary: "Serve the conversations on channels to an MCP client, over standard input and output.",
      flags: [
        {
          name: "claude-channel-mode",
          value: "mode",
          choices: ["auto", "on", "off"],
          help: "Announce messages of people as notifications for channels of Claude Code (default: auto, the same as on).",
        },
      ],
      usesGateway: true,
      notes: [
        "An MCP client starts this; it ends with its standard input. It connects again when the gateway was away, and says so on standard error.",
        "A token with fewer scopes limits it: openclaw tokens create reader --scope operator.read",
      ],
      examples: ["openclaw mcp serve", "openclaw mcp serve --url wss://gateway.example.org --token-file ~/gateway.token"],
      load: async () => (await import("./mcp-serve.ts")).mcpServe,
    },
  ],
};
