/** The scripted half of the dev server: sessions, stored rows, and turns that stream whether or not anybody is connected. */
import { randomUUID } from "node:crypto";
import type { Approvals } from "./approvals.ts";

export type Row = Record<string, unknown> & {
  role: string;
  __openclaw: { id: string; seq: number; runId?: string } & Record<string, unknown>;
};

export type Session = {
  key: string;
  sessionId: string;
  agentId: string;
  label: string | null;
  displayName: string | null;
  /** The chat application and the kind of chat, for a session that belongs to one. */
  channel?: string;
  chatType?: string;
  pinned?: boolean;
  archived?: boolean;
  model: string | null;
  updatedAt: number;
  createdAt: number;
  unread: boolean;
  category?: string | null;
  rows: Row[];
  run: LiveRun | null;
};

export type LiveRun = {
  runId: string;
  seq: number;
  text: string;
  startedAt: number;
  events: Record<string, unknown>[];
  aborted: boolean;
  ended: Promise<void>;
  end: () => void;
};

type ListParams = { limit?: number; offset?: number; search?: string; archived?: boolean };

export type Emit = (event: string, payload: Record<string, unknown>, sessionKey: string) => void;

export const MODELS = [
  { id: "setup-guide", name: "Setup guide (scripted, not an AI model)", provider: "guide", contextWindow: 32_000, available: true },
  { id: "large-1", name: "Large One", provider: "example", contextWindow: 200_000, reasoning: true, available: true },
  { id: "small-1", name: "Small One", provider: "example", contextWindow: 64_000, available: true },
];

export const COMMANDS = [
  { name: "status", description: "Show what the gateway is doing.", textAliases: ["/status"], acceptsArgs: false },
  { name: "reset", description: "Forget this conversation.", textAliases: ["/reset"], acceptsArgs: false },
  { name: "stop", description: "Stop the running turn.", textAliases: ["/stop"], acceptsArgs: false },
  {
    name: "skill",
    description: "Show the skills, or have the agent use one.",
    textAliases: ["/skill"],
    acceptsArgs: true,
    args: [{ name: "name", choices: [{ value: "notes" }, { value: "weather" }] }, { name: "request" }],
  },
  { name: "model", description: "Show or change the model.", textAliases: ["/model"], acceptsArgs: true },
];

/** One step of a scripted answer. `pauseMs` comes before it. */
type Step =
  | { do: "think"; text: string; pauseMs?: number }
  | { do: "say"; text: string; pauseMs?: number }
  | { do: "tool"; name: string; args: unknown; result: string; failed?: boolean; pauseMs: number }
  /** Asks before it runs. */
  | { do: "ask"; command: string; result: string }
  | { do: "fail"; message: string };

const MARKDOWN = `Here is what the disk says.

## Largest folders

| Folder | Size | Files |
|:--|--:|--:|
| \`sessions\` | 214 MB | 1,204 |
| \`media\` | 96 MB | 310 |
| \`logs\` | 12 MB | 9 |

Most of it is *old* session files. Two ways to go on:

1. **Archive** what nobody opened for 90 days
2. Keep everything, and move \`media\` to another disk

\`\`\`bash
# shows what would go, changes nothing
find sessions -name '*.jsonl' -mtime +90 -print0 | du --files0-from=- -ch | tail -n 1
\`\`\`

> Nothing is deleted before you say so.

More on this at [the manual](https://example.org/manual).`;

export const XSS = [
  "<script>window.__hacked = 'script'</script>",
  "<img src=x onerror=\"window.__hacked='img'\">",
  "<svg onload=\"window.__hacked='svg'\"><circle /></svg>",
  "[click](javascript:window.__hacked='link')",
  "[click](java\nscript:window.__hacked='split')",
  "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
  "![pixel](https://attacker.example/pixel.png)",
  "<a href=\"javascript:window.__hacked='a'\">a</a>",
  '<iframe srcdoc="<script>parent.__hacked=1</script>"></iframe>',
  '<form action="https://attacker.example"><input name=q></form>',
  '<math><mtext></table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.__hacked=1&gt;">',
  "```html\n<script>window.__hacked = 'fence'</script>\n```",
  '<div style="position:fixed;inset:0;background:red">over</div>',
  '<button data-copy="code" onclick="window.__hacked=\'button\'">x</button>',
].join("\n\n");

const words = (count: number): string => Array.from({ length: count }, (_, at) => `word${at}`).join(" ");

function toScript(message: string): readonly Step[] {
  if (message.includes("use a tool")) {
    return [
      { do: "think", text: "The person wants to know about disk space. `du` is quick and changes nothing." },
      { do: "say", text: "Let me look at the disk first." },
      {
        do: "tool",
        name: "exec",
        args: { command: "du -sh ~/.openclaw/*" },
        result: "214M\tsessions\n96M\tmedia\n12M\tlogs",
        pauseMs: 420,
      },
      {
        do: "tool",
        name: "read",
        args: { path: "/etc/openclaw/missing.json" },
        result: "ENOENT: no such file",
        failed: true,
        pauseMs: 120,
      },
      { do: "say", text: MARKDOWN },
    ];
  }
  if (message.includes("long tool")) {
    return [
      { do: "say", text: "Starting." },
      { do: "tool", name: "exec", args: { command: "sleep 60" }, result: "done", pauseMs: 60_000 },
    ];
  }
  if (message.includes("ask me")) {
    return [
      { do: "say", text: "I need your permission for that." },
      { do: "ask", command: "mkdir -p garden/2026", result: "(no output)" },
      { do: "say", text: "That is all." },
    ];
  }
  if (message.includes("slowly")) return [{ do: "say", text: `Slowly: ${words(80)} end-of-answer` }];
  if (message.includes("attack")) return [{ do: "say", text: XSS }];
  if (message.includes("fail"))
    return [
      { do: "say", text: "I begin" },
      { do: "fail", message: "The provider answered 529: overloaded." },
    ];
  return [{ do: "say", text: `You said: ${message}` }];
}

/** Large pictures are not in the history. `kept` is where this server has them. */
function withoutPictures(row: Row): Row {
  const { content } = row;
  if (!Array.isArray(content)) return row;
  const shown = content.map((part: { kept?: string } | null) =>
    part?.kept === undefined ? part : { ...part, kept: undefined, omitted: true },
  );
  return { ...row, content: shown };
}

function textIn({ content }: Row): string {
  if (typeof content === "string") return content;
  return ((content as { text?: string }[] | undefined) ?? []).flatMap(({ text }) => text ?? []).join("\n\n");
}

const toBranch = (rows: readonly Row[], active: boolean): Record<string, unknown> => ({
  leafEntryId: rows.at(-1)!.__openclaw.id,
  headline: textIn(rows.at(-1)!).slice(0, 120),
  messageCount: rows.length,
  active,
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Conversations {
  readonly sessions = new Map<string, Session>();
  readonly #emit: Emit;
  readonly #approvals: Approvals;
  readonly #keys = new Map<string, string>();
  /** Milliseconds between two words of a streamed answer. */
  wordMs = 25;

  constructor(emit: Emit, approvals: Approvals) {
    this.#emit = emit;
    this.#approvals = approvals;
    this.ensure("agent:main:main");
  }

  /** Sends an event about a session. A turn that goes on in a forgotten one reaches no client. */
  #tell(session: Session, event: string, payload: Record<string, unknown>): void {
    if (this.sessions.get(session.key) === session) this.#emit(event, payload, session.key);
  }

  /** Whether the gateway serves branches. */
  hasBranches = false;
  /** What other branches of a session have; the active one is in its rows. */
  readonly #others = new Map<string, Row[][]>();

  /** Undefined for a method that is none of these. */
  branches(method: string, key: string, params: Record<string, unknown>): unknown {
    if (!/^sessions\.(?:branches\.|rewind$|fork$)/.test(method)) return undefined;
    const session = this.ensure(key);
    const others = this.#others.get(key) ?? [];
    if (method === "sessions.branches.list")
      return { branches: [...others, session.rows].filter((rows) => rows.length > 0).map((rows) => toBranch(rows, rows === session.rows)) };
    if (method === "sessions.branches.switch") {
      const wanted = others.find((rows) => rows.at(-1)?.__openclaw.id === params["leafEntryId"]);
      if (wanted === undefined) return {};
      this.#others.set(key, [...others.filter((rows) => rows !== wanted), session.rows]);
      session.rows = wanted;
      this.changed(session, "branch");
      return {};
    }
    const at = session.rows.findIndex((row) => row.__openclaw.id === params["entryId"]);
    const entry = session.rows[at]!;
    const isUser = entry.role === "user";
    const kept = session.rows.slice(0, isUser ? at : at + 1);
    const editorText = isUser ? { editorText: textIn(entry) } : {};
    if (method === "sessions.fork") {
      const copy = this.ensure(`agent:main:dashboard:${randomUUID()}`, "A fork");
      copy.rows = [...kept];
      this.changed(copy, "create");
      return { sessionKey: copy.key, ...editorText };
    }
    this.#others.set(key, [...others, session.rows]);
    session.rows = kept;
    this.changed(session, "branch");
    return editorText;
  }

  /** Forgets every session but an empty main one. */
  clear(): void {
    this.hasBranches = false;
    this.#others.clear();
    this.sessions.clear();
    this.ensure("agent:main:main");
    this.wordMs = 12;
  }

  ensure(key: string, displayName: string | null = null): Session {
    const known = this.sessions.get(key);
    if (known !== undefined) return known;
    const now = Date.now();
    const session: Session = {
      key,
      sessionId: randomUUID(),
      agentId: key.split(":")[1] ?? "main",
      label: null,
      displayName,
      model: null,
      updatedAt: now,
      createdAt: now,
      unread: false,
      rows: [],
      run: null,
    };
    this.sessions.set(key, session);
    return session;
  }

  add(session: Session, row: Record<string, unknown> & { role: string }, runId?: string): Row {
    const seq = session.rows.length + 1;
    const stored = {
      timestamp: Date.now(),
      ...row,
      __openclaw: { id: randomUUID(), seq, recordTimestampMs: Date.now(), ...(runId ? { runId } : {}) },
    } as Row;
    session.rows.push(stored);
    session.updatedAt = Date.now();
    this.#tell(session, "session.message", {
      sessionKey: session.key,
      sessionId: session.sessionId,
      message: withoutPictures(stored),
      messageId: stored.__openclaw.id,
      session: this.toRow(session),
    });
    return stored;
  }

  toRow(session: Session): Record<string, unknown> {
    const last = session.rows.findLast((row) => row.role !== "toolResult");
    const content = last?.["content"];
    const text = typeof content === "string" ? content : (content as { text?: string }[] | undefined)?.find((part) => part.text)?.text;
    const model = MODELS.find((one) => `${one.provider}/${one.id}` === session.model) ?? MODELS[0];
    return {
      key: session.key,
      sessionId: session.sessionId,
      agentId: session.agentId,
      kind: "direct",
      isMain: session.key.endsWith(":main:main"),
      label: session.label,
      displayName: session.displayName,
      lastMessagePreview: text?.slice(0, 120) ?? null,
      updatedAt: session.updatedAt,
      createdAt: session.createdAt,
      unread: session.unread,
      category: session.category ?? null,
      archived: false,
      pinned: session.pinned === true,
      channel: session.channel ?? "webchat",
      chatType: session.chatType ?? "direct",
      ...this.#spent(session),
      model: model?.id,
      modelProvider: model?.provider,
      hasActiveRun: session.run !== null,
      activeRunIds: session.run === null ? [] : [session.run.runId],
    };
  }

  /** Tokens and cost of the whole session, and how much of its context is full. */
  #spent(session: Session): Record<string, unknown> {
    const used = session.rows.flatMap((row) =>
      row["usage"] === undefined ? [] : [row["usage"] as { totalTokens: number; cost: { total: number } }],
    );
    if (used.length === 0) return {};
    const tokens = used.reduce((sum, one) => sum + one.totalTokens, 0);
    const estimatedCostUsd = used.reduce((sum, one) => sum + one.cost.total, 0);
    return { totalTokens: tokens, contextTokens: 12_800, inputTokens: tokens, outputTokens: 0, estimatedCostUsd };
  }

  /** Page of the list, newest first, as the gateway gives it. */
  list({ limit = 100, offset = 0, search = "", archived = false }: ListParams): Record<string, unknown> {
    const rows = [...this.sessions.values()]
      .filter((one) => (one.archived ?? false) === archived)
      .toSorted((a, b) => b.updatedAt - a.updatedAt)
      .map((one) => this.toRow(one))
      .filter((row) => `${String(row["key"])} ${String(row["label"])}`.toLowerCase().includes(search.toLowerCase()));
    const sessions = rows.slice(offset, offset + limit);
    const end = offset + sessions.length;
    return {
      sessions,
      totalCount: rows.length,
      hasMore: end < rows.length,
      nextOffset: end < rows.length ? end : null,
      defaults: { model: "setup-guide", modelProvider: "guide" },
    };
  }

  /** Messages with this text. */
  search(query: string): Record<string, unknown> {
    const results = [...this.sessions.values()].flatMap(({ key, rows }) =>
      rows
        .map((row) => ({ row, text: JSON.stringify(row["content"] ?? "") }))
        .filter(({ text }) => text.toLowerCase().includes(query.toLowerCase()))
        .map(({ row, text }) => ({
          sessionKey: key,
          messageId: row.__openclaw.id,
          role: row.role,
          timestamp: Number(row["timestamp"] ?? Date.now()),
          snippet: text,
          score: 1,
        })),
    );
    return { results };
  }

  /** A picture that the history leaves out. */
  media(key: string, messageId: string, index: number): unknown {
    const row = this.sessions.get(key)?.rows.find((one) => one.__openclaw.id === messageId);
    const part = (row?.["content"] as { mimeType?: string; kept?: string }[] | undefined)?.[index];
    return part?.kept === undefined ? null : { mimeType: part.mimeType, data: part.kept };
  }

  /** Another conversation begins in the session: the old rows are out of reach. */
  renew(session: Session): void {
    session.sessionId = randomUUID();
    session.rows = [];
    this.changed(session, "reset");
  }

  /** A message is taken out of the transcript, as when its sender deletes it. */
  removeMessage(session: Session, messageId: string): void {
    session.rows = session.rows.filter((row) => row.__openclaw.id !== messageId);
    this.changed(session, "message-changed");
  }

  changed(session: Session, reason: string): void {
    const { key, ...fields } = this.toRow(session);
    this.#tell(session, "sessions.changed", { sessionKey: key, reason, ts: Date.now(), ...fields });
  }

  /** Where a page begins, counted from the newest message: as given, or with the message that is named. */
  offsetOf(key: string, { offset, messageId }: Readonly<Record<string, unknown>>): number {
    if (messageId === undefined) return Number(offset ?? 0);
    const { rows } = this.ensure(key);
    return rows.length - 1 - rows.findIndex((row) => row.__openclaw.id === messageId);
  }

  history(session: Session, limit: number, offset: number): Record<string, unknown> {
    const end = session.rows.length - offset;
    const start = Math.max(0, end - limit);
    const run = session.run;
    return {
      sessionKey: session.key,
      sessionId: session.sessionId,
      messages: session.rows.slice(start, Math.max(0, end)).map(withoutPictures),
      hasMore: start > 0,
      nextOffset: start > 0 ? session.rows.length - start : null,
      totalMessages: session.rows.length,
      sessionInfo: this.toRow(session),
      ...(run === null ? {} : { inFlightRun: { runId: run.runId, text: run.text, startedAt: run.startedAt, events: run.events } }),
    };
  }

  /** Takes a message; the same key twice is one message. */
  send(key: string, message: string, idempotencyKey: string, attachments: readonly unknown[]): { runId: string; status: string } {
    if (this.#keys.has(idempotencyKey)) return { runId: idempotencyKey, status: "in_flight" };
    this.#keys.set(idempotencyKey, key);
    const session = this.ensure(key);
    void this.#turn(session, message, idempotencyKey, attachments);
    return { runId: idempotencyKey, status: "started" };
  }

  abort(key: string): readonly string[] {
    const run = this.sessions.get(key)?.run ?? null;
    if (run === null) return [];
    run.aborted = true;
    this.#approvals.cancelRun(run.runId);
    return [run.runId];
  }

  async #turn(session: Session, message: string, runId: string, attachments: readonly unknown[]): Promise<void> {
    while (session.run !== null) await session.run.ended;
    if (message === "/reset") {
      this.renew(session);
      const said = "This is a new conversation. What can I do for you?";
      this.add(session, { role: "assistant", content: [{ type: "text", text: said }], stopReason: "stop" }, runId);
      const answer = { role: "assistant", content: said };
      this.#tell(session, "chat", { runId, sessionKey: session.key, seq: 1, state: "final", message: answer });
      return;
    }
    const images = attachments.filter((one) => (one as { type: string }).type === "image");
    const pictures = images.map((one) => ({
      type: "image",
      mimeType: (one as { mimeType: string }).mimeType,
      kept: (one as { content: string }).content,
    }));
    this.add(session, {
      role: "user",
      content: pictures.length === 0 ? message : [{ type: "text", text: message }, ...pictures],
      idempotencyKey: `${runId}:user`,
    });
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const run: LiveRun = { runId, seq: 0, text: "", startedAt: Date.now(), events: [], aborted: false, ended, end };
    session.run = run;
    this.changed(session, "send");
    this.#chat(session, run, { state: "status", phase: "starting_model" });
    this.#agent(session, run, "lifecycle", { phase: "start", startedAt: run.startedAt });
    await pause(this.wordMs * 3);
    let failure: string | null = null;
    let said = "";
    let thought = "";
    for (const step of toScript(message)) {
      if (run.aborted) break;
      if (step.do === "think") {
        thought = step.text;
        this.#agent(session, run, "thinking", { text: step.text, delta: step.text });
      } else if (step.do === "say") said = await this.#say(session, run, step.text);
      else if (step.do === "fail") failure = step.message;
      else {
        if (step.do === "ask") await this.#toolWithQuestion(session, run, step, said);
        else await this.#tool(session, run, step, said, thought);
        said = "";
        thought = "";
      }
    }
    this.#end(session, run, said, failure);
  }

  async #say(session: Session, run: LiveRun, text: string): Promise<string> {
    let said = "";
    if (run.text !== "") run.text += "\n\n";
    for (const piece of text.split(/(?<=\s)/)) {
      if (run.aborted) break;
      said += piece;
      run.text += piece;
      this.#chat(session, run, {
        state: "delta",
        deltaText: piece,
        message: { role: "assistant", content: [{ type: "text", text: run.text }] },
      });
      await pause(this.wordMs);
    }
    return said;
  }

  /** A command about which a person is asked; it ends with the answer. */
  async #toolWithQuestion(session: Session, run: LiveRun, step: Extract<Step, { do: "ask" }>, said: string): Promise<void> {
    const callId = `call_${run.seq}`;
    const { command } = step;
    this.#agent(session, run, "tool", { phase: "start", toolCallId: callId, name: "exec", args: { command } });
    const call = { type: "toolCall", id: callId, name: "exec", arguments: { command } };
    this.add(
      session,
      { role: "assistant", content: [{ type: "text", text: said }, call], stopReason: "toolUse", model: "large-1" },
      run.runId,
    );
    const id = this.#approvals.ask({
      command,
      sessionKey: session.key,
      runId: run.runId,
      callId,
      warnings: ["It runs outside of the sandbox, with the rights of the gateway."],
      patterns: [{ pattern: "/usr/bin/mkdir", argPattern: 'words:["-p","{path}"]' }],
    });
    const ended = this.#approvals.ended(id);
    this.#agent(session, run, "lifecycle", { phase: "waiting-approval", approvalId: id, toolCallId: callId });
    const isAllowed = (await ended) === "allowed";
    this.#agent(session, run, "lifecycle", { phase: "approval-resolved", approvalId: id, toolCallId: callId });
    const content = [{ type: "text", text: isAllowed ? step.result : "Not run: it was denied." }];
    this.#agent(session, run, "tool", { phase: "result", toolCallId: callId, name: "exec", isError: !isAllowed, result: { content } });
    this.add(session, { role: "toolResult", toolCallId: callId, toolName: "exec", content, isError: !isAllowed }, run.runId);
  }

  async #tool(session: Session, run: LiveRun, step: Extract<Step, { do: "tool" }>, said: string, thought: string): Promise<void> {
    const id = `call_${run.seq}`;
    const content = [
      ...(thought === "" ? [] : [{ type: "thinking", thinking: thought }]),
      ...(said === "" ? [] : [{ type: "text", text: said }]),
      { type: "toolCall", id, name: step.name, arguments: step.args },
    ];
    this.#agent(session, run, "tool", { phase: "start", toolCallId: id, name: step.name, args: step.args });
    this.add(session, { role: "assistant", content, stopReason: "toolUse", provider: "example", model: "large-1" }, run.runId);
    for (let left = step.pauseMs; left > 0 && !run.aborted; left -= 20) await pause(Math.min(20, left));
    if (run.aborted) return;
    const result = { content: [{ type: "text", text: step.result }], details: { durationMs: step.pauseMs } };
    this.#agent(session, run, "tool", { phase: "result", toolCallId: id, name: step.name, isError: step.failed === true, result });
    this.add(
      session,
      {
        role: "toolResult",
        toolCallId: id,
        toolName: step.name,
        content: result.content,
        isError: step.failed === true,
        details: result.details,
      },
      run.runId,
    );
  }

  #end(session: Session, run: LiveRun, said: string, failure: string | null): void {
    const state = run.aborted ? "aborted" : failure === null ? "final" : "error";
    const stopReason = run.aborted ? "aborted" : failure === null ? "stop" : "error";
    if (said !== "" || failure !== null) {
      const extra = { ...(failure === null ? {} : { errorMessage: failure }), ...(run.aborted ? { openclawAbort: { by: "rpc" } } : {}) };
      this.add(
        session,
        { role: "assistant", content: [{ type: "text", text: said }], stopReason, provider: "example", model: "large-1", ...extra },
        run.runId,
      );
    }
    session.run = null;
    this.#chat(session, run, {
      state,
      stopReason,
      message: { role: "assistant", content: [{ type: "text", text: run.text }] },
      ...(failure === null ? {} : { errorMessage: failure, errorKind: "unknown" }),
    });
    session.unread = true;
    run.end();
    this.changed(session, "agent.input.settled");
  }

  #chat(session: Session, run: LiveRun, payload: Record<string, unknown>): void {
    run.seq += 1;
    this.#tell(session, "chat", { runId: run.runId, sessionKey: session.key, agentId: session.agentId, seq: run.seq, ...payload });
  }

  #agent(session: Session, run: LiveRun, stream: string, data: Record<string, unknown>): void {
    run.seq += 1;
    const event = { runId: run.runId, seq: run.seq, stream, ts: Date.now(), data, sessionKey: session.key, agentId: session.agentId };
    run.events.push(event);
    this.#tell(session, "agent", event);
  }
}
