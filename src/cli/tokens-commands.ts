import type { CommandFamily } from "./command.ts";

export const tokensCommands: CommandFamily = {
  summary: "Named tokens for services: create, list, revoke.",
  commands: [
    {
      path: ["tokens", "list"],
      group: "Access",
      summary: "List named tokens of services.",
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw tokens list"],
      load: async () => (await import("./tokens.ts")).tokensList,
    },
    {
      path: ["tokens", "create"],
      summary: "Create a token for a service; it is shown once.",
      args: [{ name: "name", required: true }],
      flags: [
        { name: "scope", value: "scope", multiple: true, help: "Scope; may be repeated (default: operator.read)." },
        { name: "expires", value: "time", help: "Lifetime, such as 90d or 12h (default: 90d); never: no expiry." },
      ],
      usesGateway: true,
      examples: ["openclaw tokens create grafana --scope operator.read --expires 365d"],
      load: async () => (await import("./tokens.ts")).tokensCreate,
    },
    {
      path: ["tokens", "revoke"],
      summary: "Revoke a token by name or id; its connections are closed immediately.",
      args: [{ name: "token", required: true, valueKind: "token" }],
      usesGateway: true,
      examples: ["openclaw tokens revoke grafana"],
      load: async () => (await import("./tokens.ts")).tokensRevoke,
    },
    {
      path: ["token"],
      group: "Access",
      summary: "Print the gateway's own token. It is a secret.",
      examples: ["openclaw token"],
      load: async () => (await import("./tokens.ts")).token,
    },
  ],
};
