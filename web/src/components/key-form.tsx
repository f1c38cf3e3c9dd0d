import type { JSX } from "preact";
import { useState } from "preact/hooks";
import * as models from "../model-providers.ts";

/** Why the last change of something failed, and what to do. */
export function Problem({ about }: { about: string }): JSX.Element | null {
  const problem = models.problems.value.get(about);
  if (problem === undefined) return null;
  return (
    <p class="problem" role="alert">
      {problem.text} {problem.fix}
    </p>
  );
}

/** A key is pasted, tested, and kept by the gateway; it leaves the page with that. Shown when the providers are read. */
export function KeyForm({ onKept }: { onKept?: () => void }): JSX.Element {
  const { capabilities, providers } = models.answer.value!;
  const names = [...capabilities, ...providers.filter(({ kind }) => kind === "custom")].map((each) => each.provider);
  const [key, setKey] = useState("");
  const [chosen, setChosen] = useState("");
  const provider = chosen || (models.providerOfKey(key) ?? "");
  const capability = capabilities.find((each) => each.provider === provider);
  const isBusy = models.busy.value === "key";
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (provider === "" || key.trim() === "") return;
    if (await models.setKey(provider, key)) {
      setKey("");
      setChosen("");
      onKept?.();
    }
  };
  return (
    <form class="form" onSubmit={(event) => void submit(event)}>
      <div>
        <label for="model-key">API key</label>
        <input
          id="model-key"
          type="password"
          autocomplete="off"
          value={key}
          aria-describedby="model-key-help"
          onInput={({ currentTarget }) => setKey(currentTarget.value)}
        />
        <p class="hint" id="model-key-help">
          It is tested before it is kept, in a file on the gateway that only its user reads. It is never shown again.
        </p>
      </div>
      <div>
        <label for="model-provider">Provider</label>
        <select id="model-provider" value={provider} onChange={({ currentTarget }) => setChosen(currentTarget.value)}>
          <option value="">Choose</option>
          {[...new Set(names)].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        {capability?.testable === false && (
          <p class="hint">This provider has no free request, so the key is tested by the first message.</p>
        )}
      </div>
      <Problem about="key" />
      <button type="submit" class="primary" disabled={isBusy || provider === "" || key.trim() === ""}>
        {isBusy ? "Testing…" : "Test and keep"}
      </button>
    </form>
  );
}
