import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { readDraft, send, stop, writeDraft } from "../actions.ts";
import { isComposing } from "../keyboard.ts";
import * as store from "../store.ts";
import { say } from "../store.ts";
import { CommandHints, firstCommand } from "./command-hints.tsx";
import { Close, Picture, Send, Stop } from "./icons.tsx";
import { ModelPicker } from "./model-picker.tsx";
import type { Attachment } from "../outbox.ts";

const PICTURES = "image/png,image/jpeg,image/gif,image/webp";
const MAX_PICTURES = 6;
const DEFAULT_PICTURE_BYTES = 6_291_456;

/** Field, pictures, model, send or stop. */
export function Composer(): JSX.Element {
  const key = store.activeKey.value;
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => readDraft(key));
  const [pictures, setPictures] = useState<readonly Attachment[]>([]);
  const mayWrite = store.mayWrite.value;
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
    send(text.trim(), pictures);
    change("");
    setPictures([]);
    field.current?.focus();
  };
  const add = (files: Iterable<File>): void =>
    void readPictures(files, pictures.length).then((read) => setPictures((old) => [...old, ...read]));
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    }
    if (event.key === "Escape" && store.busy.value) void stop();
    const command = event.key === "Tab" && !event.shiftKey ? firstCommand(text) : null;
    if (command === null) return;
    event.preventDefault();
    change(command);
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
      <CommandHints text={text} onPick={(command) => (change(command), field.current?.focus())} />
      <Pictures pictures={pictures} onRemove={(at) => setPictures(pictures.filter((_, index) => index !== at))} />
      <textarea
        id="composer"
        ref={field}
        rows={1}
        dir="auto"
        aria-label="Message"
        placeholder={mayWrite ? "Write a message" : "This browser may read, but not write"}
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
        <span class="keys">Enter sends, Shift+Enter breaks the line</span>
        <SendOrStop empty={text.trim() === "" && pictures.length === 0} mayWrite={mayWrite} />
      </div>
    </form>
  );
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
  const busy = store.busy.value;
  return (
    <>
      {busy && (
        <button
          type="button"
          class="round stop"
          aria-label="Stop"
          title="Stop (Esc)"
          disabled={!store.online.value}
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
      <button type="button" class="ghost" aria-label="Attach a picture" title="Attach a picture" onClick={() => input.current?.click()}>
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
    if (!PICTURES.split(",").includes(file.type)) say(`${file.name} is not a picture that can be sent.`);
    else if (file.size > limit) say(`${file.name} is larger than ${Math.floor(limit / 1_048_576)} MB.`);
    else if (already + read.length >= MAX_PICTURES) say(`At most ${MAX_PICTURES} pictures go with one message.`);
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
