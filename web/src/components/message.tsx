import { locale } from "../locale.ts";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { discardMessage, openTrace, retry } from "../actions.ts";
import { waitsInRun } from "../approvals.ts";
import { isComposing } from "../keyboard.ts";
import { maskKeys } from "../mask-keys.ts";
import { isActive } from "../../../src/client/conversation/live-run.ts";
import { channelName } from "../session-list.ts";
import { formatCost } from "../../../src/core/quantities.ts";
import * as store from "../state.ts";
import { toRetryText } from "../turn-failure.ts";
import { copyText } from "../copy-text.ts";
import { ErrorBoundary } from "./error-boundary.tsx";
import { Again, Check, Clip, Copy, Fork, Pencil, Steps, Warning } from "./icons.tsx";
import { MarkdownView } from "./markdown-view.tsx";
import { PictureView } from "./picture.tsx";
import { Thinking, ToolCall } from "./tool-call.tsx";
import { EmptyReply, FailedTurn } from "./turn-end.tsx";
import { messageText } from "../../../src/client/conversation/transcript-items.ts";
import type { RunView } from "../../../src/client/conversation/live-run.ts";
import type { ItemBlock, TranscriptItem, OutgoingMessage, TurnUsage } from "../../../src/client/conversation/transcript-items.ts";

const PHASE_TEXT: Record<string, string> = {
  preparing_workspace: "Preparing the workspace",
  preparing_context: "Reading the conversation",
  starting_model: "Waiting for the model",
  compacting: "Compacting the conversation",
  naming_worktree: "Preparing the workspace",
  creating_worktree: "Preparing the workspace",
  running_setup: "Preparing the workspace",
  provisioning_environment: "Preparing the workspace",
};

/** One item. The same item gives the same element, so a long conversation costs nothing while its end grows. */
export function MessageView({ item, last }: { item: TranscriptItem; last: boolean }): JSX.Element {
  return useMemo(
    () => (
      <ErrorBoundary fallback={<PlainMessage item={item} />}>
        <Body item={item} last={last} />
      </ErrorBoundary>
    ),
    [item, last],
  );
}

/** A message that cannot be drawn as it should be: its words are still shown. */
function PlainMessage({ item }: { item: TranscriptItem }): JSX.Element {
  return (
    <article class="message">
      <p class="hint">This message could not be displayed in full.</p>
      <p class="plain" dir="auto">
        {item.kind === "note" ? item.text : plainTextOf(item.blocks)}
      </p>
    </article>
  );
}

function Body({ item, last }: { item: TranscriptItem; last: boolean }): JSX.Element {
  if (item.kind === "note")
    return (
      <p class="note" data-key={item.key}>
        {item.text}
      </p>
    );
  if (item.kind === "user") return <UserMessage item={item} />;
  return <AssistantMessage item={item} last={last} />;
}

function UserMessage({ item }: { item: Extract<TranscriptItem, { kind: "user" }> }): JSX.Element {
  const text = maskKeys(plainTextOf(item.blocks));
  const others = item.blocks.filter((block) => block.type === "image" || block.type === "file");
  const { outgoing, sender } = item;
  const foreign = sender !== null && !sender.isOwner;
  const [isOpen, setOpen] = useState(false);
  const [isEditing, setEditing] = useState(false);
  if (isEditing) return <MessageEditor item={item} text={messageText(item.blocks)} onDone={() => setEditing(false)} />;
  return (
    <article
      class="message user"
      data-key={item.key}
      aria-label={foreign ? sender.name : "You"}
      data-state={outgoing?.state ?? "stored"}
      data-foreign={foreign || undefined}
    >
      {sender !== null && (
        <p class="sender" dir="auto">
          {foreign ? sender.name : `You · ${channelName(sender.channel)}`}
        </p>
      )}
      {/* Where nothing hovers, a tap shows what can be done with the message. */}
      <div class="bubble" onClick={() => matchMedia("(hover: none)").matches && setOpen(!isOpen)}>
        {text !== "" && (
          <p class="plain" dir="auto">
            {text}
          </p>
        )}
        {others.map((block) => (
          <BlockView key={block.key} block={block} active={false} />
        ))}
      </div>
      {item.waits && <QueuedNotice />}
      {outgoing !== null ? (
        <OutgoingLine waiting={outgoing} />
      ) : (
        <Meta atMs={item.atMs} text={text} model={null} spent={null} trace={item.traceId} isShown={isOpen}>
          {!foreign && mayRewind() && (
            <button
              type="button"
              class="ghost"
              aria-label="Edit and send again"
              title="Edit and send again"
              onClick={() => setEditing(true)}
            >
              <Pencil size={14} />
            </button>
          )}
        </Meta>
      )}
    </article>
  );
}

/** While an answer is being written the gateway refuses, and says so: a thousand messages do not watch for that. */
const mayRewind = (): boolean => store.mayAdminister.value && store.isServed("sessions.rewind");

/** In place of a message of the person: its text, to be sent again. */
function MessageEditor({ item, text, onDone }: { item: TranscriptItem; text: string; onDone: () => void }): JSX.Element {
  const field = useRef<HTMLTextAreaElement>(null);
  const [value, setValue] = useState(text);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(text.length, text.length);
  }, []);
  const onSend = async (): Promise<void> => {
    if (value.trim() === "" || isBusy) return;
    setBusy(true);
    const { editAndSend } = await import("../branches.ts");
    if (await editAndSend(item, value)) onDone();
    else setBusy(false);
  };
  return (
    <article class="message user message-editor" aria-label="Edit the message">
      <textarea
        ref={field}
        aria-label="Message"
        dir="auto"
        rows={Math.min(12, Math.max(2, value.split("\n").length))}
        value={value}
        onInput={({ currentTarget }) => setValue(currentTarget.value)}
        onKeyDown={(event) => {
          if (isComposing(event)) return;
          if (event.key === "Escape") onDone();
          if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            void onSend();
          }
        }}
      />
      <p class="hint">What followed stays as a branch, and you can switch back to it.</p>
      <div class="dialog-actions">
        <button type="button" class="quiet" onClick={onDone}>
          Cancel
        </button>
        <button type="button" class="primary small" disabled={isBusy || value.trim() === ""} onClick={() => void onSend()}>
          Send
        </button>
      </div>
    </article>
  );
}

/** Asks for another answer, and begins a new session with the conversation up to here. */
function AnswerActions({ item }: { item: Extract<TranscriptItem, { kind: "assistant" }> }): JSX.Element {
  const mayFork = store.canWrite.value && store.isServed("sessions.fork") && item.end === "stop" && item.blocks.length > 0;
  return (
    <>
      {mayRewind() && (
        <button
          type="button"
          class="ghost"
          aria-label="Answer again"
          title="Answer again"
          onClick={() => void import("../branches.ts").then(({ answerAgain }) => answerAgain(item))}
        >
          <Again size={14} />
        </button>
      )}
      {mayFork && (
        <button
          type="button"
          class="ghost"
          aria-label="Fork into a new session"
          title="Fork into a new session"
          onClick={() => void import("../branches.ts").then(({ fork }) => fork(item))}
        >
          <Fork size={14} />
        </button>
      )}
    </>
  );
}

/** Under a message that was written while a reply is being written. */
function QueuedNotice(): JSX.Element {
  const steers = (store.activeRow.value?.effectiveQueueMode ?? "steer") === "steer";
  return <p class="queue-line">{steers ? "Added to the current reply" : "Queued until the current reply is done"}</p>;
}

function OutgoingLine({ waiting }: { waiting: OutgoingMessage }): JSX.Element | null {
  // On its way is the normal case and needs no words: a line that comes and goes would make the page jump.
  if (waiting.state !== "failed") return store.isOnline.value ? null : <div class="meta shown">Will send when reconnected</div>;
  return (
    <div class="meta shown failed" role="alert">
      <Warning size={14} />
      <span>Not sent: {waiting.error}</span>
      <button type="button" class="quiet" onClick={() => retry(waiting.idempotencyKey)}>
        Send again
      </button>
      <button type="button" class="quiet" onClick={() => discardMessage(waiting.idempotencyKey)}>
        Discard
      </button>
    </div>
  );
}

function AssistantMessage({ item, last }: { item: Extract<TranscriptItem, { kind: "assistant" }>; last: boolean }): JSX.Element {
  const running = item.run !== null && isActive(item.run);
  const end = item.blocks.at(-1);
  const silent = running && (end === undefined || end.type === "thinking" || (end.type === "tool" && end.tool.state !== "running"));
  const empty = !running && item.end === "stop" && item.blocks.length === 0;
  return (
    <article class="message assistant" data-key={item.key} aria-label="Answer" aria-busy={running} data-running={running}>
      {item.blocks.map((block) => (
        <BlockView key={block.key} block={block} active={running && block === end} />
      ))}
      {running && item.run !== null && <Working run={item.run} silent={silent} />}
      {item.end === "error" && <FailedTurn item={item} last={last} />}
      {empty && <EmptyReply item={item} last={last} />}
      {item.end === "aborted" && <p class="note-line">Stopped.</p>}
      {!running && (
        <Meta atMs={item.atMs} text={plainTextOf(item.blocks)} model={item.model} spent={item.usage} trace={item.traceId}>
          <AnswerActions item={item} />
        </Meta>
      )}
    </article>
  );
}

/** Silence that is longer than this is worth words, also in the middle of an answer. */
const SILENT_MS = 5_000;

/** What the turn is doing, and for how long nothing has come. Every event makes another `run`, and the clock starts again. */
function Working({ run, silent }: { run: RunView; silent: boolean }): JSX.Element | null {
  const [since, setSince] = useState(Date.now());
  const [now, setNow] = useState(since);
  useEffect(() => {
    // After a reload the clock continues until the first text arrives.
    const start = run.blocks.length === 0 ? Math.min(Date.now(), run.startedAtMs ?? Date.now()) : Date.now();
    setSince(start);
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [run]);
  const waitedMs = Math.max(0, now - since);
  const question = waitsInRun(run.runId) ? "Waits for your answer" : run.waitsFor.length > 0 ? "Waits for an approval" : null;
  if (question !== null) return <p class="working">{question}</p>;
  if (!silent && waitedMs < SILENT_MS) return null;
  const tool = run.blocks.findLast((block) => block.type === "tool" && block.tool.state === "running");
  return (
    <p class="working">
      <span class="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span>
        {tool?.type === "tool" ? `Running ${tool.tool.name}` : workingText(run)}
        {waitedMs >= SILENT_MS && `, ${Math.floor(waitedMs / 1_000)} s`}
      </span>
    </p>
  );
}

function workingText({ phase }: RunView): string {
  if (phase === null) return "Waiting for the model";
  return PHASE_TEXT[phase] ?? (phase.includes(" ") ? toRetryText(phase) : "Waiting for the model");
}

function BlockView({ block, active }: { block: ItemBlock; active: boolean }): JSX.Element {
  if (block.type === "text") return <MarkdownView text={block.text} />;
  if (block.type === "tool") return <ToolCall tool={block.tool} />;
  if (block.type === "thinking") return <Thinking text={block.text} active={active} />;
  if (block.type === "file") return <FileView block={block} />;
  return <PictureView block={block} />;
}

/** A file that came with a message: its name and size, and its text as text where the gateway has it. */
function FileView({ block: { name, mimeType, size, text } }: { block: Extract<ItemBlock, { type: "file" }> }): JSX.Element {
  const head = (
    <>
      <Clip size={15} />
      <bdi class="file-name">{name}</bdi>
      <span class="hint">{[mimeType, size].filter((each) => each !== null).join(", ")}</span>
    </>
  );
  if (text === null) return <p class="file">{head}</p>;
  return (
    <details class="file">
      <summary>{head}</summary>
      <pre dir="auto">{maskKeys(text)}</pre>
    </details>
  );
}

const plainTextOf = (blocks: readonly ItemBlock[]): string =>
  blocks
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("\n\n");

type MetaProps = {
  atMs: number | null;
  text: string;
  model: string | null;
  spent: TurnUsage | null;
  trace: string | null;
  isShown?: boolean;
  children?: ComponentChildren;
};

function Meta({ atMs, text, model, spent, trace, isShown = false, children }: MetaProps): JSX.Element {
  const [copied, setCopied] = useState(false);
  const onCopy = async (): Promise<void> => {
    setCopied(await copyText(text));
    setTimeout(() => setCopied(false), 1_600);
  };
  const at = atMs === null ? null : new Date(atMs);
  return (
    <div class={isShown ? "meta shown" : "meta"}>
      {at !== null && (
        <time dateTime={at.toISOString()} title={at.toLocaleString(locale())}>
          {at.toLocaleTimeString(locale(), { hour: "numeric", minute: "2-digit" })}
        </time>
      )}
      {model !== null && <span>{store.modelLabel(model)}</span>}
      {spent !== null && (
        <span>
          {spent.tokens.toLocaleString(locale())} tokens{spent.costUsd > 0 && ` · ${formatCost(spent.costUsd)}`}
        </span>
      )}
      {text !== "" && (
        <button type="button" class="ghost" aria-label="Copy the text" title="Copy" onClick={onCopy}>
          {copied ? <Check size={14} /> : <Copy size={14} />}
        </button>
      )}
      {trace !== null && store.isServed("sessions.timeline") && (
        <button type="button" class="ghost" aria-label="Timeline" title="Timeline" onClick={() => openTrace(trace)}>
          <Steps size={14} />
        </button>
      )}
      {children}
    </div>
  );
}
