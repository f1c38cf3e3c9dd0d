import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import * as channels from "../channel-setup.ts";
import { toFieldLabel, withoutCommands } from "../setup-problem.ts";
import { toShortTime } from "../session-list.ts";
import * as store from "../state.ts";
import { Check, Close } from "./icons.tsx";
import { CommandLine } from "./command-line.tsx";
import type { SetupField, SetupGuideText } from "../channel-card.ts";

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
        {wizard.step === "enter" && (
          <button type="button" class="quiet" onClick={() => void channels.openWizard()}>
            Back
          </button>
        )}
        <button type="button" class="quiet" onClick={() => (channels.wizard.value = null)}>
          {wizard.step === "test" ? "Done" : "Cancel"}
        </button>
      </div>
      {wizard.step === "choose" && <ChooseStep />}
      {wizard.step === "enter" && <EnterStep wizard={wizard} />}
      {wizard.step === "link" && <LinkStep wizard={wizard} />}
      {wizard.step === "test" && <TestStep wizard={wizard} />}
    </section>
  );
}

function ChooseStep(): JSX.Element {
  const cards = channels.channelCatalog.value;
  if (cards.length === 0) return <p class="panel-empty">Loading channels…</p>;
  return (
    <ul class="channel-tiles">
      {cards.map((card) => (
        <li key={card.id}>
          <button type="button" class="channel-tile" onClick={() => channels.chooseChannel(card)}>
            {card.label}
          </button>
        </li>
      ))}
    </ul>
  );
}

function submit(event: Event): void {
  event.preventDefault();
  void channels.connectChannel();
}

function EnterStep({ wizard }: { wizard: Extract<channels.SetupWizard, { step: "enter" }> }): JSX.Element {
  const { card, values, busy, error, account } = wizard;
  const shown = card.fields.filter((field) => field.required);
  const more = card.fields.filter((field) => !field.required);
  const ready = shown.every((field) => (values[field.key] ?? "").trim() !== "");
  const isWrong = (field: SetupField): boolean => error?.fields[field.key] !== undefined;
  const input = (field: SetupField): JSX.Element => (
    <FieldInput key={field.key} field={field} value={values[field.key] ?? ""} problem={error?.fields[field.key] ?? null} />
  );
  return (
    <form class="form" onSubmit={submit}>
      {card.guide !== undefined && <GuideLine guide={card.guide} />}
      {shown.map(input)}
      <details open={shown.length === 0 || more.some(isWrong)}>
        <summary>More options</summary>
        {more.map(input)}
        <label for="entry-name">Account name (only if you connect more than one)</label>
        <input
          id="entry-name"
          autocomplete="off"
          spellcheck={false}
          pattern="[A-Za-z0-9][A-Za-z0-9_\-]{0,63}"
          value={account}
          onInput={(event) => channels.nameAccount(event.currentTarget.value)}
        />
      </details>
      <div role="alert">
        {error !== null && (error.text !== null || error.fix !== null) && (
          <div class="problem" dir="auto">
            {error.text !== null && <p>{error.text}</p>}
            {error.fix !== null && <p>{error.fix}</p>}
          </div>
        )}
      </div>
      <button type="submit" class="primary" disabled={busy || !ready}>
        {busy ? `Checking with ${card.label}…` : "Check and connect"}
      </button>
      {card.login && error !== null && (
        <button type="button" class="quiet" disabled={busy || !ready} onClick={() => void channels.linkDevice()}>
          Save it, and link a phone
        </button>
      )}
      <p class="hint">Saved only after {card.label} confirms it. Secrets stay on the gateway and are never shown again.</p>
    </form>
  );
}

/** Where the credential comes from. */
function GuideLine({ guide }: { guide: SetupGuideText }): JSX.Element {
  return (
    <p class="wizard-guide">
      {guide.text}{" "}
      {guide.link !== undefined && guide.link.url.startsWith("https://") && (
        <a href={guide.link.url} target="_blank" rel="noopener noreferrer">
          {guide.link.label}
        </a>
      )}
    </p>
  );
}

/** The code that a phone has to scan. */
function LinkStep({ wizard }: { wizard: Extract<channels.SetupWizard, { step: "link" }> }): JSX.Element {
  const { card, code, text, error } = wizard;
  return (
    <div class="form">
      {code !== null && <img class="wizard-code" src={code} alt={`A code for the ${card.label} app`} />}
      {error === null ? (
        <p aria-live="polite">{text}</p>
      ) : (
        <div class="problem" role="alert" dir="auto">
          <p>{error}</p>
          <p>The account is saved. To try again, choose Connect a channel.</p>
        </div>
      )}
      {code !== null && <p class="hint">In {card.label} on your phone: Linked devices, Link new device, then scan.</p>}
    </div>
  );
}

function FieldInput({ field, value, problem }: { field: SetupField; value: string; problem: string | null }): JSX.Element {
  const id = `field-${field.key}`;
  return (
    <div class="field">
      <label for={id}>
        {toFieldLabel(field.key)}
        {field.help !== "" && <span class="hint"> {field.help.replaceAll("`", "")}</span>}
      </label>
      <FieldControl id={id} field={field} value={value} problem={problem} />
      {problem !== null && (
        <p class="field-problem" id={`${id}-problem`} role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

type ControlProps = { id: string; field: SetupField; value: string; problem: string | null };

function FieldControl({ id, field, value, problem }: ControlProps): JSX.Element {
  const wrong = problem === null ? {} : { "aria-invalid": true, "aria-describedby": `${id}-problem` };
  const onInput = (event: { currentTarget: { value: string } }): void => channels.setFieldValue(field.key, event.currentTarget.value);
  if (field.kind === "enum" || field.kind === "boolean") {
    const options = field.kind === "boolean" ? ["true", "false"] : (field.options ?? []);
    const words = (option: string): string => (field.kind === "enum" ? option : option === "true" ? "On" : "Off");
    return (
      <select id={id} value={value} onInput={onInput} {...wrong}>
        {!field.required && <option value="">Default</option>}
        {options.map((option) => (
          <option key={option} value={option}>
            {words(option)}
          </option>
        ))}
      </select>
    );
  }
  return (
    <input
      id={id}
      {...(field.secret ? { type: "password" as const } : {})}
      {...(field.kind === "number" ? { inputMode: "numeric" as const } : {})}
      {...(field.kind === "array" ? { placeholder: "Separated by commas" } : {})}
      autocomplete="off"
      autocapitalize="off"
      spellcheck={false}
      required={field.required}
      value={value}
      onInput={onInput}
      {...wrong}
    />
  );
}

function TestStep({ wizard }: { wizard: Extract<channels.SetupWizard, { step: "test" }> }): JSX.Element {
  const row = channels.accounts.value.find((one) => one.channel === wizard.card.id && one.accountId === wizard.account);
  const connected = row?.state === "ready" || row?.state === "degraded";
  const failed = row?.state === "terminal";
  const arrived = channels.hasReceivedMessage(wizard, channels.accounts.value, channels.pairings.value);
  const fix = failed && row?.fix !== undefined ? withoutCommands(row.fix) : null;
  return (
    <>
      <ol class="ticks" aria-live="polite">
        <Tick state="done">{wizard.card.label} accepted the account</Tick>
        <Tick state={connected ? "done" : failed ? "failed" : "waiting"}>
          {connected ? (
            <>
              Connected as <strong dir="auto">{wizard.name}</strong>
            </>
          ) : failed ? (
            `Not connected: ${row?.lastError ?? "unknown cause"}`
          ) : (
            `Connecting…${row?.lastError ? ` ${row.lastError}` : ""}`
          )}
          {fix !== null && <span class="tick-fix">{fix}</span>}
        </Tick>
        {!failed && <Tick state={arrived ? "done" : "waiting"}>{arrived ? "Your message has arrived" : <TestLine wizard={wizard} />}</Tick>}
      </ol>
      {!connected && (
        <button type="button" class="quiet wizard-back" onClick={channels.goBack}>
          Back to the form
        </button>
      )}
      {wizard.card.login && !connected && <CommandLine text={`openclaw channels login ${wizard.card.id}`} />}
      <PairingRequests only={wizard.card.id} />
    </>
  );
}

function TestLine({ wizard }: { wizard: Extract<channels.SetupWizard, { step: "test" }> }): JSX.Element {
  const test = wizard.card.guide?.test;
  if (test !== undefined) return <>{test}</>;
  return (
    <>
      Send a message to <strong dir="auto">{wizard.name}</strong> to test it
    </>
  );
}

type TickState = "done" | "waiting" | "failed";

function Tick({ state, children }: { state: TickState; children: ComponentChildren }): JSX.Element {
  return (
    <li data-done={state === "done"} data-failed={state === "failed" || undefined}>
      <span class="tick">
        {state === "done" ? <Check size={14} /> : state === "failed" ? <Close size={14} /> : <span class="dot" data-state="busy" />}
      </span>
      <span>
        {children}
        <span class="spoken"> ({state})</span>
      </span>
    </li>
  );
}

/** Who asks to be let in, with the two answers. */
export function PairingRequests({ only }: { only: string | null }): JSX.Element | null {
  const requests = channels.pairings.value.filter((one) => only === null || one.channel === only);
  if (requests.length === 0) return null;
  return (
    <section class={only === null ? "panel" : "inset"} aria-labelledby="pairing-title">
      <div class="panel-head">
        <h2 id="pairing-title">Access requests</h2>
      </div>
      <ul>
        {requests.map((request) => (
          <li class="entry" key={`${request.channel} ${request.accountId} ${request.requestId}`}>
            <div class="entry-text">
              <p class="entry-name">
                <strong dir="auto">{request.senderLabel}</strong>
                <span class="tag">{request.channelLabel}</span>
                {request.createdAt !== undefined && (
                  <span class="hint">{toShortTime(Date.parse(request.createdAt), store.clock.value)}</span>
                )}
              </p>
              <p class="hint">
                <span dir="ltr">{request.senderId}</span>, code <code>{request.requestId}</code>
              </p>
            </div>
            <div class="entry-actions">
              <button type="button" class="primary small" onClick={() => void channels.approvePairing(request)}>
                Approve
              </button>
              <button type="button" class="quiet" onClick={() => void channels.dismissPairing(request)}>
                Dismiss
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
