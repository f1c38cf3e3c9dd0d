import { createHmac } from "node:crypto";
import { Agent, request } from "node:http";
import { costOf, sleep } from "../measure.ts";
import { openTalker, type Part } from "../subject.ts";

const SECRET = "secret-of-the-attacked-hook";
const BODY = JSON.stringify({ action: "opened", issue: { title: "hello" } });
const RATE = 2_000;
const SECONDS = 5;
/** The longest time that others may wait for an answer meanwhile. */
const OTHERS_MS = 50;

const sign = (key: string): string => `sha256=${createHmac("sha256", key).update(BODY).digest("hex")}`;

/** Sends requests at a rate, on a few connections; resolves to how often each status came. */
async function flood(http: string, headers: (index: number) => Record<string, string>, body: string): Promise<Map<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const statuses = new Map<number, number>();
  const open: Promise<void>[] = [];
  const send = (index: number): Promise<void> =>
    new Promise((resolve) => {
      const count = (status: number): void => {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        resolve();
      };
      const sent = request(
        `${http}/hooks/github`,
        { method: "POST", agent, headers: { "content-type": "application/json", ...headers(index) } },
        (answer) => {
          answer.resume();
          answer.on("end", () => count(answer.statusCode ?? 0));
        },
      );
      sent.on("error", () => count(0));
      sent.end(body);
    });
  for (let tick = 0; tick < SECONDS * 20; tick++) {
    for (let n = 0; n < RATE / 20; n++) open.push(send(tick * 100 + n));
    await sleep(50);
  }
  await Promise.all(open);
  agent.destroy();
  return statuses;
}

/** The slowest answers to another client, of one request every 20 ms. */
async function latencies(
  client: { request: (method: string, params: object) => Promise<unknown> },
  isOver: () => boolean,
): Promise<number[]> {
  const times: number[] = [];
  while (!isOver()) {
    const began = performance.now();
    await client.request("sessions.list", { limit: 10 });
    times.push(performance.now() - began);
    await sleep(20);
  }
  return times.toSorted((a, b) => a - b);
}

export const hooks: Part = {
  name: "hooks",
  about: "2,000 forged, replayed and oversized requests a second to a hook: what they cost, and how long others wait.",
  onRequest: true,
  maxRuns: 1,
  measure: (subject) => {
    const config = {
      hooks: {
        enabled: true,
        token: "token-of-the-attacked-hook",
        signatures: { github: { scheme: "github", secret: SECRET } },
        presets: ["github"],
      },
    };
    return subject.withGateway(subject.config(config), async (gateway) => {
      const talker = await openTalker(gateway);
      const { client } = talker;
      const runs = async (): Promise<number> =>
        (await client.request<{ deliveries: unknown[] }>("hooks.deliveries", { limit: 200 })).deliveries.length;
      const attacks: readonly (readonly [string, (index: number) => Record<string, string>, string])[] = [
        ["forged", (index) => ({ "x-hub-signature-256": sign("another secret"), "x-github-delivery": `f${index}` }), BODY],
        ["replayed", (index) => ({ "x-hub-signature-256": sign(SECRET), "x-github-delivery": `r${index}` }), BODY],
        ["oversized", (index) => ({ "x-hub-signature-256": sign(SECRET), "x-github-delivery": `o${index}` }), "x".repeat(300_000)],
      ];
      for (const [name, headers, body] of attacks) {
        let isOver = false;
        const waiting = latencies(client, () => isOver);
        let statuses = new Map<number, number>();
        const { own, elapsedMs } = await costOf(gateway.pid, async () => {
          statuses = await flood(gateway.http, headers, body);
        });
        isOver = true;
        const times = await waiting;
        const sent = [...statuses.values()].reduce((sum, count) => sum + count, 0);
        subject.record(`${name}, each request`, "us CPU", (own * 1_000) / sent, 400);
        subject.record(`${name}, CPU`, "% of a core", (own / elapsedMs) * 100);
        subject.record(`${name}, others wait at most`, "ms", times.at(-1) ?? 0);
        subject.record(`${name}, others wait, 99 of 100`, "ms", times[Math.floor(times.length * 0.99)] ?? 0, OTHERS_MS);
        console.error(`${name}: ${[...statuses].map(([status, count]) => `${status}: ${count}`).join(", ")}`);
      }
      subject.record("deliveries taken of all of these", "runs", await runs(), 1);
      talker.close();
    });
  },
};
