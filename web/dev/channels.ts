/** Invented channels for the scripted gateway: accounts in every state, access requests, dead letters. */
type Params = Record<string, unknown>;
type Row = Record<string, unknown> & { accountId: string };

const MIN = 60_000;

export class Channels {
  readonly accounts = new Map<string, Row[]>();
  pairings: Params[] = [];
  letters: Params[] = [];
  /** What `config.patch` was asked for. */
  patches: unknown[] = [];
  /** Called when the code was scanned. */
  #scanned: (() => void) | null = null;
  readonly #labels: Record<string, string> = { irc: "IRC", telegram: "Telegram", signal: "Signal", slack: "Slack" };

  fill(now = Date.now()): void {
    const seen = { lastInboundAt: now - 3 * MIN, lastOutboundAt: now - 2 * MIN, queueDepth: 0, outboxWaiting: 0 };
    this.accounts.set("irc", [{ accountId: "default", enabled: true, state: "ready", since: now - 50 * MIN, lastError: null, ...seen }]);
    this.accounts.set("slack", [
      {
        accountId: "work",
        enabled: true,
        state: "terminal",
        since: now - 9 * MIN,
        lastError: "Slack says that the token was revoked",
        fix: "Install the app again and set channels.slack.accounts.work.botToken.",
        ...seen,
        outboxWaiting: 4,
      },
      { accountId: "home", enabled: true, state: "backoff", since: now - MIN, lastError: "the connection was reset", ...seen },
    ]);
    this.pairings = [pairing("irc", "ada!ada@example.org", "Ada")];
    this.letters = [
      {
        id: "out:1:0",
        kind: "outbound",
        state: "unknown",
        channel: "slack",
        account: "work",
        at: now - 20 * MIN,
        cause: "the connection ended before the answer",
        text: "The report is ready. It has three parts, and the second one is the one that you asked for.",
      },
    ];
  }

  clear(): void {
    this.accounts.clear();
    this.pairings = [];
    this.letters = [];
    this.patches = [];
    this.#next = {};
  }

  /** Undefined for a method that is none of these. Throws Error for a refusal. */
  answer(method: string, params: Params): unknown {
    if (method === "channels.status")
      return {
        ts: Date.now(),
        channelOrder: [...this.accounts.keys()],
        channelLabels: this.#labels,
        channelAccounts: Object.fromEntries(this.accounts),
      };
    if (method === "channels.pairing.list") return { requests: this.pairings };
    if (method === "deadletters.list") return { items: this.letters };
    if (method === "deadletters.retry" || method === "deadletters.drop") {
      this.letters = this.letters.filter((one) => one["id"] !== params["id"]);
      return { ok: true };
    }
    if (method === "channels.pairing.approve" || method === "channels.pairing.dismiss") {
      this.pairings = this.pairings.filter((one) => one["requestId"] !== params["requestId"]);
      return { ok: true };
    }
    if (method === "channels.start") return { ok: true };
    if (method === "channels.catalog") return { channels: CARDS };
    if (method === "web.login.start") return { connected: false, message: "Scan the code with the app.", qrDataUrl: CODE };
    if (method === "web.login.wait")
      return new Promise((resolve) => {
        this.#scanned = () => resolve({ connected: true, message: "Signed in.", name: "+15550000001" });
      });
    if (method === "channels.verify") return verify(String(params["channel"]), params["config"] as Params);
    if (method === "config.get") return { hash: "h1" };
    if (method === "config.patch") {
      this.patches.push(JSON.parse(String(params["raw"])));
      const [channel] = Object.keys((this.patches.at(-1) as { channels: Params }).channels);
      const account = { accountId: "default", enabled: true, state: "ready", since: Date.now(), lastError: null, ...this.#next };
      this.accounts.set(channel!, [account]);
      return { ok: true };
    }
    return undefined;
  }

  /** What the next account that is saved will be like. */
  #next: Params = {};

  becomes(next: Params): void {
    this.#next = next;
  }

  scan(): void {
    this.#scanned?.();
  }

  /** Somebody writes to the new bot. */
  write(): void {
    this.accounts.get("telegram")![0]!["lastInboundAt"] = Date.now();
    this.ask();
  }

  /** Somebody whom the owner does not know asks to be let in. */
  ask(): void {
    this.pairings = [...this.pairings, pairing("telegram", "12345", "Grace")];
  }
}

/** A refusal with the details that the gateway would give. */
export class ChannelRefusal extends Error {
  readonly details: Params;

  constructor(message: string, details: Params) {
    super(message);
    this.details = details;
  }
}

function verify(channel: string, config: Params): unknown {
  const refuse = (said: string, details: Params): never => {
    throw new ChannelRefusal(said, { code: "CREDENTIAL_REFUSED", fix: "Ask @BotFather for a new token.", ...details });
  };
  if (channel === "signal") refuse("Signal refuses it: the number is not registered", { fix: "Register the number first." });
  if (channel === "slack" && config["appToken"] !== "xapp-good")
    refuse("Slack refuses it: Slack does not open a socket: invalid_auth", { key: "appToken", fix: "Make an app-level token." });
  if (channel === "telegram" && !String(config["botToken"]).includes("-")) {
    const issues = [{ path: "botToken", message: "is not a bot token: those look like 123456789:AbC-d_E" }];
    throw new ChannelRefusal("the account is not complete", { code: "ACCOUNT_INCOMPLETE", issues });
  }
  if (channel === "telegram" && config["botToken"] !== "good-token") refuse("Telegram refuses it: Unauthorized", {});
  return { ok: true, channel, accountId: "default", name: "@my_bot" };
}

function pairing(channel: string, senderId: string, senderLabel: string): Params {
  const channelLabel = channel === "irc" ? "IRC" : "Telegram";
  return { requestId: "K7PMQ2XA", channel, channelLabel, accountId: "default", senderId, senderLabel };
}

/** A picture of one point. */
const CODE = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=";

const CARDS = [
  {
    id: "irc",
    label: "IRC",
    login: false,
    fields: [
      { key: "host", help: "Host name of the server.", secret: false, required: true },
      { key: "nick", help: "Nick of the agent.", secret: false, required: true },
      { key: "port", help: "Port of the server; 6697 with TLS, 6667 without.", secret: false, required: false, kind: "number" },
      { key: "tls", help: "Encrypt the connection.", secret: false, required: false, kind: "boolean" },
      { key: "channels", help: "IRC channels to join.", secret: false, required: false, kind: "array" },
      { key: "password", help: "Password of the server.", secret: true, required: false },
    ],
  },
  {
    id: "signal",
    label: "Signal",
    login: true,
    fields: [
      { key: "account", help: "The bot's own number.", secret: false, required: true },
      {
        key: "transport.kind",
        help: "How Signal is reached.",
        secret: false,
        required: false,
        kind: "enum",
        options: ["managed-native", "external-native", "container"],
      },
      { key: "transport.url", help: "Where the daemon answers.", secret: false, required: false },
    ],
  },
  {
    id: "slack",
    label: "Slack",
    login: false,
    guide: {
      text: "Create a Slack app with Socket Mode on, and copy its two tokens.",
      link: { label: "Open api.slack.com/apps", url: "https://api.slack.com/apps" },
    },
    fields: [
      { key: "botToken", help: "Bot token, xoxb-….", secret: true, required: true },
      { key: "appToken", help: "App-level token, xapp-….", secret: true, required: true },
    ],
  },
  {
    id: "telegram",
    label: "Telegram",
    login: false,
    guide: {
      text: "Open @BotFather in Telegram, send /newbot, and copy the token that it gives you.",
      link: { label: "Open @BotFather", url: "https://t.me/BotFather" },
    },
    fields: [{ key: "botToken", help: "Token of the bot, from @BotFather.", secret: true, required: true }],
  },
];
