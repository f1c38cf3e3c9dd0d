import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { readDraft, stop, submit as take, writeDraft } from "../actions.ts";
import { locale } from "../locale.ts";
import { isComposing } from "../keyboard.ts";
import * as store from "../state.ts";
import { showToast } from "../state.ts";
import { CommandHints, hintId, HINTS_ID, findCommands, toCommandInput } from "./command-hints.tsx";
import { Clip, Close, Send, Stop } from "./icons.tsx";
import { ModelPicker } from "./model-picker.tsx";
import type { Attachment } from "../../../src/client/conversation/outbox.ts";
import type { CommandRow } from "../../../src/client/conversation/protocol-types.ts";

const PICTURES: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
/** Where the gateway does not say what it takes. */
const DEFAULT_FILE_BYTES = 6_291_456;
const MAX_FILES = 10;
/** Base64 takes a third more than the file. */
const PAYLOAD_SHARE = 0.7;

/** Field, files, model, send or stop. */
export function Composer(): JSX.Element {
  const key = store.activeKey.value;
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => readDraft(key));
  const [files, setFiles] = useState<readonly Attachment[]>([]);
  const mayWrite = store.canWrite.value;
  const change = (next: string): void => {
    setText(next);
    writeDraft(key, next);
  };
  useFieldHeight(field, text);
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) field.current?.focus();
  }, []);
  const submit = (): void => {
    if (!mayWrite || (text.trim() === "" && files.length === 0)) return;
    take(text.trim(), files, () => {
      change("");
      setFiles([]);
    });
    field.current?.focus();
  };
  const hints = useHints(text);
  const pick = (command: string): void => {
    change(command);
    field.current?.focus();
  };
  const add = (added: Iterable<File>): void => void readFiles(added, files).then((read) => setFiles((old) => [...old, ...read]));
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (hints.onKey(event, pick)) return event.preventDefault();
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    }
    if (event.key === "Escape" && store.isRunActive.value) void stop();
  };
  const onPaste = (event: ClipboardEvent): void => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    // A table that is copied from a spreadsheet is a text, and a picture of itself.
    if (pasted.length === 0 || event.clipboardData?.getData("text/plain") !== "") return;
    event.preventDefault();
    add(pasted);
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        add(event.dataTransfer?.files ?? []);
      }}
    >
      <CommandHints found={hints.found} chosen={hints.chosen} onPick={pick} />
      <Files files={files} onRemove={(at) => setFiles(files.filter((_, index) => index !== at))} />
      <textarea
        id="composer"
        ref={field}
        rows={1}
        dir="auto"
        aria-label="Message"
        aria-controls={hints.found.length > 0 ? HINTS_ID : undefined}
        aria-activedescendant={hints.found.length > 0 ? hintId(hints.chosen) : undefined}
        placeholder={mayWrite ? "Write a message" : "This browser has read-only access"}
        disabled={!mayWrite}
        enterkeyhint="send"
        value={text}
        onInput={(event) => change(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
      />
      <div class="composer-row">
        <AttachButton onFiles={add} />
        <ModelPicker />
        <span class="keys">Enter to send · Shift+Enter for a new line</span>
        <SendOrStop empty={text.trim() === "" && files.length === 0} mayWrite={mayWrite} />
      </div>
    </form>
  );
}

type CommandHintState = {
  found: readonly CommandRow[];
  chosen: number;
  /** True when the key was for the list. */
  onKey: (event: KeyboardEvent, pick: (command: string) => void) => boolean;
};

/** The list of commands while the text begins with a slash: arrows choose, Tab or Enter takes, Escape closes it until the text changes. */
function useHints(text: string): CommandHintState {
  const [state, setState] = useState({ text: "", chosen: 0, closed: false });
  const mine = state.text === text ? state : { text, chosen: 0, closed: false };
  const all = mine.closed ? [] : findCommands(text);
  const found = all.length === 1 && toCommandInput(all[0]!) === text ? [] : all;
  const onKey: CommandHintState["onKey"] = (event, pick) => {
    const command = found[mine.chosen];
    if (command === undefined) return false;
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) setState({ ...mine, chosen: (mine.chosen + step + found.length) % found.length });
    else if (event.key === "Escape") setState({ ...mine, closed: true });
    else if (event.shiftKey || (event.key !== "Tab" && event.key !== "Enter")) return false;
    else if (event.key === "Enter" && `/${command.name}` === text.toLowerCase()) return false;
    else pick(toCommandInput(command));
    return true;
  };
  return { found, chosen: mine.chosen, onKey };
}

function useFieldHeight(field: { current: HTMLTextAreaElement | null }, text: string): void {
  useLayoutEffect(() => {
    const box = field.current;
    if (box === null || CSS.supports("field-sizing", "content")) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  }, [text]);
}

function SendOrStop({ empty, mayWrite }: { empty: boolean; mayWrite: boolean }): JSX.Element {
  const busy = store.isRunActive.value;
  return (
    <>
      {busy && (
        <button
          type="button"
          class="round stop"
          aria-label="Stop"
          title="Stop (Esc)"
          disabled={!store.isOnline.value}
          onClick={() => void stop()}
        >
          <Stop />
        </button>
      )}
      {(!busy || !empty) && (
        <button type="submit" class="round send" aria-label="Send" title="Send (Enter)" disabled={empty || !mayWrite}>
          <Send />
        </button>
      )}
    </>
  );
}

function AttachButton({ onFiles }: { onFiles: (files: Iterable<File>) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="ghost" aria-label="Attach a file" title="Attach a file" onClick={() => input.current?.click()}>
        <Clip />
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        onChange={(event) => {
          onFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

function Files({ files, onRemove }: { files: readonly Attachment[]; onRemove: (at: number) => void }): JSX.Element | null {
  if (files.length === 0) return null;
  return (
    <ul class="pictures">
      {files.map((file, at) => (
        <li key={`${at}${file.fileName}`} data-file={file.type === "image" ? undefined : true}>
          {file.type === "image" ? (
            <img src={`data:${file.mimeType};base64,${file.content}`} alt={file.fileName} />
          ) : (
            <p class="file">
              <Clip size={15} /> <bdi class="file-name">{file.fileName}</bdi> <span class="hint">{sizeText(file.sizeBytes)}</span>
            </p>
          )}
          <button type="button" class="ghost" aria-label={`Remove ${file.fileName}`} onClick={() => onRemove(at)}>
            <Close size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
}

const sizeText = (bytes: number): string =>
  bytes < 1_000_000
    ? `${Math.ceil(bytes / 1_000).toLocaleString(locale())} KB`
    : `${(bytes / 1_000_000).toLocaleString(locale(), { maximumFractionDigits: 1 })} MB`;

/** Reads files as attachments; says why one is left out. */
async function readFiles(files: Iterable<File>, before: readonly Attachment[]): Promise<readonly Attachment[]> {
  const { attachments: limits, maxPayload } = store.hello.value?.policy ?? {};
  const read: Attachment[] = [];
  const room = (maxPayload ?? Infinity) * PAYLOAD_SHARE;
  for (const file of files) {
    const isPicture = PICTURES.has(file.type);
    const most = (isPicture ? limits?.maxImageBytes : limits?.maxBytes) ?? DEFAULT_FILE_BYTES;
    const used = [...before, ...read].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (file.size === 0) showToast(`${file.name} is empty, or a folder, and can't be attached.`);
    else if (file.size > most) showToast(`${file.name} is larger than ${sizeText(most)}, the most that one file may have.`);
    else if (used + file.size > room)
      showToast(`The files of one message may have ${sizeText(room)} together. Send ${file.name} with another one.`);
    else if (before.length + read.length >= MAX_FILES) showToast(`A message takes up to ${MAX_FILES} files.`);
    else
      read.push({
        type: isPicture ? "image" : "file",
        mimeType: file.type || "application/octet-stream",
        fileName: file.name,
        content: await toBase64(file),
        sizeBytes: file.size,
      });
  }
  return read;
}

function toBase64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(String(reader.result).replace(/^[^,]*,/, "")));
    reader.addEventListener("error", () => reject(reader.error ?? new Error("The file could not be read.")));
    reader.readAsDataURL(file);
  });
}
