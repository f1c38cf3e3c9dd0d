import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelCapabilities } from "../../../src/channels/channel.ts";
import type { ProtocolClient } from "../../../src/client/client.ts";
import { ClientError } from "../../../src/client/errors.ts";
import type { GatewayUnderTest } from "../../wire/gateway-process.ts";
import type { BotMessage, PlatformUser, PlatformHarness, HarnessModule } from "../platform-harness.ts";

type Row = { role: string; content: string | { type: string; text?: string }[]; __openclaw: { id: string } };
type History = { kind?: "delta" | "reset"; deltaCursor?: string; messages?: (Row | { message: Row })[] };
type Sent = { key: string; params: Record<string, unknown> };

const LOOK_MS = 30;
const PATIENCE_MS = 120_000;
const textOf = ({ content }: Row): string => (typeof content === "string" ? content : content.map(({ text = "" }) => text).join(""));

/** Someone with the page open: connects again whenever the gateway is back, and looks into the transcript of a session. */
class WebchatUser {
  readonly person: PlatformUser;
  /** Texts of the agent by the id of their message. */
  readonly texts = new Map<string, string>();
  #client: ProtocolClient | null = null;
  #cursor: string | undefined;

  constructor(name: string) {
    this.person = { id: `agent:main:${name}`, name };
  }

  async client(gateway: GatewayUnderTest): Promise<ProtocolClient> {
    if (this.#client?.url === gateway.url) return this.#client;
    const client = await gateway.connect({ scopes: ["operator.read", "operator.write"] });
    this.#client = client;
    void client.closed.then(() => {
      if (this.#client === client) this.#client = null;
    });
    return client;
  }

  /** Reads what is new; after another start from the beginning, when the gateway says so. */
  async look(gateway: GatewayUnderTest): Promise<void> {
    const client = await this.client(gateway);
    const from = this.#cursor === undefined ? { limit: 1_000 } : { cursor: this.#cursor };
    const { kind, deltaCursor, messages = [] } = await client.request<History>("chat.history", { sessionKey: this.person.id, ...from });
    this.#cursor = kind === "reset" ? undefined : deltaCursor;
    for (const each of messages) {
      const row = "message" in each ? each.message : each;
      if (row.role === "assistant") this.texts.set(row.__openclaw.id, textOf(row));
    }
  }

  async close(): Promise<void> {
    await this.#client?.close().catch(() => undefined);
  }
}

/** The gateway is away, is starting, or has no place at this moment: the same is asked again. */
const isPassing = (err: unknown): boolean => err instanceof ClientError && (err.kind !== "request" || err.code === "UNAVAILABLE");

/** Two people with the page of the gateway open, each in a session of their own. There is nothing to configure. */
async function open(): Promise<PlatformHarness> {
  const visitors = [new WebchatUser("ann"), new WebchatUser("bob")] as const;
  const visitorOf = (person: PlatformUser): WebchatUser => visitors.find((each) => each.person.id === person.id)!;
  let gateway: GatewayUnderTest | null = null;
  let newest: { person: PlatformUser; sent: Sent } | null = null;
  const ended = new AbortController();
  const put = async (person: PlatformUser, { params }: Sent): Promise<void> => {
    for (const end = Date.now() + PATIENCE_MS; ; await sleep(LOOK_MS)) {
      try {
        const client = await visitorOf(person).client(gateway!);
        return void (await client.request("chat.send", params, { timeoutMs: 5_000 }));
      } catch (err) {
        if (!isPassing(err) || Date.now() > end) throw err;
      }
    }
  };
  const looking = visitors.map(async (visitor) => {
    for (; !ended.signal.aborted; await sleep(LOOK_MS)) {
      if (!gateway) continue;
      await visitor.look(gateway).catch((err: unknown) => {
        if (!isPassing(err)) throw err;
      });
    }
  });
  return {
    users: [visitors[0].person, visitors[1].person],
    secrets: [],
    invalidSetting: { key: "", value: null, message: /^$/, isSecret: false },
    config: () => null,
    onGatewayListening: (_http, started) => void (gateway = started),
    async sendMessage(person, _where, text, { file } = {}) {
      const key = randomUUID();
      const attachments = file && [{ type: "image", fileName: file.name, mimeType: file.mimeType, content: file.bytes.toString("base64") }];
      const sent = { key, params: { sessionKey: person.id, message: text, idempotencyKey: key, ...(attachments && { attachments }) } };
      newest = { person, sent };
      await put(person, sent);
    },
    botMessages: () =>
      visitors.flatMap(({ person, texts }) => [...texts.values()].map((text): BotMessage => ({ where: "direct", to: person.id, text }))),
    redeliver: async () => {
      if (newest) await put(newest.person, newest.sent);
    },
    async close() {
      ended.abort();
      for (const visitor of visitors) await visitor.close();
      await Promise.all(looking);
    },
  };
}

const harness: HarnessModule = {
  open,
  skip: false,
  storesOffline: true,
  threads: false,
  rooms: false,
  crashPoints: { committed: "admitted", sent: "stored" },
  inapplicable: {
    config: "there is nothing to configure",
    policy: "access is decided by credentials and devices, not by access lists",
    downloads: "a picture comes with its message, and nothing is fetched",
    parts: "an answer is one message of the transcript",
    outbox: "an answer is in the transcript, and not sent anywhere",
    refusals: "the page gets Markdown as it is, and shows what it cannot read as it was written",
    bots: "only clients with credentials of the gateway write here, and who is a bot is nowhere said",
    history: "the client resends unacknowledged messages",
  },
};
export const { skip, storesOffline, threads, rooms, crashPoints, inapplicable } = harness;
export const label = "WebChat";
/** What a client of the gateway's own protocol can do, in the words of a channel. */
export const capabilities: ChannelCapabilities = {
  chatKinds: ["direct"],
  maxText: { unit: "utf16", value: 100_000 },
  markup: "markdown",
  // A client asks with the same key until it is answered.
  ack: "event",
  idempotency: "key",
  edit: false,
  typing: false,
  reactions: false,
  media: { in: true, out: false },
  buttons: false,
  commands: false,
  polls: false,
  events: [],
};
export { open };
