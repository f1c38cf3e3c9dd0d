import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as channels from "../channel-setup.ts";
import { onModelConnected, progress, toFirstModel } from "../first-run.ts";
import * as models from "../model-providers.ts";
import * as store from "../state.ts";
import { ConnectChannel } from "./connect-channel.tsx";
import { Check, Mark } from "./icons.tsx";
import { KeyForm } from "./key-form.tsx";
import "../styles/first-run.css";

const READ_MS = 4_000;

/** The first screen: connect a model, connect a channel, done. */
export function FirstRun(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => {
    progress.value = "open";
    void models.loadModels();
    void channels.loadChannels();
    const timer = setInterval(() => {
      if (!document.hidden && channels.wizard.value !== null) void channels.loadChannels();
    }, READ_MS);
    return () => clearInterval(timer);
  }, [online]);
  return (
    <div class="first-run">
      <Mark size={40} />
      <h2>Your gateway is running</h2>
      <p>Connect a model, then a channel if you want one. Both can be changed later.</p>
      <ModelStep />
      <ChannelStep />
      <Finish />
    </div>
  );
}

function Step({ title, done, children }: { title: string; done: string | null; children: ComponentChildren }): JSX.Element {
  return (
    <section class="panel" data-done={done === null ? undefined : true} aria-label={title}>
      <div class="panel-head">
        <h3>{title}</h3>
        {done !== null && (
          <span class="first-run-done" role="status">
            <Check size={16} /> <bdi>{done}</bdi>
          </span>
        )}
      </div>
      {children}
    </section>
  );
}

function ModelStep(): JSX.Element {
  const answer = models.answer.value;
  if (answer === null)
    return (
      <Step title="1. Connect a model" done={null}>
        <p class="panel-empty">{models.failed.value ?? "Loading…"}</p>
      </Step>
    );
  const { name, others } = toFirstModel(answer.agents, answer.defaultId, answer.models);
  const local = answer.providers.filter(({ kind }) => kind === "local").map(({ displayName }) => displayName);
  return (
    <Step title="1. Connect a model" done={name === null ? null : `${name} answers`}>
      {models.note.value !== null && <p class="hint">{models.note.value}</p>}
      {name === null && <KeyForm onKept={() => void onModelConnected()} />}
      {name === null && local.length === 0 && (
        <p class="hint first-run-local">
          No model server was found on the gateway's machine.{" "}
          <button type="button" class="quiet" disabled={models.busy.value !== null} onClick={() => void models.loadModels(true)}>
            Look again
          </button>
        </p>
      )}
      {name !== null && others.length > 0 && <OtherModel others={others} />}
    </Step>
  );
}

const choose = (ref: string): void => void models.setModel(null, ref).then(onModelConnected);

function OtherModel({ others }: { others: readonly models.ModelChoice[] }): JSX.Element {
  return (
    <div class="form">
      <div>
        <label for="first-model">Use another model</label>
        <select
          id="first-model"
          value=""
          disabled={models.busy.value !== null}
          onChange={({ currentTarget }) => choose(currentTarget.value)}
        >
          <option value="">Keep this one</option>
          {others.map((each) => (
            <option key={models.refOf(each)} value={models.refOf(each)}>
              {each.name ?? each.id} ({each.provider})
            </option>
          ))}
        </select>
      </div>
    </div>
  );
}

function ChannelStep(): JSX.Element {
  const rows = channels.accounts.value.filter(({ enabled }) => enabled !== false);
  if (channels.wizard.value !== null) return <ConnectChannel />;
  const names = [...new Set(rows.map(({ label }) => label))].join(", ");
  return (
    <Step title="2. Connect a channel" done={rows.length === 0 ? null : names}>
      <p class="hint">Write to your agent from Telegram, Discord, Slack, Signal or others. This page works without any.</p>
      <button type="button" class="quiet first-run-action" onClick={() => void channels.openWizard()}>
        {rows.length === 0 ? "Connect a channel" : "Connect another"}
      </button>
    </Step>
  );
}

const finish = (): void => {
  channels.wizard.value = null;
  progress.value = "done";
  document.getElementById("composer")?.focus();
};

function Finish(): JSX.Element | null {
  const answer = models.answer.value;
  const isReady = answer !== null && toFirstModel(answer.agents, answer.defaultId, answer.models).name !== null;
  // The form of the channel has the next step.
  if (channels.wizard.value !== null && channels.wizard.value.step !== "test") return null;
  return (
    <button type="button" class={isReady ? "primary" : "quiet"} onClick={finish}>
      {isReady ? "Done: write to the agent" : "Later: the setup guide answers"}
    </button>
  );
}
