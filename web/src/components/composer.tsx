import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { readDraft, stop, submit as take, writeDraft } from "../actions.ts";
import { isComposing } from "../keyboard.ts";
import * as store from "../state.ts";
import { showToast } from "../state.ts";
import { CommandHints, hintId, HINTS_ID, findCommands, toCommandInput } from "./command-hints.tsx";
import { Close, Picture, Send, Stop } from "./icons.tsx";
import { ModelPicker } from "./model-picker.tsx";
import type { Attachment } from "../../../src/client/conversation/outbox.ts";
import type { CommandRow } from "../../../src/client/conversation/protocol-types.ts";

const PICTURES = "image/png,image/jpeg,image/gif,image/webp";
const MAX_PICTURES = 6;
const DEFAULT_PICTURE_BYTES = 6_291_456;

/** Field, pictures, model, send or stop. */
export function Composer(): JSX.Element {
  const key = store.activeKey.value;
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => readDraft(key));
  const [pictures, setPictures] = useState<readonly Attachment[]>([]);
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
    if (!mayWrite || (text.trim() === "" && pictures.length === 0)) return;
    take(text.trim(), pictures, () => {
      change("");
      setPictures([]);
    });
    field.current?.focus();
  };
  const hints = useHints(text);
  const pick = (command: string): void => {
    change(command);
    field.current?.focus();
  };
  const add = (files: Iterable<File>): void =>
    void readPictures(files, pictures.length).then((read) => setPictures((old) => [...old, ...read]));
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
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (files.length === 0) return;
    event.preventDefault();
    add(files);
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
      <Pictures pictures={pictures} onRemove={(at) => setPictures(pictures.filter((_, index) => index !== at))} />
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
        <SendOrStop empty={text.trim() === "" && pictures.length === 0} mayWrite={mayWrite} />
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
      <button type="button" class="ghost" aria-label="Attach an image" title="Attach an image" onClick={() => input.current?.click()}>
        <Picture />
      </button>
      <input
        ref={input}
        type="file"
        accept={PICTURES}
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

function Pictures({ pictures, onRemove }: { pictures: readonly Attachment[]; onRemove: (at: number) => void }): JSX.Element | null {
  if (pictures.length === 0) return null;
  return (
    <ul class="pictures">
      {pictures.map((picture, at) => (
        <li key={`${at}${picture.fileName}`}>
          <img src={`data:${picture.mimeType};base64,${picture.content}`} alt={picture.fileName} />
          <button type="button" class="ghost" aria-label={`Remove ${picture.fileName}`} onClick={() => onRemove(at)}>
            <Close size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Reads files as attachments; says why one is left out. */
async function readPictures(files: Iterable<File>, already: number): Promise<readonly Attachment[]> {
  const limit = store.hello.value?.policy.attachments?.maxImageBytes ?? DEFAULT_PICTURE_BYTES;
  const read: Attachment[] = [];
  for (const file of files) {
    if (!PICTURES.split(",").includes(file.type))
      showToast(`${file.name} can't be attached. Only images (PNG, JPEG, GIF, WebP) are supported.`);
    else if (file.size > limit) showToast(`${file.name} is larger than ${Math.floor(limit / 1_048_576)} MB.`);
    else if (already + read.length >= MAX_PICTURES) showToast(`You can attach up to ${MAX_PICTURES} images.`);
    else read.push({ type: "image", mimeType: file.type, fileName: file.name, content: await toBase64(file), sizeBytes: file.size });
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
