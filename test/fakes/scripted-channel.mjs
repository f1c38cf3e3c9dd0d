// A channel plugin for tests: the text of an outgoing message says what the channel does.
import { setTimeout as sleep } from "node:timers/promises";
import { defineChannel, NotSentError, secretText, TerminalError, UnknownOutcomeError } from "openclaw-gateway/channel";

let number = 0;
const event = (text) => ({
  kind: "message",
  eventId: `toy-${text}-${++number}`,
  account: "default",
  sentAt: 1,
  origin: "live",
  chat: { kind: "direct", id: "c" },
  sender: { id: "s", isBot: false, isSelf: false },
  message: `m-${text}`,
  text,
  media: [],
  mentionsSelf: false,
});

const ERRORS = {
  terminal: () => new TerminalError("banned", "Ask for mercy."),
  unknowable: () => new UnknownOutcomeError("nobody can say"),
  "not-sent": () => new NotSentError("no address"),
  type: () => new TypeError("wrong type"),
  plain: () => Object.assign(new Error("some trouble"), { code: "ETROUBLE" }),
};

const sent = (text) => ({ state: "sent", ids: [text] });

/** What a text makes the channel do. */
const DEEDS = {
  say: async (_run, word) => sent(word),
  secret: async ({ account }) => sent(secretText(account.secret)),
  printed: async ({ account }) => sent(`${account.secret} ${JSON.stringify(account)}`),
  file: async (_run, _word, part) => sent((await part.media.read()).toString()),
  throw: async (_run, kind) => {
    throw ERRORS[kind]();
  },
  wait: async (_run, _word, _part, signal) => {
    await sleep(60_000, undefined, { signal });
    return sent("waited in vain");
  },
  admit: async ({ host }, word) => {
    await host.admit([event(word)], `after ${word}`);
    return sent(host.cursor());
  },
  many: async ({ host }, count) => {
    await Promise.all(Array.from({ length: Number(count) }, (_, at) => host.admit([event(String(at))])));
    return sent("admitted");
  },
  "many-exit": async ({ host }, count) => {
    const all = Array.from({ length: Number(count) }, (_, at) => host.admit([event(String(at))]));
    await Promise.all(all);
    process.exit(0);
  },
  nonsense: async ({ host }) => {
    await host.admit([{ kind: "message" }]);
    return sent("admitted");
  },
  keep: async ({ host }, word) => {
    await host.vault.write("key", Buffer.from(word));
    return sent((await host.vault.read("key")).toString());
  },
  end: async ({ end }, kind) => {
    end(kind === "well" ? undefined : ERRORS[kind]());
    return sent("ending");
  },
  exit: async () => process.exit(3),
  crash: async () => {
    setImmediate(() => {
      throw new Error("a bug of the toy");
    });
    await sleep(60_000);
  },
  reject: async () => {
    void Promise.reject(new Error("nobody caught this"));
    await sleep(60_000);
  },
  spin: async () => {
    for (;;);
  },
  fill: async () => {
    const hoard = [];
    for (;;) hoard.push(Array.from({ length: 100_000 }, () => hoard.length));
  },
};

export default defineChannel({
  id: "toy",
  label: "Toy",
  capabilities: { chatKinds: ["direct"], maxText: { unit: "utf16", value: 1_000 } },
  parse: (raw) =>
    raw?.secret === undefined ? { issues: [{ path: "secret", message: "it is missing", fix: "Set it." }] } : { account: { ...raw } },
  identity: () => "toy",
  parseChat: (to) => ({ kind: "direct", id: to }),
  verify: async () => ({ name: "toy" }),
  handleWebhook: async (_account, request, host) => {
    await host.admit([event(request.path)]);
    return { status: 200, body: request.body.toString() };
  },
  run: (account, host, live, signal) =>
    new Promise((resolve, reject) => {
      const run = { account, host, end: (err) => (err ? reject(err) : resolve()) };
      const act = (part, abort) => {
        const [deed, word] = part.text.split(":");
        return DEEDS[deed](run, word, part, abort);
      };
      host.reportActivity();
      host.setState("degraded", "for a moment");
      host.log.info("the toy runs", { secret: account.secret, commands: host.commands.map(({ name }) => name) });
      const link = {
        send: act,
        edit: (id, part, abort) => act({ ...part, text: `say:${id}` }, abort),
        download: async (ref, maxBytes) => Buffer.from(`${ref.url} ${maxBytes}`),
        lookup: async (part) => (part.text === "gone" ? null : Promise.reject(ERRORS.unknowable())),
        openThread: async (target, name, at) => `${target.chat.id} ${name} ${at}`,
      };
      if (account.linkAfterMs === undefined) live(link);
      else setTimeout(() => live(link), account.linkAfterMs);
      if (!account.stubborn) signal.addEventListener("abort", () => resolve(), { once: true });
    }),
});
