import type { CommandFamily } from "./command.ts";

export const nodeCommands: CommandFamily = {
  summary: "Make this machine a node of a gateway.",
  commands: [
    {
      path: ["node", "run"],
      group: "Nodes",
      summary: "Offer this machine to a gateway, in the foreground.",
      flags: [
        { name: "host", value: "host", help: "Host of the gateway (default: the gateway of this machine, or the one of the last run)." },
        { name: "port", value: "port", range: [1, 65_535], help: "Port of the gateway (default: 18789)." },
        { name: "tls", help: "Connect with TLS." },
        { name: "context-path", value: "path", help: "Path under which the gateway is reached, such as /openclaw." },
        { name: "display-name", value: "name", help: "How the gateway's lists show this machine (default: its host name)." },
        { name: "commands", value: "ids", multiple: true, help: "Offer only these commands, separated by commas." },
        { name: "files", value: "directory", multiple: true, help: "A directory whose files the gateway may read and write." },
        { name: "pair", value: "code", help: "A setup code (openclaw devices join-code): pairs this machine and approves its commands." },
      ],
      usesGateway: true,
      notes: [
        "A program runs here if the list of this machine names it (openclaw node allow) or a person has agreed to it at the gateway.",
        "The token comes from OPENCLAW_GATEWAY_TOKEN or --token-file; after the first connection this machine has its own.",
      ],
      examples: [
        "openclaw node run --host gateway.example --tls --pair eyJ1cmwi",
        "openclaw node run --display-name build --files /srv/builds",
      ],
      load: async () => (await import("./node.ts")).nodeRun,
    },
    {
      path: ["node", "status"],
      summary: "Show whether this machine is connected as a node, and its rules.",
      examples: ["openclaw node status"],
      load: async () => (await import("./node-rules.ts")).nodeStatus,
    },
    {
      path: ["node", "allow"],
      summary: "Let the gateway run a program here without asking a person.",
      args: [{ name: "program", required: true }],
      examples: ["openclaw node allow /usr/bin/uptime"],
      notes: [
        "An absolute path names one file; a name without a slash every program that is called so. Shells and interpreters stay asked about.",
      ],
      load: async () => (await import("./node-rules.ts")).nodeAllow,
    },
    {
      path: ["node", "disallow"],
      summary: "Remove a program from the list of this machine.",
      args: [{ name: "program", required: true }],
      examples: ["openclaw node disallow /usr/bin/uptime"],
      load: async () => (await import("./node-rules.ts")).nodeDisallow,
    },
  ],
};
