import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { chooseModel } from "../actions.ts";
import * as store from "../state.ts";
import { Check, Down } from "./icons.tsx";

const SEARCH_FROM = 9;

const setOpen = (now: boolean): void => void (store.choosingModel.value = now);

/** Which model answers in this session, and the others that could. */
export function ModelPicker(): JSX.Element | null {
  const open = store.choosingModel.value;
  const box = useRef<HTMLDivElement>(null);
  const answering = store.answering.value;
  useEffect(() => {
    if (!open) return undefined;
    const onDown = (event: PointerEvent): void => {
      if (event.target instanceof Node && box.current?.contains(event.target) !== true) setOpen(false);
    };
    addEventListener("pointerdown", onDown);
    return () => removeEventListener("pointerdown", onDown);
  }, [open]);
  if (answering === null && store.modelRows.value.length === 0) return null;
  const close = (): void => {
    setOpen(false);
    box.current?.querySelector<HTMLButtonElement>(".model-button")?.focus();
  };
  return (
    <div
      class="model"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        event.stopPropagation();
        close();
      }}
    >
      <button type="button" class="model-button" aria-haspopup="listbox" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span>{answering?.name ?? "Choose a model"}</span>
        <Down size={14} />
      </button>
      {open && <Options current={answering?.ref ?? null} onDone={close} />}
    </div>
  );
}

function Options({ current, onDone }: { current: string | null; onDone: () => void }): JSX.Element {
  const [words, setWords] = useState("");
  const list = useRef<HTMLDivElement>(null);
  const models = store.modelRows.value.filter((model) =>
    `${model.name ?? ""} ${model.id} ${model.provider}`.toLowerCase().includes(words.toLowerCase()),
  );
  useEffect(() => {
    const start = list.current?.querySelector<HTMLElement>("input, [aria-selected=true], [role=option]");
    start?.focus();
  }, []);
  const choose = (ref: string | null): void => {
    onDone();
    if (ref !== current) void chooseModel(ref);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const options = [...(list.current?.querySelectorAll<HTMLElement>("[role=option]") ?? [])];
    const at = options.indexOf(document.activeElement as HTMLElement);
    const next = options[Math.min(options.length - 1, Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1)))];
    next?.focus();
  };
  return (
    <div class="options" ref={list} onKeyDown={onKeyDown}>
      {store.modelRows.value.length >= SEARCH_FROM && (
        <input
          type="search"
          aria-label="Find a model"
          placeholder="Find a model"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
      )}
      <div role="listbox" aria-label="Models">
        {models.map((model) => {
          const ref = `${model.provider}/${model.id}`;
          const scripted = store.isScripted(model);
          return (
            <button
              key={ref}
              type="button"
              role="option"
              aria-selected={ref === current}
              disabled={model.available === false}
              onClick={() => choose(ref)}
            >
              <span class="option-name">{scripted ? "Setup guide" : (model.name ?? model.id)}</span>
              <span class="option-sub">{scripted ? "scripted, not an AI model" : model.provider}</span>
              {ref === current && <Check size={16} />}
            </button>
          );
        })}
        {models.length === 0 && <p class="hint">No models match “{words}”.</p>}
      </div>
      <button type="button" class="option-default" onClick={() => choose(null)}>
        Use the default
      </button>
    </div>
  );
}
