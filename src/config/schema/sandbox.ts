import { array, boolean, enumOf, integer, number, object, record, string } from "../../core/config-schema.ts";

/** What applies where the configuration says nothing. */
export const SANDBOX_DEFAULTS = {
  backend: "bubblewrap",
  scope: "agent",
  workspaceAccess: "rw",
  docker: {
    image: "openclaw-sandbox:bookworm-slim",
    containerPrefix: "openclaw-sbx-",
    readOnlyRoot: true,
    tmpfs: ["/tmp", "/var/tmp", "/run"],
    network: "none",
    pidsLimit: 1_024,
    memory: "4g",
    env: {},
    binds: [],
  },
  prune: { idleHours: 24, maxAgeDays: 7 },
} as const;

const SIZE = { regex: "\\d+[bkmgBKMG]?", description: "a number with b, k, m or g, such as 2g" } as const;
const INSIDE = { regex: "/[^:,\\s]+", description: "an absolute path without spaces, commas and colons" } as const;

const docker = object(
  "The containers of the backends `podman` and `docker`.",
  {
    image: string("Image of the containers. The gateway does not fetch it.", {
      pattern: { regex: "[A-Za-z0-9][A-Za-z0-9._:/@-]*", description: "the name of an image" },
      maxChars: 300,
    }),
    containerPrefix: string("Beginning of the containers' names.", {
      pattern: { regex: "[A-Za-z0-9][A-Za-z0-9_.-]{0,40}", description: "letters, digits, dots, - and _" },
    }),
    readOnlyRoot: boolean("The files of the image cannot be changed.", { onInvalid: true }),
    tmpfs: array("Directories in memory, which last as long as the container runs.", string("A directory.", { pattern: INSIDE })),
    network: enumOf("The network of containers: none but their own loopback.", ["none"], { onInvalid: "none" }),
    env: record("Variables of commands in containers.", "<name>", string("The value."), {
      optional: true,
      keyPattern: { regex: "[A-Za-z_][A-Za-z0-9_]*", description: "letters, digits and _" },
    }),
    setupCommand: string("A command for /bin/sh that runs once in each new container, before the first command of an agent.", {
      maxChars: 20_000,
    }),
    pidsLimit: integer("Processes and threads of a container at the same time.", { min: 16, max: 1_000_000 }),
    memory: string("Memory of a container.", { pattern: SIZE }),
    memorySwap: string("Memory of a container together with swap.", { pattern: SIZE }),
    cpus: number("Processors that a container may use.", { min: 0.01, max: 1_024 }),
    binds: array(
      "Further directories of this machine in containers.",
      string("`<path>:<path inside>`, with `:ro` at the end only to read.", {
        pattern: { regex: "/[^:,]*:/[^:,]+(?::r[ow])?", description: "/path:/path/inside or /path:/path/inside:ro" },
      }),
    ),
  },
  {
    optional: true,
    unserved: ["workdir", "user", "capDrop", "gpus", "ulimits", "seccompProfile", "apparmorProfile", "dns", "extraHosts"],
  },
);

/** How commands are isolated: in `agents.defaults` for all agents, and in an agent's entry for that one. */
export const sandbox = object(
  "How commands are isolated.",
  {
    mode: enumOf(
      "Which conversations have their commands in the sandbox, where `tools.exec.host` does not say it: `all`, all but the main one of an agent (`non-main`), or as if there were no sandbox (`off`; not for people on channels).",
      ["off", "non-main", "all"],
      { onInvalid: "all" },
    ),
    backend: enumOf(
      "What isolates commands: `bubblewrap`, with a sandbox for each command, or a container of `podman` or `docker` that several commands share.",
      ["bubblewrap", "podman", "docker"],
      { onInvalid: "bubblewrap" },
    ),
    scope: enumOf(
      "Which commands share a container: those of a conversation, of an agent, or of all agents that have the same workspace.",
      ["session", "agent", "shared"],
      { onInvalid: "session" },
    ),
    workspaceAccess: enumOf(
      "What commands may do in the workspace: change it (`rw`), only read it (`ro`), or neither (`none`: an empty directory in memory takes its place).",
      ["none", "ro", "rw"],
      { onInvalid: "none" },
    ),
    egress: object(
      "What sandboxed commands reach of the network, through a proxy of the gateway; nothing without this. Of the backend `bubblewrap` only. People on channels have what the agent's own setting gives them.",
      {
        allowedHostnames: array(
          "Hosts, such as `registry.npmjs.org`, `*.pypi.org` for all names below one, or `github.com:22`. Without a port: 80 and 443.",
          string("A host.", {
            pattern: {
              regex: "(?:(?:\\*\\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|\\[[0-9A-Fa-f:.]{2,45}\\])(?::[1-9][0-9]{0,4})?",
              description: "a host name or address, with *. in front for all names below it and :port at the end for another port",
            },
          }),
        ),
        allowPrivateNetwork: boolean("Listed hosts may have addresses of private networks, but none of this machine.", {
          onInvalid: false,
        }),
      },
      { optional: true },
    ),
    docker,
    prune: object(
      "When stopped containers are removed.",
      {
        idleHours: integer("Hours without a command; 0: never for that.", { min: 0, max: 100_000 }),
        maxAgeDays: integer("Days since it was made; 0: never for that.", { min: 0, max: 10_000 }),
      },
      { optional: true },
    ),
  },
  { optional: true, unserved: ["workspaceRoot", "ssh", "openshell", "crabbox", "browser", "sessionToolsVisibility", "perSession"] },
);
