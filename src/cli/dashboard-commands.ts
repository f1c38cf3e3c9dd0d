import type { CommandFamily } from "./command.ts";

export const dashboardCommands: CommandFamily = {
  commands: [
    {
      path: ["dashboard"],
      group: "Run",
      summary: "Open the web page, signed in by a one-time link.",
      flags: [
        { name: "no-open", help: "Print the link instead." },
        { name: "qr", help: "Show the link as a QR code for a phone, with an address that it reaches." },
        { name: "official", help: "The Control UI of OpenClaw instead, where gateway.controlUi.root names its files." },
      ],
      usesGateway: true,
      examples: ["openclaw dashboard --no-open", "openclaw dashboard --qr", "openclaw dashboard --official"],
      load: async () => (await import("./dashboard.ts")).dashboard,
    },
    {
      path: ["qr"],
      group: "Run",
      summary: "Show the QR code and the setup code that pair an app with the gateway.",
      flags: [
        {
          name: "public-url",
          value: "url",
          help: "Address of the gateway for the app (default: gateway.publicOrigin, Tailscale, the network).",
        },
        { name: "limited", help: "The app may read and write, and not administer." },
        { name: "setup-code-only", help: "Print the setup code alone." },
      ],
      usesGateway: true,
      examples: ["openclaw qr", "openclaw qr --public-url https://gateway.example.org --setup-code-only"],
      load: async () => (await import("./dashboard.ts")).pairingQr,
    },
  ],
};
