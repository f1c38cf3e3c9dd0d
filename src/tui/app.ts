import { randomUUID } from "node:crypto";
import { ClientError } from "../client/errors.ts";
import type { LiveConnection } from "../client/live-connection.ts";
import type { ProtocolClient } from "../client/protocol-client.ts";
import { toItems, type TranscriptItem } from "../client/conversation/transcript-items.ts";
import { contentText } from "../client/conversation/protocol-types.ts";
import { sanitizeLine } from "../cli/terminal-text.ts";
import { outcomeText, type ApprovalEnding } from "../cli/approval-view.ts";
import type { QueueMode } from "../core/queue-modes.ts";
import { toSentence } from "../core/text.ts";
import type { Attachment } from "../client/conversation/outbox.ts";
import { LIMITS } from "../core/limits.ts";
import { AttachmentError, completePath, describeAttachments, pastedFile, readAttachment, toPath, type Here } from "./attachments.ts";
import { activeRun } from "./chat-state.ts";
import { CompletionProvider } from "./completion-provider.ts";
import { OpenSession, type SendOptions } from "./open-session.ts";
import { copyText } from "./copy-text.ts";
import { GatewayLists } from "./gateway-lists.ts";
import { keyAction, keyHelp, SEARCH_KEY, type KeyAction } from "./keys.ts";
import { toBackground, toPalette, type Palette } from "./palette.ts";
import { Picker, type PickerItem } from "./picker.ts";
import { Pictures } from "./pictures.ts";
import { RequestDialog } from "./request-dialog.ts";
import { RequestInbox, requestSummary, type Choice, type PendingRequest } from "./requests.ts";
import { Screen } from "./screen.ts";
import { COPY_CHOICES, LOCAL_COMMANDS, toSubmission, type LocalName } from "./slash-commands.ts";
import type { LinkState, StatusFacts } from "./status-line.ts";
import { cleanPaste, pasteText } from "./terminal.ts";
import { TextDialog } from "./text-dialog.ts";
import { getCapabilities } from "./toolkit.ts";
import { TranscriptView } from "./transcript-view.ts";

export type AppOptions = {
  readonly connection: LiveConnection;
  readonly send: SendOptions;
  readonly historyRows: number;
  readonly hasColor: boolean;
  readonly hasMouse: boolean;
  /** COLORFGBG: what the terminal says of its colors, where it does not answer. */
  readonly colorFgBg: string | undefined;
  /** Where the paths of files begin that are attached. */
  readonly here: Here;
  readonly leave: AbortController;
};

/** A second Ctrl-C within this time leaves. */
const LEAVE_MS = 3_000;
const TICK_MS = 1_000;
/** Access requests of people have no event, so the list is read again. */
const PEOPLE_MS = 30_000;
const SEARCH_MS = 150;
const COLOR_MS = 200;
const EDITOR_HISTORY = 100;

/** The program behind the screen: what keys, commands and the gateway do to it. */
export class TuiApp {
  readonly #options: AppOptions;
  readonly #session: OpenSession;
  readonly #inbox: RequestInbox;
  readonly #lists = new GatewayLists();
  readonly #pictures: Pictures;
  readonly #transcript: TranscriptView;
  readonly #screen: Screen;
  #palette: Palette;
  #link: LinkState = { kind: "connecting" };
  #items: readonly TranscriptItem[] = [];
  #notice = "";
  #askedShell: string | null = null;
  #interruptedAt = -Infinity;
  /** The running turn, and when it was first seen. */
  #running: { runId: string; since: number } | null = null;
  #timers: readonly NodeJS.Timeout[] = [];
  #knownRequests = new Set<string>();
  #hasHistory = false;
  /** Ends the wait for the next try to connect. */
  #retryNow: (() => void) | null = null;
  /** They go with the next message. */
  #files: readonly Attachment[] = [];

  constructor(options: AppOptions) {
    this.#options = options;
    this.#palette = toPalette(options.hasColor, toBackground(undefined, options.colorFgBg));
    const palette = (): Palette => this.#palette;
    this.#session = new OpenSession({
      connection: options.connection,
      historyRows: options.historyRows,
      send: options.send,
      signal: options.leave.signal,
      events: { onChange: () => this.#onChange(), onFailure: (what, err) => this.#fail(what, err) },
    });
    this.#inbox = new RequestInbox(() => this.#onRequests());
    this.#pictures = new Pictures(
      (method, params) => this.#client().request(method, params),
      () => this.#redraw(),
    );
    this.#transcript = new TranscriptView({
      palette,
      hasLinks: getCapabilities().hyperlinks,
      picture: (block, width) => this.#pictures.lines(this.#session.state.sessionKey, block, width),
    });
    this.#screen = new Screen({
      transcript: this.#transcript,
      palette,
      hasMouse: options.hasMouse,
      status: () => this.#status(),
      notices: () => this.#notices(),
    });
    this.#screen.editor.setAutocompleteProvider(
      new CompletionProvider(() => this.#lists.completions((typed) => completePath(typed, options.here))),
    );
    this.#screen.editor.onSubmit = (text) => this.#submit(text);
    this.#screen.onKey((data) => this.#onKey(data));
    this.#screen.onTop(() => void this.#loadOlder());
  }

  get sessionKey(): string {
    return this.#session.state.sessionKey;
  }

  /** Draws the screen for the first time. */
  start(): void {
    this.#screen.start();
    const tick = setInterval(() => this.#onTick(), TICK_MS);
    const people = setInterval(() => void this.#loadPeople(), PEOPLE_MS);
    this.#timers = [tick, people];
    void this.#adoptColors();
    this.#screen.onColorScheme(() => void this.#adoptColors());
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#screen.stop();
  }

  /** Takes a fresh connection. Rejects as requests do; then the connection is given up and tried again. */
  async attach(client: ProtocolClient, wanted: string | undefined): Promise<void> {
    await this.#session.attach(client, wanted);
    await this.#inbox.attach(client);
    this.#options.connection.attach(client);
    this.#link = { kind: "online" };
    this.#retryNow = null;
    this.#session.resume();
    this.#rememberOwnMessages();
    void this.#loadLists(client);
  }

  detach(why: string, retryInMs: number, retryNow: () => void): void {
    this.#options.connection.detach();
    this.#retryNow = retryNow;
    this.#link = { kind: "lost", why, retryAt: Date.now() + retryInMs };
    this.#onChange();
  }

  onGap(): void {
    this.#session.onGap();
    const { client } = this.#options.connection;
    if (client !== null) void this.#attempt("The requests were not read", () => this.#inbox.load(client));
  }

  /** Sends a text as if it had been written. */
  send(text: string, mode?: QueueMode): void {
    this.#session.send(text, mode, this.#files);
    this.#files = [];
    this.#retryNow?.();
    this.#screen.scrollToEnd();
  }

  #client(): ProtocolClient {
    const { client } = this.#options.connection;
    if (client === null) throw new ClientError("closed", "the gateway is not connected");
    return client;
  }

  async #loadLists(client: ProtocolClient): Promise<void> {
    const { sessionKey, agentId } = this.#session.state;
    await this.#attempt("The commands were not read", async () => {
      await this.#lists.loadCommands(client, sessionKey);
      await this.#lists.loadModels(client, agentId);
      await this.#lists.loadAgents(client);
      await this.#lists.loadSessions(client, "", Date.now());
    });
  }

  async #loadPeople(): Promise<void> {
    const { client } = this.#options.connection;
    if (client === null || !this.#inbox.seesPeople) return;
    await this.#attempt("The access requests were not read", () => this.#inbox.loadPeople(client));
  }

  async #adoptColors(): Promise<void> {
    if (!this.#options.hasColor) return;
    const background = await this.#screen.background(COLOR_MS);
    this.#palette = toPalette(true, toBackground(background, this.#options.colorFgBg));
    this.#redraw();
  }

  #redraw(): void {
    this.#transcript.invalidate();
    this.#screen.draw();
  }

  #onChange(): void {
    const { rows, runs, outbox, sessionKey, isLoaded } = this.#session.state;
    const own = outbox.filter((entry) => entry.sessionKey === sessionKey);
    this.#items = toItems(rows.rows, runs, own);
    const run = activeRun(this.#session.state);
    if (run?.runId !== this.#running?.runId)
      this.#running = run === undefined ? null : { runId: run.runId, since: run.startedAtMs ?? Date.now() };
    this.#transcript.setItems(this.#items);
    this.#transcript.setEmptyText(this.#emptyText(isLoaded));
    this.#screen.draw();
  }

  #emptyText(isLoaded: boolean): readonly string[] {
    if (!isLoaded) return [this.#palette.dim("Reading the conversation.")];
    return [this.#palette.dim("No messages yet. Write one below; /help shows the keys and commands.")];
  }

  #onTick(): void {
    const isTimed = this.#link.kind === "lost" || activeRun(this.#session.state) !== undefined || this.#screen.hasOverlay;
    if (isTimed) this.#screen.draw();
  }

  #onRequests(): void {
    const ids = new Set(this.#inbox.pending.map(({ id }) => id));
    // The bell of the terminal, once for each: a question waits for at most half an hour.
    if ([...ids].some((id) => !this.#knownRequests.has(id))) this.#screen.terminal.write("\u0007");
    this.#knownRequests = ids;
    this.#screen.draw();
  }

  #status(): StatusFacts {
    return {
      link: this.#link,
      chat: this.#session.state,
      requests: this.#inbox.pending.length,
      since: this.#running?.since ?? null,
      now: Date.now(),
    };
  }

  #notices(): readonly string[] {
    const [first, ...others] = this.#inbox.pending;
    const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
    const request =
      first === undefined
        ? []
        : [this.#palette.warning(`? ${sanitizeLine(requestSummary(first)).slice(0, 200)}${more}. F2 shows all of it and answers.`)];
    const files =
      this.#files.length === 0
        ? []
        : [this.#palette.accent(`+ ${sanitizeLine(describeAttachments(this.#files))}: with the next message; /detach takes it away`)];
    return [...request, ...files, ...(this.#notice === "" ? [] : [this.#notice])];
  }

  #say(text: string): void {
    this.#notice = this.#palette.dim(sanitizeLine(text));
    this.#screen.draw();
  }

  #warn(text: string): void {
    this.#notice = this.#palette.warning(sanitizeLine(text));
    this.#screen.draw();
  }

  #fail(what: string, err: ClientError): void {
    const fix = typeof err.details["fix"] === "string" ? ` ${err.details["fix"]}` : "";
    this.#warn(`${what}: ${toSentence(err.gatewayMessage ?? err.message)}${fix}`);
  }

  /** Reports a failure of the connection or of the gateway; anything else is a defect and goes on. */
  async #attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (err) {
      if (!(err instanceof ClientError)) throw err;
      this.#fail(what, err);
      return undefined;
    }
  }

  /** What was written before comes back with the arrow keys. */
  #rememberOwnMessages(): void {
    if (this.#hasHistory) return;
    this.#hasHistory = true;
    const own = this.#session.state.rows.rows.filter((row) => row.role === "user" && row.__openclaw?.transport?.channel === undefined);
    for (const row of own.slice(-EDITOR_HISTORY)) this.#screen.editor.addToHistory(contentText(row.content));
  }

  async #loadOlder(): Promise<void> {
    const { columns } = this.#screen;
    const before = this.#transcript.render(columns).length;
    if (await this.#session.loadOlder()) this.#screen.shiftBy(this.#transcript.render(columns).length - before);
  }

  #onKey(data: string): string | boolean {
    const paste = cleanPaste(data);
    if (paste !== null) return this.#onPaste(paste);
    if (this.#screen.hasOverlay) return false;
    const action = keyAction(data);
    return action !== null && this.#act(action);
  }

  /** A file that is dropped on the terminal comes as a paste of its path. */
  #onPaste(paste: string): string | boolean {
    const file = this.#screen.hasOverlay ? null : pastedFile(pasteText(paste), this.#options.here);
    if (file === null) return paste;
    void this.#attach(file);
    return true;
  }

  async #attach(path: string): Promise<void> {
    const limits = this.#options.connection.client?.hello.policy.attachments;
    try {
      const most = { maxBytes: limits?.maxBytes ?? LIMITS.attachmentBytes, maxImageBytes: limits?.maxImageBytes ?? LIMITS.imageBytes };
      const file = await readAttachment(path, most, this.#files);
      this.#files = [...this.#files, file];
      this.#notice = "";
      this.#screen.draw();
    } catch (err) {
      if (!(err instanceof AttachmentError)) throw err;
      this.#warn(`Not attached: ${err.message}`);
    }
  }

  #detach(): void {
    const had = this.#files.length > 0;
    this.#files = [];
    this.#say(had ? "The files are not sent." : "No file is attached.");
  }

  /** Whether the key was used up. */
  #act(action: KeyAction): boolean {
    const { editor } = this.#screen;
    switch (action) {
      case "stop":
        if (editor.isShowingAutocomplete() || activeRun(this.#session.state) === undefined) return false;
        void this.#session.abort();
        return true;
      case "interrupt":
        this.#interrupt();
        return true;
      case "leave":
        if (editor.getText() !== "") return false;
        this.#options.leave.abort();
        return true;
      case "queue": {
        const text = editor.getExpandedText().trim();
        if (text === "" && this.#files.length === 0) return true;
        editor.addToHistory(text);
        editor.setText("");
        this.send(text, "followup");
        return true;
      }
      default:
        this.#run(action, "");
        return true;
    }
  }

  #interrupt(): void {
    const now = performance.now();
    const isEmpty = this.#screen.editor.getText() === "";
    if (isEmpty && now - this.#interruptedAt < LEAVE_MS) return this.#options.leave.abort();
    this.#interruptedAt = now;
    this.#screen.editor.setText("");
    this.#files = [];
    const running = activeRun(this.#session.state) === undefined ? "" : " Esc stops the running turn.";
    this.#say(`Press Ctrl-C again to leave.${running}`);
  }

  #submit(typed: string): void {
    const submission = toSubmission(typed, this.#askedShell);
    this.#askedShell = null;
    this.#notice = "";
    switch (submission.kind) {
      case "empty":
        if (this.#files.length > 0) return this.send("");
        this.#retryNow?.();
        return this.#screen.draw();
      case "ask-shell":
        this.#askedShell = submission.text;
        this.#screen.editor.setText(typed);
        return this.#warn(
          "Nothing was run or sent: this program runs no commands on this machine. Enter again sends the text to the agent as it is.",
        );
      case "local":
        this.#screen.editor.addToHistory(typed.trim());
        return this.#run(submission.name, submission.rest);
      case "send":
        this.#screen.editor.addToHistory(typed.trim());
        return this.send(submission.text, submission.mode);
    }
  }

  #run(name: LocalName, rest: string): void {
    switch (name) {
      case "help":
        return this.#openHelp();
      case "sessions":
        return rest === "" ? void this.#pickSession() : void this.#openSession(rest);
      case "model":
        return void this.#pickModel();
      case "agents":
        return rest === "" ? void this.#pickAgent() : void this.#openAgent(rest);
      case "new":
        return void this.#openNew();
      case "reset":
        return this.#confirmReset();
      case "search":
        return this.#screen.terminal.press(SEARCH_KEY, ...rest);
      case "attach":
        if (rest === "") return this.#warn("/attach needs the path of a file: /attach ~/photo.png");
        return void this.#attach(toPath(rest, this.#options.here));
      case "detach":
        return this.#detach();
      case "copy":
        return this.#copy(rest);
      case "requests":
        return this.#openRequests();
      case "tools":
        return this.#say(this.#transcript.toggleTools() ? "Tool calls and files are open." : "Tool calls and files are folded.");
      case "thoughts":
        return this.#say(this.#transcript.toggleThoughts() ? "Thoughts are open." : "Thoughts are folded.");
      case "steer":
      case "followup":
      case "interrupt":
        return this.#warn(`/${name} needs a message: /${name} look at the other file first`);
      case "quit":
        return this.#options.leave.abort();
    }
  }

  #openHelp(): void {
    const palette = this.#palette;
    const lines: string[] = [];
    const add = (title: string, rows: readonly (readonly [string, string])[]): void => {
      const width = Math.max(...rows.map(([label]) => label.length));
      if (lines.length > 0) lines.push("");
      lines.push(palette.bold(title), ...rows.map(([label, help]) => `  ${palette.accent(label.padEnd(width))}  ${sanitizeLine(help)}`));
    };
    add("Keys", keyHelp());
    add(
      "Commands of this program",
      LOCAL_COMMANDS.map(({ name, help }) => [`/${name}`, help] as const),
    );
    const theirs = this.#lists.commands.filter((row) => !LOCAL_COMMANDS.some(({ name }) => name === row.name));
    if (theirs.length > 0)
      add(
        "Commands of the gateway",
        theirs.map(({ name, description = "" }) => [`/${sanitizeLine(name)}`, description] as const),
      );
    this.#screen.open(
      new TextDialog({
        title: "Help",
        lines,
        palette: () => this.#palette,
        rows: () => this.#screen.rows,
        onClose: () => this.#screen.close(),
      }),
    );
  }

  #openPicker(
    title: string,
    items: readonly PickerItem[],
    current: string | null,
    onPick: (item: PickerItem) => void,
    onFilter?: (words: string) => void,
  ): Picker {
    const picker = new Picker({
      title,
      items,
      current,
      palette: () => this.#palette,
      rows: () => this.#screen.rows,
      onPick: (item) => {
        this.#screen.close();
        onPick(item);
      },
      onClose: () => this.#screen.close(),
      ...(onFilter !== undefined && { onFilter }),
    });
    this.#screen.open(picker);
    return picker;
  }

  async #pickSession(): Promise<void> {
    const load = (words: string): Promise<readonly PickerItem[] | undefined> =>
      this.#attempt("The sessions were not read", async () => this.#lists.loadSessions(this.#client(), words, Date.now()));
    const newest = await load("");
    if (newest === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    // The list holds the newest ones; the gateway finds the others.
    const onFilter = (words: string): void => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const found = words === "" ? [] : ((await load(words)) ?? []);
        picker.setItems([...newest, ...found.filter((item) => !newest.some(({ value }) => value === item.value))]);
        this.#screen.draw();
      }, SEARCH_MS);
    };
    const picker = this.#openPicker("Sessions", newest, this.sessionKey, ({ value }) => void this.#openSession(value), onFilter);
  }

  async #openSession(key: string): Promise<void> {
    this.#notice = "";
    await this.#session.open(key);
    this.#screen.scrollToEnd();
  }

  async #pickAgent(): Promise<void> {
    const items = await this.#attempt("The agents were not read", async () => this.#lists.loadAgents(this.#client()));
    if (items !== undefined) this.#openPicker("Agents", items, this.#session.state.agentId, ({ value }) => void this.#openAgent(value));
  }

  async #openAgent(id: string): Promise<void> {
    const { agents } = this.#lists;
    if (agents.length > 0 && !agents.some((agent) => agent.id === id))
      return this.#warn(`There is no agent "${id}". Agents: ${agents.map((agent) => agent.id).join(", ")}.`);
    await this.#openSession(`agent:${id}:main`);
  }

  async #openNew(): Promise<void> {
    await this.#session.open(`agent:${this.#session.state.agentId}:tui-${randomUUID()}`, true);
    this.#say("A new session begins with your next message. /sessions leads back.");
  }

  async #pickModel(): Promise<void> {
    const { agentId, session } = this.#session.state;
    const items = await this.#attempt("The models were not read", async () => this.#lists.loadModels(this.#client(), agentId));
    if (items === undefined) return;
    const current = session?.modelOverrideSource ? `${session.modelProvider}/${session.model}` : "";
    this.#openPicker("Models of this session", items, current, ({ value }) => void this.#setModel(value));
  }

  async #setModel(name: string): Promise<void> {
    const isOff = this.#lists.models.some((model) => `${model.provider}/${model.id}` === name && model.available === false);
    if (isOff)
      return this.#warn(`${name} is not available: its provider has no key or does not answer. "openclaw models status" says why.`);
    if (await this.#session.setModel(name === "" ? null : name))
      this.#say(name === "" ? "The session uses the agent's model." : `The session uses ${name}.`);
  }

  #confirmReset(): void {
    if (this.#items.length === 0) return this.#say("There is nothing to forget: this conversation has no messages.");
    const items = [
      { value: "no", label: "Keep it", detail: "/new starts another session beside it" },
      { value: "yes", label: "Forget it", detail: "the agent starts again without it" },
    ];
    this.#openPicker("Forget this conversation?", items, null, ({ value }) => (value === "yes" ? this.send("/reset") : undefined));
  }

  #copy(rest: string): void {
    const choice = COPY_CHOICES.find((each) => each === (rest === "" ? "answer" : rest));
    if (choice === undefined) return this.#warn(`/copy takes ${COPY_CHOICES.join(", ")}.`);
    const text = copyText(this.#items, choice);
    if (text === null) return this.#warn(choice === "code" ? "There is no code block to copy." : "There is nothing to copy yet.");
    if (!this.#screen.terminal.copy(text))
      return this.#warn("It is too long for the clipboard of a terminal. openclaw sessions show prints the conversation.");
    this.#say(`Copied ${text.length} characters, if the terminal allows it (OSC 52).`);
  }

  #openRequests(): void {
    if (this.#inbox.pending.length === 0) return this.#say("Nothing waits for an answer.");
    this.#screen.open(
      new RequestDialog({
        palette: () => this.#palette,
        rows: () => this.#screen.rows,
        now: Date.now,
        pending: () => this.#inbox.pending,
        answer: (request, choice) => void this.#answer(request, choice),
        close: () => this.#screen.close(),
      }),
    );
  }

  async #answer(request: PendingRequest, choice: Choice): Promise<void> {
    const answer = await this.#attempt("Not answered", async () =>
      this.#client().request<{ approval?: ApprovalEnding }>(choice.method, choice.params),
    );
    if (answer !== undefined) {
      this.#inbox.remove(request);
      // The answer comes first: a narrow terminal cuts the end of the line.
      const outcome = answer.approval === undefined ? choice.text : outcomeText(answer.approval);
      this.#say(`${outcome}: ${requestSummary(request).slice(0, 120)}`);
    }
    if (this.#inbox.pending.length === 0) this.#screen.close();
  }
}
