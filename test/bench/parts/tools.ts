import type { ServerEvent } from "../../../src/client/client.ts";
import type { ModelReply, RecordedRequest, ReplyStep } from "../../model-server.ts";
import { localSite, noBrowser } from "../../fakes/browser-host.ts";
import { findSkipReason } from "../../sandbox/sandboxed-command.ts";
import { costOf, median } from "../measure.ts";
import { openTalker, type Part, type Subject, type Talker } from "../subject.ts";

/** The arguments of call `n` of a turn. */
type Args = (n: number) => object;

type CostPerTurn = (tool: string, args: Args, calls: number) => Promise<number>;

const CALLS = 20;
/** Turns of one figure. */
const TURNS = 10;
const CONFIG = {
  // Both hosts: a call that asks for the sandbox gets it.
  tools: { exec: { mode: "full", host: "auto" } },
  browser: { ssrfPolicy: { allowedHostnames: ["127.0.0.1"] } },
};
/** Clicks on an element that has gone. */
const STALE_REFS = 21;
/** Words of the answer that is watched, and the pause before each. */
const WORDS = 100;
const PAUSE_MS = 20;

/** A command whose output is shown in many updates, for about three seconds. */
const streaming: Args = (n) => ({ command: `for i in $(seq 300); do echo line ${n} $i; sleep 0.01; done` });

export const tools: Part = {
  name: "tools",
  about: `What a call of a tool adds to a turn, and what ${CALLS} commands that stream at once do to the answer in another session.`,
  measure: (subject) =>
    subject.withGateway(subject.config(CONFIG), async (gateway) => {
      const talker = await openTalker(gateway);
      for (let n = 0; n < 20; n++) await talker.turn("main", `warm ${n}`);
      const costPerTurn = async (tool: string, args: Args, calls: number): Promise<number> => {
        subject.model.setBehaviour((request) => callsOnce(request, tool, args, calls));
        for (let n = 0; n < 3; n++) await talker.turn(`${tool}${calls}`, `warm ${n}`);
        const cost = await costOf(gateway.pid, async () => {
          for (let n = 0; n < TURNS; n++) await talker.turn(`${tool}${calls}`, `message ${n}`);
        });
        return cost.all / TURNS;
      };
      for (const [tool, args] of [
        ["ls", (n: number) => ({ limit: 100 + n })],
        ["exec", (n: number) => ({ command: `true ${n}` })],
      ] as const) {
        const [few, many] = [await costPerTurn(tool, args, 1), await costPerTurn(tool, args, CALLS)];
        subject.record(`a call of ${tool}, gateway and Pi`, "ms CPU", (many - few) / (CALLS - 1), tool === "ls" ? 3 : undefined);
      }
      if ((await findSkipReason()) === false) await measureSandboxed(subject, talker, costPerTurn);
      await measurePauses(subject, talker);
      if (noBrowser === false) await measureStaleRef(subject, talker);
      subject.model.setBehaviour(undefined);
      talker.close();
    }),
};

const commandOn =
  (host: "sandbox" | "gateway"): Args =>
  (n) => ({ command: `true ${n}`, ...(host === "sandbox" && { host }) });

/** What the sandbox adds to a command: its processes are not the gateway's, so that the rest of its cost is time. */
async function measureSandboxed(subject: Subject, talker: Talker, costPerTurn: CostPerTurn): Promise<void> {
  const cost = async (host: "sandbox" | "gateway"): Promise<{ cpu: number; wall: number }> => {
    const cpu = await costPerTurn("exec", commandOn(host), CALLS);
    const times: number[] = [];
    for (let n = 0; n < TURNS; n++) {
      const began = performance.now();
      await talker.turn(`exec${CALLS}`, `again ${n}`);
      times.push(performance.now() - began);
    }
    return { cpu: cpu / CALLS, wall: median(times) / CALLS };
  };
  const plain = await cost("gateway");
  const sandboxed = await cost("sandbox");
  subject.record("added to a command by the sandbox, gateway", "ms CPU", sandboxed.cpu - plain.cpu, 5);
  subject.record(`the same, of ${CALLS} commands at once, each`, "ms", sandboxed.wall - plain.wall, 25);
}

/** How long a ref of an element that has gone takes, with what the page has now: it is not waited for. */
async function measureStaleRef(subject: Subject, { client }: Talker): Promise<void> {
  const site = await localSite((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(Array.from({ length: 200 }, (_, n) => `<button>Button ${n}</button>`).join(""));
  });
  try {
    await client.request("browser.request", { action: "open", args: { targetUrl: site.origin } });
    const times: number[] = [];
    for (let n = 0; n < STALE_REFS; n++) {
      const began = performance.now();
      await client.request("browser.request", { action: "act", args: { kind: "click", ref: "e9999" } }).catch(expectStale);
      times.push(performance.now() - began);
    }
    await client.request("browser.request", { action: "stop" });
    subject.record("a ref that has gone, of a page of 200 buttons, median", "ms", median(times), 50);
  } finally {
    site.close();
  }
}

function expectStale(err: unknown): void {
  if (!/stale_ref/.test(String(err))) throw err;
}

/** Parallel calls of one tool for a message of a person, each with other arguments, and a text when their results are there. */
function callsOnce({ messages }: RecordedRequest, tool: string, args: Args, calls: number): ModelReply {
  if (messages.at(-1)?.role === "tool") return { steps: [{ text: "done" }] };
  return { steps: Array.from({ length: calls }, (_, n): ReplyStep => ({ tool, args: args(n) })) };
}

const isWatched = ({ messages }: RecordedRequest): boolean => JSON.stringify(messages.at(-1)).includes("watched");

/** The longest pause between two pieces of an answer, alone and beside streaming commands of another session. */
async function measurePauses(subject: Subject, talker: Talker): Promise<void> {
  const words = Array.from({ length: WORDS }, (_, n): ReplyStep[] => [{ waitMs: PAUSE_MS }, { text: `word${n} ` }]).flat();
  subject.model.setBehaviour((request) => (isWatched(request) ? { steps: words } : callsOnce(request, "exec", streaming, CALLS)));
  const alone = await longestPause(talker);
  const commands = talker.turn("streaming", "go");
  const beside = await longestPause(talker);
  await commands;
  subject.record("longest pause in an answer, alone", "ms", alone);
  subject.record(`longest pause in an answer beside ${CALLS} streaming commands`, "ms", beside);
  subject.record(`added by ${CALLS} streaming commands`, "ms", beside - alone, 20);
}

async function longestPause(talker: Talker): Promise<number> {
  let [last, longest] = [0, 0];
  const stop = talker.client.on(({ event, payload }: ServerEvent) => {
    const { sessionKey, state } = payload as { sessionKey?: string; state?: string };
    if (event !== "chat" || state !== "delta" || sessionKey !== "agent:main:watched") return;
    const now = performance.now();
    if (last > 0) longest = Math.max(longest, now - last);
    last = now;
  });
  await talker.turn("watched", "watched");
  stop();
  return longest;
}
