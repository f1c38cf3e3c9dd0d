import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { discard, retry } from "../actions.ts";
import { toSafeHref } from "../markdown.ts";
import { isActive } from "../run.ts";
import * as store from "../store.ts";
import { copy } from "./app.tsx";
import { Boundary } from "./boundary.tsx";
import { Check, Copy, Warning } from "./icons.tsx";
import { MarkdownView } from "./markdown-view.tsx";
import { Thinking, ToolCall } from "./tool-call.tsx";
import type { Run } from "../run.ts";
import type { Block, Item, Outgoing } from "../items.ts";

const PHASES: Record<string, string> = {
  preparing_workspace: "Preparing the workspace",
  preparing_context: "Reading the conversation",
  starting_model: "Waiting for the model",
  naming_worktree: "Preparing the workspace",
  creating_worktree: "Preparing the workspace",
  running_setup: "Preparing the workspace",
  provisioning_environment: "Preparing the workspace",
};

/** One item. The same item gives the same element, so a long conversation costs nothing while its end grows. */
export function Message({ item }: { item: Item }): JSX.Element {
  return useMemo(
    () => (
      <Boundary fallback={<PlainMessage item={item} />}>
        <Body item={item} />
      </Boundary>
    ),
    [item],
  );
}

/** A message that cannot be drawn as it should be: its words are there all the same. */
function PlainMessage({ item }: { item: Item }): JSX.Element {
  return (
    <article class="message">
      <p class="hint">This message could not be displayed in full.</p>
      <p class="plain" dir="auto">
        {item.kind === "note" ? item.text : textOf(item.blocks)}
      </p>
    </article>
  );
}

function Body({ item }: { item: Item }): JSX.Element {
  if (item.kind === "note") return <p class="note">{item.text}</p>;
  if (item.kind === "user") return <UserMessage item={item} />;
  return <AssistantMessage item={item} />;
}

function UserMessage({ item }: { item: Extract<Item, { kind: "user" }> }): JSX.Element {
  const text = textOf(item.blocks);
  const pictures = item.blocks.filter((block) => block.type === "image");
  const waiting = item.outgoing;
  return (
    <article class="message user" aria-label="You" data-state={waiting?.state ?? "stored"}>
      <div class="bubble">
        {text !== "" && (
          <p class="plain" dir="auto">
            {text}
          </p>
        )}
        {pictures.map((block) => (
          <Picture key={block.key} block={block} />
        ))}
        {waiting !== null && waiting.images > 0 && <p class="hint">{waiting.images === 1 ? "1 picture" : `${waiting.images} pictures`}</p>}
      </div>
      {waiting === null ? <Meta atMs={item.atMs} text={text} model={null} /> : <OutgoingLine waiting={waiting} />}
    </article>
  );
}

function OutgoingLine({ waiting }: { waiting: Outgoing }): JSX.Element | null {
  // On its way is the normal case and needs no words: a line that comes and goes would make the page jump.
  if (waiting.state !== "failed") return store.online.value ? null : <div class="meta shown">Waiting for the connection</div>;
  return (
    <div class="meta shown failed" role="alert">
      <Warning size={14} />
      <span>Not sent: {waiting.error}</span>
      <button type="button" class="quiet" onClick={() => retry(waiting.idempotencyKey)}>
        Send again
      </button>
      <button type="button" class="quiet" onClick={() => discard(waiting.idempotencyKey)}>
        Discard
      </button>
    </div>
  );
}

function AssistantMessage({ item }: { item: Extract<Item, { kind: "assistant" }> }): JSX.Element {
  const running = item.run !== null && isActive(item.run);
  const last = item.blocks.at(-1);
  const silent = running && (last === undefined || last.type === "thinking" || (last.type === "tool" && last.tool.state !== "running"));
  return (
    <article class="message assistant" aria-label="Answer" aria-busy={running} data-running={running}>
      {item.blocks.map((block) => (
        <BlockView key={block.key} block={block} active={running && block === last} />
      ))}
      {silent && item.run !== null && <Working run={item.run} />}
      {item.end === "error" && (
        <p class="fault" role="alert" dir="auto">
          <Warning size={16} />
          <span>{item.error ?? "The turn failed."}</span>
        </p>
      )}
      {item.end === "aborted" && <p class="note-line">Stopped.</p>}
      {!running && <Meta atMs={item.atMs} text={textOf(item.blocks)} model={item.model} />}
    </article>
  );
}

function Working({ run }: { run: Run }): JSX.Element {
  return (
    <p class="working">
      <span class="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span>{run.phase === null ? "Working" : (PHASES[run.phase] ?? (run.phase.includes(" ") ? run.phase : "Working"))}</span>
    </p>
  );
}

function BlockView({ block, active }: { block: Block; active: boolean }): JSX.Element {
  if (block.type === "text") return <MarkdownView text={block.text} />;
  if (block.type === "tool") return <ToolCall tool={block.tool} />;
  if (block.type === "thinking") return <Thinking text={block.text} active={active} />;
  return <Picture block={block} />;
}

function Picture({ block }: { block: Extract<Block, { type: "image" }> }): JSX.Element {
  if (block.data !== null && /^image\/(png|jpeg|gif|webp|avif)$/.test(block.mimeType)) {
    return <img class="picture" src={`data:${block.mimeType};base64,${block.data}`} alt="Picture" />;
  }
  const href = block.url === null ? null : toSafeHref(block.url);
  if (href === null) return <p class="hint">A picture that cannot be shown here.</p>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      Picture
    </a>
  );
}

const textOf = (blocks: readonly Block[]): string =>
  blocks
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("\n\n");

function Meta({ atMs, text, model }: { atMs: number | null; text: string; model: string | null }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const onCopy = async (): Promise<void> => {
    setCopied(await copy(text));
    setTimeout(() => setCopied(false), 1_600);
  };
  const at = atMs === null ? null : new Date(atMs);
  return (
    <div class="meta">
      {at !== null && (
        <time dateTime={at.toISOString()} title={at.toLocaleString()}>
          {at.toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" })}
        </time>
      )}
      {model !== null && <span>{store.modelName(model)}</span>}
      {text !== "" && (
        <button type="button" class="ghost" aria-label="Copy the text" title="Copy" onClick={onCopy}>
          {copied ? <Check size={14} /> : <Copy size={14} />}
        </button>
      )}
    </div>
  );
}
