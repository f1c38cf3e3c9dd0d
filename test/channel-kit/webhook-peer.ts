import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { serveFile } from "./serve-file.ts";

type WebhookMessage = {
  id: string;
  key: string;
  text: string;
  chat: { kind: string; id: string };
  thread?: string;
  files: string[];
  buttons?: readonly (readonly { text: string; token: string }[])[];
};
/** A peer that pushes waits so long for a gateway that is away. */
const PATIENCE_MS = 120_000;
type Answer = { status: number; body: string; headers?: Record<string, string> };
/** `of`: types of requests that fail; all by default. */
type Failure = { times: number; how: number | "cut" | "cut-after"; headers: Record<string, string>; of: readonly string[] | null };

/** The other side of the webhook channel, written from its documentation alone: a chat that keeps what it is sent. */
export class WebhookPeer {
  readonly secret: string;
  /** What messages to us may be signed with. */
  readonly secrets: string[];
  /** Visible messages, in order. */
  readonly messages: WebhookMessage[] = [];
  readonly events: Record<string, unknown>[] = [];
  /** Every request with a body, as it came. */
  readonly requests: { headers: Record<string, string>; body: string }[] = [];
  readonly files = new Map<string, Buffer>();
  /** Where the gateway takes requests. */
  door = "";
  #server = createServer((request, response) => {
    this.#answer(request).then(
      (answer) => {
        if ("file" in answer) return serveFile(response, answer.file.slice(1), this.files.get(answer.file));
        response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers }).end(answer.body);
      },
      () => response.destroy(),
    );
  });
  #failures: Failure[] = [];
  #counter = 0;
  #last: { id: string; body: string } | null = null;
  readonly #byKey = new Map<string, string>();

  constructor(secret = "a-secret-of-the-tests-0123456789") {
    this.secret = secret;
    this.secrets = [secret];
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => void this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/in`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Returns how often it has happened since. */
  fail(how: Failure["how"], times = 1, headers: Record<string, string> = {}, of: readonly string[] | null = null): () => number {
    const failure = { times, how, headers, of };
    this.#failures.push(failure);
    return () => times - failure.times;
  }

  #failing(body: string): Failure | undefined {
    const type = body === "" ? "" : (JSON.parse(body) as { type: string }).type;
    const failure = this.#failures.find(({ of }) => of === null || of.includes(type));
    if (failure && --failure.times <= 0) this.#failures = this.#failures.filter((each) => each !== failure);
    return failure;
  }

  sign(id: string, body: string, at = Date.now()): Record<string, string> {
    const timestamp = String(Math.floor(at / 1_000));
    const signature = `v2=${createHmac("sha256", this.secret).update(`to-gateway.${id}.${timestamp}.${body}`).digest("hex")}`;
    return { "x-webhook-id": id, "x-webhook-timestamp": timestamp, "x-webhook-signature": signature };
  }

  /** Pushes an event, again and again until the gateway says that it has it: that is what the contract asks of a peer. */
  async push(event: Record<string, unknown>, id = `e${process.pid}-${++this.#counter}`): Promise<void> {
    this.#last = { id, body: JSON.stringify(event) };
    await this.#post(this.#last);
  }

  /** The newest event once more, as after a lost answer. */
  async repeat(): Promise<void> {
    if (this.#last) await this.#post(this.#last);
  }

  async #post({ id, body }: { id: string; body: string }): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      try {
        const answer = await fetch(this.door, { method: "POST", body, headers: this.sign(id, body) });
        if (answer.status === 200) return;
        if (answer.status !== 503) throw new Error(`the gateway answered ${answer.status}: ${await answer.text()}`);
      } catch (err) {
        // The gateway is away: it comes back.
        if (!(err instanceof TypeError)) throw err;
      }
      if (Date.now() > end) throw new Error("the gateway did not take the event");
    }
  }

  async #answer(request: IncomingMessage): Promise<Answer | { file: string }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    if (body !== "") this.requests.push({ headers: request.headers as Record<string, string>, body });
    const failure = this.#failing(body);
    if (failure?.how === "cut") throw new Error("cut");
    const header = (name: string): string => String(request.headers[`x-webhook-${name}`] ?? "");
    const signed = (secret: string): string =>
      `v2=${createHmac("sha256", secret)
        .update(`from-gateway.${header("id")}.${header("timestamp")}.${body}`)
        .digest("hex")}`;
    if (!this.secrets.some((secret) => signed(secret) === header("signature"))) return { status: 401, body: "{}" };
    if (typeof failure?.how === "number") return { status: failure.how, body: "{}", headers: failure.headers };
    if (request.method === "GET") return { file: request.url ?? "" };
    const answer = this.#take(JSON.parse(body) as Record<string, unknown>, String(request.headers["idempotency-key"]));
    if (failure?.how === "cut-after") throw new Error("cut");
    return answer;
  }

  #take(event: Record<string, unknown>, key: string): Answer {
    const known = this.#byKey.get(key);
    if (known) return { status: 200, body: known };
    const { type, chat, thread, text, message, media, buttons } = event as unknown as WebhookMessage & {
      type: string;
      message: string;
      media?: { name: string; data: string }[];
    };
    this.events.push(event);
    let ids: string[] = [];
    if (type === "message") {
      ids = [`p${++this.#counter}`];
      const files = (media ?? []).map((file) => `${file.name}:${Buffer.from(file.data, "base64").toString()}`);
      this.messages.push({ id: ids[0]!, key, text, chat, ...(thread && { thread }), ...(buttons && { buttons }), files });
    }
    const at = this.messages.findIndex((each) => each.id === message);
    if ((type === "edit" || type === "delete") && at < 0) return { status: 404, body: "{}" };
    if (type === "edit") this.messages[at]!.text = text;
    if (type === "delete") this.messages.splice(at, 1);
    const body = JSON.stringify({ ids });
    this.#byKey.set(key, body);
    return { status: 200, body };
  }
}
