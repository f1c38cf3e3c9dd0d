import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { GUIDE_PROVIDER } from "../../../src/core/guide-model.ts";
import * as models from "../model-providers.ts";
import * as store from "../state.ts";
import { ConfirmDialog } from "./confirm-dialog.tsx";
import { KeyForm, Problem } from "./key-form.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { AgentRow, ModelChoice, ProviderRow } from "../model-providers.ts";

/** Which model answers for whom, who provides models, and the keys for that. */
export function ModelsView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void models.loadModels(), [online]);
  const answer = models.answer.value;
  return (
    <ViewFrame view="models" failed={models.failed.value}>
      {models.note.value !== null && (
        <p class="warn" role="status">
          {models.note.value}
        </p>
      )}
      {answer === null ? (
        <p class="panel-empty">{models.failed.value === null ? "Loading…" : ""}</p>
      ) : (
        <>
          <Answering />
          <Providers />
          {store.mayAdminister.value && <AddKey />}
          <Known />
        </>
      )}
    </ViewFrame>
  );
}

const isGuide = (ref: string | undefined): boolean => ref === undefined || ref.startsWith(`${GUIDE_PROVIDER}/`);

function Answering(): JSX.Element {
  const { agents } = models.answer.value!;
  const hasModel = agents.some(({ model }) => !isGuide(model?.primary));
  return (
    <section class="panel" aria-labelledby="models-answering-title">
      <div class="panel-head">
        <h2 id="models-answering-title">Who answers with what</h2>
      </div>
      {!hasModel && (
        <p class="panel-empty">No AI model is connected, so the setup guide answers. Paste a key below, or start a local server.</p>
      )}
      <ul>
        {agents.map((agent) => (
          <Agent key={agent.id} agent={agent} />
        ))}
      </ul>
    </section>
  );
}

function Agent({ agent }: { agent: AgentRow }): JSX.Element {
  const { models: known, agents } = models.answer.value!;
  const { id, name, model } = agent;
  // With one agent the setting of all agents is its setting.
  const target = agents.length === 1 ? null : id;
  const about = `agent ${target ?? ""}`;
  const usable = known.filter(({ available }) => available !== false);
  const primary = model?.primary ?? "";
  const fallbacks = model?.fallbacks ?? [];
  const isBusy = models.busy.value === about;
  const mayChange = store.mayAdminister.value;
  const selectId = `model-of-${id}`;
  return (
    <li class="entry">
      <span class="dot" data-state={isGuide(primary) ? "" : "on"} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{name ?? id}</bdi>
          </strong>
        </p>
        <div class="form">
          <div>
            <label for={selectId}>Model</label>
            <select
              id={selectId}
              value={primary}
              disabled={!mayChange || isBusy}
              onChange={({ currentTarget }) => void models.setModel(target, currentTarget.value)}
            >
              {!usable.some((each) => models.refOf(each) === primary) && (
                <option value={primary}>{primary === "" ? "None" : `${primary} (cannot be used now)`}</option>
              )}
              {usable.map((each) => (
                <option key={models.refOf(each)} value={models.refOf(each)}>
                  {each.name ?? each.id} ({each.provider})
                </option>
              ))}
            </select>
          </div>
          {!isGuide(primary) && <Fallbacks target={target} primary={primary} fallbacks={fallbacks} usable={usable} isBusy={isBusy} />}
        </div>
        <Problem about={about} />
      </div>
    </li>
  );
}

type FallbacksProps = {
  target: string | null;
  primary: string;
  fallbacks: readonly string[];
  usable: readonly ModelChoice[];
  isBusy: boolean;
};

/** The models that answer, in this order, when the first one fails. */
function Fallbacks({ target, primary, fallbacks, usable, isBusy }: FallbacksProps): JSX.Element | null {
  const mayChange = store.mayAdminister.value;
  const rest = usable.filter(
    (each) => !fallbacks.includes(models.refOf(each)) && models.refOf(each) !== primary && !isGuide(models.refOf(each)),
  );
  if (fallbacks.length === 0 && (!mayChange || rest.length === 0)) return null;
  const put = (ref: string, how: "add" | "remove" | "up"): void =>
    void models.setFallbacks(target, primary, models.changeFallbacks(fallbacks, ref, how));
  return (
    <div>
      <p class="hint">{fallbacks.length === 0 ? "No model answers when this one fails." : "When it fails, these answer, in this order:"}</p>
      <ol class="model-fallbacks">
        {fallbacks.map((ref, at) => (
          <li key={ref}>
            <bdi>{ref}</bdi>
            {mayChange && (
              <span class="entry-actions">
                {at > 0 && (
                  <button type="button" class="quiet" aria-label={`Move ${ref} up`} disabled={isBusy} onClick={() => put(ref, "up")}>
                    Up
                  </button>
                )}
                <button type="button" class="quiet" aria-label={`Remove ${ref}`} disabled={isBusy} onClick={() => put(ref, "remove")}>
                  Remove
                </button>
              </span>
            )}
          </li>
        ))}
      </ol>
      {mayChange && rest.length > 0 && (
        <select aria-label="Add a fallback" value="" disabled={isBusy} onChange={({ currentTarget }) => put(currentTarget.value, "add")}>
          <option value="">Add a fallback</option>
          {rest.map((each) => (
            <option key={models.refOf(each)} value={models.refOf(each)}>
              {each.name ?? each.id} ({each.provider})
            </option>
          ))}
        </select>
      )}
    </div>
  );
}

function Providers(): JSX.Element {
  const { providers } = models.answer.value!;
  return (
    <section class="panel" aria-labelledby="models-providers-title">
      <div class="panel-head">
        <h2 id="models-providers-title">Providers</h2>
        {store.canWrite.value && (
          <button type="button" class="quiet" disabled={models.busy.value !== null} onClick={() => void models.loadModels(true)}>
            Look for local servers
          </button>
        )}
      </div>
      {providers.length === 0 && (
        <p class="panel-empty">No provider has a key, and no model server was found on the gateway's machine. Paste a key below.</p>
      )}
      <ul>
        {providers.map((row) => (
          <Provider key={row.provider} row={row} />
        ))}
      </ul>
    </section>
  );
}

function Provider({ row }: { row: ProviderRow }): JSX.Element {
  const { provider, displayName, kind, baseUrl, apiKey, status } = row;
  const [isAsking, setAsking] = useState(false);
  const probe = models.probes.value.get(provider);
  const isBusy = models.busy.value === provider;
  const state = probe === undefined ? (status === "missing" ? "" : "on") : probe.status === "ok" ? "on" : "failed";
  return (
    <li class="entry">
      <span class="dot" data-state={state} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{displayName}</bdi>
          </strong>
          {kind === "local" && <span class="tag">local</span>}
          {probe !== undefined && (
            <span class="entry-state" data-tone={probe.status === "ok" ? "good" : "bad"}>
              {models.probeText(probe)}
            </span>
          )}
        </p>
        <p>{models.accessText(row)}.</p>
        {baseUrl !== undefined && (
          <p class="hint">
            <bdi>{baseUrl}</bdi>
          </p>
        )}
        {probe?.error !== undefined && (
          <p class="problem" role="alert">
            {probe.error}. {probe.fix}
          </p>
        )}
        <Problem about={provider} />
      </div>
      {store.mayAdminister.value && (
        <div class="entry-actions">
          <button
            type="button"
            class="quiet"
            aria-label={`Test ${provider}`}
            disabled={isBusy}
            onClick={() => void models.testProvider(row)}
          >
            Test
          </button>
          {apiKey?.source === "config" && (
            <button type="button" class="quiet" aria-label={`Remove key of ${provider}`} disabled={isBusy} onClick={() => setAsking(true)}>
              Remove key
            </button>
          )}
        </div>
      )}
      {isAsking && (
        <ConfirmDialog
          title={`Remove key of ${provider}?`}
          text="Models of this provider stop answering at once. The key itself stays valid until you revoke it at the provider."
          action="Remove"
          onCancel={() => setAsking(false)}
          onConfirm={() => void models.removeKey(row)}
        />
      )}
    </li>
  );
}

function AddKey(): JSX.Element {
  return (
    <section class="panel" aria-labelledby="models-key-title">
      <div class="panel-head">
        <h2 id="models-key-title">Add a key</h2>
      </div>
      <KeyForm />
    </section>
  );
}

function Known(): JSX.Element {
  const rows = models.answer.value!.models.filter((each) => !isGuide(models.refOf(each)));
  return (
    <section class="panel" aria-labelledby="models-known-title">
      <div class="panel-head">
        <h2 id="models-known-title">Known models</h2>
        <span class="hint">{rows.filter(({ available }) => available !== false).length} can answer</span>
      </div>
      {rows.length === 0 && <p class="panel-empty">No model is known. Add a key above.</p>}
      <ul>
        {rows.map((model) => (
          <li class="entry" key={models.refOf(model)}>
            <span class="dot" data-state={model.available === false ? "" : "on"} />
            <div class="entry-text">
              <p class="entry-name">
                <strong>
                  <bdi>{model.name ?? model.id}</bdi>
                </strong>
                {model.tags.includes("default") && <span class="tag">default</span>}
                {model.available === false && <span class="entry-state">No key</span>}
              </p>
              <p class="hint">
                <bdi>{models.refOf(model)}</bdi>
                {models.modelText(model) !== "" && ` · ${models.modelText(model)}`}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
