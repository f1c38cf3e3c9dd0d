import type { CliFlag, CommandFamily } from "./command.ts";

const NAME = [{ name: "name", required: true }] as const;

const LINK_FLAGS: readonly CliFlag[] = [
  { name: "certificate", value: "sha256", help: "Fingerprint of the certificate that the other gateway must show." },
  { name: "a2a", help: "The other side is an agent that speaks A2A; its address is https://host/a2a/v1." },
  { name: "inbound-token", value: "${NAME}", help: "With --a2a: the variable with the token that it has to show here." },
  { name: "outbound-token", value: "${NAME}", help: "With --a2a: the variable with the token that this gateway shows there." },
  { name: "accept", value: "agents", help: "Agents here that the other gateway may ask, separated by commas; * for all." },
  { name: "send", value: "agents", help: "Agents there that this gateway may ask, separated by commas; * for all." },
];

export const peersCommands: CommandFamily = {
  summary: "Links to other gateways.",
  commands: [
    {
      path: ["peers", "list"],
      group: "See",
      summary: "List the links with their state and what waits for them.",
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw peers list"],
      load: async () => (await import("./peers.ts")).peersList,
    },
    {
      path: ["peers", "status"],
      summary: "Show one link, or all with their keys.",
      args: [{ name: "name", required: false }],
      usesGateway: true,
      examples: ["openclaw peers status office"],
      load: async () => (await import("./peers.ts")).peersStatus,
    },
    {
      path: ["peers", "test"],
      summary: "Ask the other gateway whether it is there.",
      args: NAME,
      usesGateway: true,
      examples: ["openclaw peers test office"],
      load: async () => (await import("./peers.ts")).peersTest,
    },
    {
      path: ["peers", "add"],
      summary: "Write a link into the configuration, or change it. Without an address this gateway waits for the other one.",
      args: [...NAME, { name: "address", required: false }],
      flags: LINK_FLAGS,
      usesGateway: true,
      examples: [
        "openclaw peers add office wss://office.example:18789 --send main",
        "openclaw peers add home --accept main",
        "openclaw peers add hermes https://hermes.example/a2a/v1 --a2a --send default",
      ],
      load: async () => (await import("./peers.ts")).peersAdd,
    },
    {
      path: ["peers", "pair"],
      summary: "Make a pairing code for a link, or pair with the code of the other gateway.",
      args: NAME,
      flags: [{ name: "code", value: "code", help: "The code that the other gateway has made." }],
      usesGateway: true,
      examples: ["openclaw peers pair home", "openclaw peers pair office --code ocp_..."],
      load: async () => (await import("./peers.ts")).peersPair,
    },
    {
      path: ["peers", "approve"],
      summary: "Trust a key that the other gateway has shown.",
      args: [...NAME, { name: "fingerprint", required: true }],
      usesGateway: true,
      examples: ["openclaw peers approve office 1a2b-3c4d-5e6f-7081-92a3-b4c5-d6e7-f809"],
      load: async () => (await import("./peers.ts")).peersApprove,
    },
    {
      path: ["peers", "rotate"],
      summary: "Replace the key of this gateway for a link; the other side accepts both for a while.",
      args: NAME,
      usesGateway: true,
      examples: ["openclaw peers rotate office"],
      load: async () => (await import("./peers.ts")).peersRotate,
    },
    {
      path: ["peers", "remove"],
      summary: "End a link: its key is forgotten and its connection is closed.",
      args: NAME,
      usesGateway: true,
      examples: ["openclaw peers remove office"],
      load: async () => (await import("./peers.ts")).peersRemove,
    },
  ],
};
