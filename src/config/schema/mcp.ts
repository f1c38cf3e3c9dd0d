import { array, boolean, enumOf, integer, object, record, requiredSecret, string } from "../../core/config-schema.ts";

/** A name is the part of a tool's name before `__`. */
const SERVER_NAME = {
  regex: "[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*",
  description: "letters and digits, with single dots, - and _ between them",
} as const;

const HEADER_NAME = { regex: "[A-Za-z0-9!#$%&'*+.^_`|~-]+", description: "the name of an HTTP header" } as const;
const VARIABLE_NAME = { regex: "[A-Za-z_][A-Za-z0-9_]*", description: "the name of a variable" } as const;

const toolNames = (doc: string) =>
  array(doc, string("Name of a tool of the server; `*` stands for any text."), { onInvalid: [], strict: true });

const server = object(
  "One server: a program (`command`) or an address (`url`). It is started or asked when an agent first needs its tools.",
  {
    enabled: boolean("Use the server.", { default: true, onInvalid: false }),
    command: string("The program, which speaks MCP on its standard input and output."),
    args: array("Its arguments.", string("An argument."), { default: [] }),
    env: record(
      "Its variables. Besides it has only `PATH`, `HOME` and `LANG` of the gateway.",
      "<NAME>",
      requiredSecret("Value of the variable."),
      {
        keyPattern: VARIABLE_NAME,
      },
    ),
    cwd: string("The directory in which it is started; the home directory when it is not set.", { format: "path" }),
    workingDirectory: string("Deprecated alias of `cwd`; `cwd` wins.", { format: "path" }),
    url: string("Address of a server that is reached over HTTP, also on a private network.", { format: "url" }),
    transport: enumOf(
      "How it is reached. When it is not set: `stdio` with a `command`; with a `url` first `streamable-http`, then `sse`.",
      ["stdio", "streamable-http", "sse"],
    ),
    headers: record("Headers of every request to it.", "<Header>", requiredSecret("Value of the header."), { keyPattern: HEADER_NAME }),
    sslVerify: boolean(
      "Check the certificate of a server with an `https` address. Only for a server on a network that you trust is `false` not a risk: anyone on the way could pass for it.",
      { default: true },
    ),
    clientCert: string("File with the certificate (PEM) that a server with an `https` address asks of its clients.", { format: "path" }),
    clientKey: string("File with its key; when it is not set, `clientCert` has both.", { format: "path" }),
    auth: enumOf("`oauth`: the server wants a person to sign in (`openclaw mcp login`). A header `Authorization` is then not sent.", [
      "oauth",
    ]),
    oauth: object(
      "Settings of the sign-in.",
      { scope: string("Rights to ask for, separated by spaces; what the server names when it is not set.") },
      { unserved: ["authProfileId", "identity"] },
    ),
    connectionTimeoutMs: integer("Longest time until it is connected and has listed its tools.", {
      default: 30_000,
      min: 100,
      max: 600_000,
    }),
    requestTimeoutMs: integer("Longest time of one call.", { default: 60_000, min: 100, max: 3_600_000 }),
    supportsParallelToolCalls: boolean("Calls of one session may run at the same time; otherwise each waits for the one before.", {
      default: false,
    }),
    ask: enumOf(
      "Whether a person is asked before a call of its tools: `never`, of those that do not say that they only read (`acting`), or `always`; without this as with `acting` where the agent's commands are asked about (`tools.exec.mode` `ask`), and elsewhere `never`.",
      ["never", "acting", "always"],
      { onInvalid: "always" },
    ),
    toolFilter: object("Which of its tools agents may be given.", {
      include: toolNames("Only these tools; all when it is empty or not set."),
      exclude: array("Never these tools.", string("Name of a tool of the server; `*` stands for any text."), {
        onInvalid: ["*"],
        strict: true,
      }),
    }),
  },
  { unserved: ["type", "codex"] },
);

export const mcp = object(
  "MCP servers, whose tools agents can use beside the built-in ones.",
  {
    servers: record("Every server by its name; its tools are called `<name>__<tool>`.", "<name>", server, { keyPattern: SERVER_NAME }),
    sessionIdleTtlMs: integer("A server that was not used for this long is ended; the next call starts it again. 0: never.", {
      default: 600_000,
      min: 0,
      max: 2_147_483_647,
    }),
  },
  { unserved: ["apps"] },
);
