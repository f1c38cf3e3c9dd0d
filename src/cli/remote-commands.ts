import type { CliFlag, CommandFamily } from "./command.ts";

/** A tunnel by SSH instead of the configured way. */
export const SSH_FLAGS: readonly CliFlag[] = [
  { name: "ssh", value: "target", help: "Reach the gateway through a tunnel to user@host or user@host:port." },
  { name: "ssh-identity", value: "file", help: "Private key for ssh (default: gateway.remote.sshIdentity, and those that ssh finds)." },
  {
    name: "remote-port",
    value: "port",
    range: [1, 65_535],
    help: "Port of the gateway on that machine (default: gateway.remote.remotePort, 18789).",
  },
];

export const remoteCommands: CommandFamily = {
  summary: "Reach a gateway on another machine, and find out why it cannot be reached.",
  commands: [
    {
      path: ["remote", "ssh"],
      group: "Run",
      summary: "Open a tunnel by SSH to a gateway on another machine, and keep it open until Ctrl-C.",
      args: [{ name: "target", required: false }],
      flags: [
        ...SSH_FLAGS.filter(({ name }) => name !== "ssh"),
        { name: "local-port", value: "port", range: [0, 65_535], help: "Port on this machine; 0 picks a free one (default)." },
        { name: "save", help: "Write the tunnel to the configuration: all commands of this user go through it." },
        { name: "no-open", help: "Do not open the page in a browser." },
        { name: "token", value: "token", help: "Gateway token of that machine. Prefer OPENCLAW_GATEWAY_TOKEN." },
        { name: "token-file", value: "file", help: "File that contains the gateway token of that machine." },
        { name: "password-file", value: "file", help: "File that contains the gateway password of that machine." },
      ],
      examples: ["openclaw remote ssh ann@server.example.org", "openclaw remote ssh ann@server.example.org:2222 --save"],
      notes: [
        "The host key must be known (gateway.remote.sshHostKeyPolicy), and ssh never asks: connect once with ssh before.",
        "The address stays the same when ssh is started again.",
      ],
      load: async () => (await import("./remote-ssh.ts")).remoteSsh,
    },
    {
      path: ["remote", "check"],
      summary: "Walk the way to the gateway and name the first part that does not work, with its fix.",
      flags: SSH_FLAGS,
      usesGateway: true,
      examples: [
        "openclaw remote check",
        "openclaw remote check --url wss://host.example.org",
        "openclaw remote check --ssh ann@server.example.org",
      ],
      notes: [
        "Parts of the way: bind, tunnel, dns, listener, tls, handshake, auth, pairing, serve. Those that the way does not have are left out.",
      ],
      load: async () => (await import("./remote-check.ts")).remoteCheck,
    },
  ],
};
