import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import * as channels from "../channels.ts";
import { Check } from "./icons.tsx";
import { Command } from "./sign-in.tsx";

/** Connecting a channel: choose, prove, try. */
export function ConnectChannel(): JSX.Element | null {
  const wizard = channels.wizard.value;
  const title = useRef<HTMLHeadingElement>(null);
  const step = wizard?.step;
  // Each step is read out and has the keyboard.
  useEffect(() => title.current?.focus(), [step]);
  if (wizard === null) return null;
  const at = wizard.step === "choose" ? 1 : wizard.step === "enter" ? 2 : 3;
  return (
    <section class="panel" aria-labelledby="wizard-title">
      <div class="panel-head">
        <h2 id="wizard-title" ref={title} tabIndex={-1}>
          {wizard.step === "choose" ? "Connect a channel" : `Connect ${wizard.card.label}`}
        </h2>
        <span class="hint">Step {at} of 3</span>
        <button type="button" class="quiet" onClick={() => (channels.wizard.value = null)}>
          {wizard.step === "test" ? "Done" : "Cancel"}
        </button>
      </div>
      {wizard.step === "choose" && <Choose />}
      {wizard.step === "enter" && <Enter wizard={wizard} />}
      {wizard.step === "link" && <LinkPhone wizard={wizard} />}
      {wizard.step === "test" && <Try wizard={wizard} />}
    </section>
  );
}

function Choose(): JSX.Element {
  const cards = channels.catalog.value;
  if (cards.length === 0) return <p class="panel-empty">Reading what there is.</p>;
  return (
    <ul class="channel-tiles">
      {cards.map((card) => (
        <li key={card.id}>
          <button type="button" class="channel-tile" onClick={() => channels.choose(card)}>
            {card.label}
          </button>
        </li>
      ))}
    </ul>
  );
}

function submit(event: Event): void {
  event.preventDefault();
  void channels.connect();
}

function Enter({ wizard }: { wizard: Extract<channels.Wizard, { step: "enter" }> }): JSX.Element {
  const { card, values, busy, error, account } = wizard;
  const shown = card.fields.filter((field) => field.required);
  const more = card.fields.filter((field) => !field.required);
  const ready = shown.every((field) => (values[field.key] ?? "").trim() !== "");
  return (
    <form class="wizard" onSubmit={submit}>
      {shown.map((field) => (
        <FieldInput key={field.key} field={field} value={values[field.key] ?? ""} />
      ))}
      <details open={shown.length === 0}>
        <summary>More</summary>
        {more.map((field) => (
          <FieldInput key={field.key} field={field} value={values[field.key] ?? ""} />
        ))}
        <label for="account-name">Name of the account, when there are several</label>
        <input
          id="account-name"
          autocomplete="off"
          spellcheck={false}
          pattern="[A-Za-z0-9][A-Za-z0-9_\-]{0,63}"
          value={account}
          onInput={(event) => channels.nameAccount(event.currentTarget.value)}
        />
      </details>
      <div role="alert">
        {error !== null && (
          <div class="problem" dir="auto">
            <p>{error.text}</p>
            {error.fix !== null && <p>{error.fix}</p>}
          </div>
        )}
      </div>
      <button type="submit" class="primary" disabled={busy || !ready}>
        {busy ? `Asking ${card.label}` : "Check and connect"}
      </button>
      {card.login && error !== null && (
        <button type="button" class="quiet" disabled={busy || !ready} onClick={() => void channels.link()}>
          Save it, and link a phone
        </button>
      )}
      <p class="hint">It is saved only when {card.label} accepts it. Secrets stay on the gateway and are never shown again.</p>
    </form>
  );
}

/** The code that a phone has to scan. */
function LinkPhone({ wizard }: { wizard: Extract<channels.Wizard, { step: "link" }> }): JSX.Element {
  const { card, code, text, error } = wizard;
  return (
    <div class="wizard">
      {code !== null && <img class="wizard-code" src={code} alt={`A code for the ${card.label} app`} />}
      {error === null ? (
        <p aria-live="polite">{text}</p>
      ) : (
        <div class="problem" role="alert" dir="auto">
          <p>{error}</p>
          <p>It is saved; begin again with Connect a channel, or: openclaw channels login {card.id}</p>
        </div>
      )}
      {code !== null && <p class="hint">In {card.label} on the phone: linked devices, add one, and scan.</p>}
    </div>
  );
}

/** `botToken` as a person says it: Bot token. */
function toWords(key: string): string {
  const words = key
    .replaceAll(".", " ")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function FieldInput({ field, value }: { field: channels.Field; value: string }): JSX.Element {
  const id = `field-${field.key}`;
  return (
    <div class="field">
      <label for={id}>
        {toWords(field.key)}
        {field.help !== "" && <span class="hint"> {field.help.replaceAll("`", "")}</span>}
      </label>
      <input
        id={id}
        {...(field.secret ? { type: "password" as const } : {})}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        required={field.required}
        value={value}
        onInput={(event) => channels.type(field.key, event.currentTarget.value)}
      />
    </div>
  );
}

function Try({ wizard }: { wizard: Extract<channels.Wizard, { step: "test" }> }): JSX.Element {
  const row = channels.accounts.value.find((one) => one.channel === wizard.card.id && one.accountId === wizard.account);
  const connected = row?.state === "ready" || row?.state === "degraded";
  const arrived = channels.hasArrived(wizard, channels.accounts.value, channels.pairings.value);
  return (
    <>
      <ol class="ticks" aria-live="polite">
        <Tick done>
          {wizard.card.label} knows it as <strong dir="auto">{wizard.name}</strong>
        </Tick>
        <Tick done={connected}>{connected ? "Connected" : `Connecting${row?.lastError ? `: ${row.lastError}` : ""}`}</Tick>
        <Tick done={arrived}>
          {arrived ? (
            "Your message has arrived"
          ) : (
            <>
              Write to <strong dir="auto">{wizard.name}</strong> there; this line tells when it arrives
            </>
          )}
        </Tick>
      </ol>
      {wizard.card.login && !connected && <Command text={`openclaw channels login ${wizard.card.id}`} />}
      <Pairings only={wizard.card.id} />
    </>
  );
}

function Tick({
  done,
  children,
}: {
  done: boolean;
  children: JSX.Element | JSX.Element[] | string | (JSX.Element | string)[];
}): JSX.Element {
  return (
    <li data-done={done}>
      <span class="tick">{done ? <Check size={14} /> : <span class="dot" data-state="busy" />}</span>
      <span>
        {children}
        <span class="spoken">{done ? " (done)" : " (waiting)"}</span>
      </span>
    </li>
  );
}

/** Who asks to be let in, with the two answers. */
export function Pairings({ only }: { only: string | null }): JSX.Element | null {
  const requests = channels.pairings.value.filter((one) => only === null || one.channel === only);
  if (requests.length === 0) return null;
  return (
    <section class={only === null ? "panel" : "inset"} aria-labelledby="pairing-title">
      <div class="panel-head">
        <h2 id="pairing-title">Waiting to be let in</h2>
      </div>
      <ul>
        {requests.map((request) => (
          <li class="account" key={`${request.channel} ${request.accountId} ${request.requestId}`}>
            <div class="account-text">
              <p class="account-name">
                <strong dir="auto">{request.senderLabel}</strong>
                <span class="tag">{request.channelLabel}</span>
              </p>
              <p class="hint">
                <span dir="ltr">{request.senderId}</span>, code <code>{request.requestId}</code>
              </p>
            </div>
            <div class="account-actions">
              <button type="button" class="primary small" onClick={() => void channels.approve(request)}>
                Approve
              </button>
              <button type="button" class="quiet" onClick={() => void channels.dismiss(request)}>
                Dismiss
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
