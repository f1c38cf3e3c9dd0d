/** Invented figures for the scripted gateway. */
import type { Overview, OverviewActivity } from "../../src/core/overview.ts";

const HOUR = 3_600_000;
const MIN = 60_000;
const MESSAGES = [2, 0, 0, 0, 1, 0, 3, 8, 14, 22, 19, 12, 16, 24, 31, 27, 18, 9, 12, 21, 17, 6, 4, 3];

const RECENT: readonly Partial<OverviewActivity>[] = [
  { text: "Which of the three trains is the fastest on a Sunday?", channel: "telegram", rule: "default", sender: "Ada", state: "running" },
  { text: "مرحبا، كيف الطقس اليوم؟", channel: "irc", rule: "default", sender: "ann" },
  { text: "Summarize the log of last night", channel: "webchat" },
  {
    text: "a very long word: " + "donaudampfschifffahrt".repeat(6),
    channel: "telegram",
    rule: "peer",
    binding: 0,
    sender: "Ada",
    agentId: "ops",
    state: "failed",
  },
  { text: "🎉🎉🎉", channel: "telegram", rule: "default", sender: "Bo", state: "dead-letter" },
];

export class ScriptedOverview {
  now = Date.now();
  #isEmpty = false;
  #problems: Overview["problems"] = [];
  #links: NonNullable<Overview["links"]> = [];

  reset(): void {
    this.#isEmpty = false;
    this.#links = [];
    this.#problems = [];
  }

  /** As after the first start. */
  empty(): void {
    this.#isEmpty = true;
  }

  link(link: NonNullable<Overview["links"]>[number]): void {
    this.#links = [...this.#links, link];
  }

  breakPart(part: string, cause: string): void {
    this.#problems = [{ part, cause, since: this.now - 3 * MIN, vital: true }];
  }

  /** Undefined for a method that is not this one. */
  answer(method: string): Overview | undefined {
    if (method !== "gateway.overview") return undefined;
    const since = this.now - 23 * HOUR;
    const counts = this.#isEmpty ? MESSAGES.map(() => 0) : MESSAGES;
    const figures = { messages: 12, failed: 0, p50Ms: 1_900, p95Ms: 6_400 };
    return {
      ts: this.now,
      since,
      truncated: false,
      messages: counts.reduce((sum, count) => sum + count, 0),
      failed: this.#isEmpty ? 0 : 2,
      p50Ms: this.#isEmpty ? null : 1_850,
      p95Ms: this.#isEmpty ? null : 6_300,
      hours: counts.map((messages, at) => ({
        at: since + at * HOUR,
        messages,
        failed: 0,
        p95Ms: messages === 0 ? null : 2_000 + 150 * messages,
      })),
      queue: this.#isEmpty
        ? { running: 0, waiting: 0, outgoing: 0, oldestAt: null }
        : { running: 1, waiting: 2, outgoing: 1, oldestAt: this.now - 4_200 },
      deadLetters: 0,
      ...(this.#links.length > 0 && { links: this.#links }),
      edges: this.#isEmpty
        ? []
        : [
            { ...figures, channel: "telegram", account: "default", rule: "default", agentId: "main", messages: 180 },
            { ...figures, channel: "telegram", account: "default", rule: "peer", binding: 0, agentId: "ops", messages: 9, failed: 2 },
            { ...figures, channel: "irc", account: "libera", rule: "default", agentId: "main", messages: 44 },
            { ...figures, channel: "webchat", account: "", agentId: "main", messages: 31 },
            { ...figures, channel: "rpc", account: "", agentId: "main", messages: 6 },
          ],
      tools: this.#isEmpty
        ? []
        : [
            { agentId: "main", tool: "read", calls: 96 },
            { agentId: "main", tool: "web_search", calls: 41 },
            { agentId: "ops", tool: "exec", calls: 12 },
            { agentId: "main", tool: "exec", calls: 7 },
          ],
      recent: this.#isEmpty ? [] : RECENT.map((row, index) => this.#toActivity(row, index)),
      problems: this.#problems,
      configErrors: [],
      agents: [
        { id: "main", name: "Main" },
        { id: "ops", name: "Operations" },
      ],
    };
  }

  #toActivity(row: Partial<OverviewActivity>, index: number): OverviewActivity {
    const receivedAt = this.now - index * 7 * MIN;
    const state = row.state ?? "done";
    const endedAt = state === "running" ? null : receivedAt + 1_700;
    const known = { runId: `r${index + 1}`, channel: "webchat", account: "", agentId: "main", sessionKey: "agent:main:main", text: "" };
    return { ...known, receivedAt, endedAt, ...row, state };
  }
}
