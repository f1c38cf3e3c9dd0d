import type { JSX } from "preact";
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import * as config from "../config-editor.ts";
import { defaultText, fieldKind, hintPath, keysOf, pathText, schemaFor, sectionsOf, valueAt } from "../config-schema.ts";
import * as store from "../state.ts";
import type { Hint, Hints, Schema } from "../config-schema.ts";
import type { KeyPath } from "../../../src/config/key-path.ts";

/** The section that the form shows. */
const section = signal("gateway");

/** What the gateway shows in place of a secret. */
const HIDDEN = "__OPENCLAW_REDACTED__";

type Root = { root: Schema; hints: Hints };
type Place = Root & { path: KeyPath; schema: Schema };

/** One section of the configuration at a time, as fields. */
export function ConfigForm(): JSX.Element {
  const described = config.schema.value;
  const { raw, exists } = config.file.value!;
  // A field would begin a new file, and nothing of the broken one would be in it.
  if (raw === null && exists && config.draft.value === null)
    return (
      <p class="panel-empty">The file is not JSON5, so that it has no fields. Correct its text in an editor; the page reads it again.</p>
    );
  if (described === null) return <p class="panel-empty">{config.failed.value === null ? "Loading…" : ""}</p>;
  const { schema: root, uiHints: hints } = described;
  const sections = sectionsOf(root, hints);
  const chosen = sections.some(({ key }) => key === section.value) ? section.value : (sections[0]?.key ?? "");
  const schema = root.properties?.[chosen];
  return (
    <div class="cfg-form">
      <label class="cfg-section">
        <span>Section</span>
        <select value={chosen} onChange={({ currentTarget }) => (section.value = currentTarget.value)}>
          {sections.map(({ key, label }) => (
            <option key={key} value={key}>
              {label}
              {config.issues.value.some(({ path }) => path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`))
                ? " (has findings)"
                : ""}
            </option>
          ))}
        </select>
      </label>
      {schema !== undefined && (
        <>
          {schema.description !== undefined && (
            <p class="hint">
              <Help text={schema.description} />
            </p>
          )}
          <Value key={chosen} root={root} hints={hints} path={[chosen]} schema={schema} />
        </>
      )}
    </div>
  );
}

/** The text of the documentation, with its names as code. */
const Help = ({ text }: { text: string }): JSX.Element => (
  <>{text.split("`").map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}</>
);

const hintOf = ({ root, hints, path }: Omit<Place, "schema">): Hint | undefined => hints[hintPath(root, path)];

/** The content of a key: its field, or the keys below it. */
function Value(place: Place): JSX.Element {
  const value = valueAt(config.values.value, place.path);
  const schema = schemaFor(place.schema, value);
  const kind = fieldKind(schema, hintOf(place));
  if (kind === "group") return <Group {...place} schema={schema} />;
  if (kind === "entries") return <Entries {...place} schema={schema} />;
  if (kind === "items") return <Items {...place} schema={schema} />;
  return <Field {...place} schema={schema} />;
}

function Group({ root, hints, path, schema }: Place): JSX.Element {
  const { common, advanced } = keysOf(schema, hintPath(root, path), hints);
  const child = (key: string): JSX.Element => (
    <Child key={key} root={root} hints={hints} path={[...path, key]} schema={schema.properties![key]!} />
  );
  return (
    <>
      {common.map(child)}
      {advanced.length > 0 && (
        <details class="cfg-more">
          <summary>{advanced.length} more keys</summary>
          <Opened>{() => advanced.map(child)}</Opened>
        </details>
      )}
    </>
  );
}

/** Draws its content when its details are opened, so that a large section costs what is seen of it. */
function Opened({ children }: { children: () => JSX.Element | JSX.Element[] }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <div
      class="cfg-opened"
      ref={(element) => {
        const details = element?.closest("details");
        if (details && !isOpen) details.addEventListener("toggle", () => setOpen(true), { once: true });
      }}
    >
      {isOpen && children()}
    </div>
  );
}

/** A key of a group: a field, or a part that is unfolded. */
function Child(place: Place): JSX.Element {
  const value = valueAt(config.values.value, place.path);
  const kind = fieldKind(schemaFor(place.schema, value), hintOf(place));
  if (kind !== "group" && kind !== "entries" && kind !== "items") return <Field {...place} schema={schemaFor(place.schema, value)} />;
  const name = hintOf(place)?.label ?? String(place.path.at(-1));
  return (
    <details class="cfg-part">
      <summary>
        {name} {value !== undefined && <span class="entry-state">set</span>}
        <Findings path={place.path} isBelow />
      </summary>
      {place.schema.description !== undefined && (
        <p class="hint">
          <Help text={place.schema.description} />
        </p>
      )}
      <Opened>{() => <Value {...place} />}</Opened>
    </details>
  );
}

const readOnly = (): boolean => !store.mayAdminister.value || config.busy.value !== null;

const set = (path: KeyPath, value: unknown): void => void config.edit({ path, value });
const unset = (path: KeyPath): void => void config.edit({ path, unset: true });

/** Entries whose names people choose: accounts, providers, agents. */
function Entries({ root, hints, path, schema }: Place): JSX.Element {
  const value = valueAt(config.values.value, path);
  const names = typeof value === "object" && value !== null ? Object.keys(value) : [];
  const item = schema.additionalProperties as Schema;
  const [name, setName] = useState("");
  const isScalar = fieldKind(schemaFor(item, undefined), hintOf({ root, hints, path: [...path, "*"] })) !== "group";
  const add = (): void => {
    set([...path, name.trim()], isScalar ? "" : {});
    setName("");
  };
  const id = `cfg-add-${pathText(path)}`;
  return (
    <>
      {names.length === 0 && <p class="hint">No entries.</p>}
      {names.map((each) => (
        <Entry key={each} root={root} hints={hints} path={[...path, each]} schema={item} name={each} />
      ))}
      {store.mayAdminister.value && (
        <div class="cfg-add">
          <label for={id}>Name of a new entry</label>
          <div class="form-pair">
            <input id={id} value={name} autocomplete="off" onInput={({ currentTarget }) => setName(currentTarget.value)} />
            <button type="button" class="quiet" disabled={readOnly() || name.trim() === "" || names.includes(name.trim())} onClick={add}>
              Add
            </button>
          </div>
        </div>
      )}
    </>
  );
}

function Entry({ name, ...place }: Place & { name: string }): JSX.Element {
  const value = valueAt(config.values.value, place.path);
  const schema = schemaFor(place.schema, value);
  const kind = fieldKind(schema, hintOf(place));
  const remove = store.mayAdminister.value && (
    <button type="button" class="quiet" aria-label={`Remove ${name}`} disabled={readOnly()} onClick={() => unset(place.path)}>
      Remove
    </button>
  );
  if (kind !== "group" && kind !== "entries" && kind !== "items")
    return (
      <div class="cfg-entry">
        <Field {...place} schema={schema} label={name} />
      </div>
    );
  return (
    <details class="cfg-part">
      <summary>
        <bdi>{name}</bdi>
        <Findings path={place.path} isBelow />
      </summary>
      <Opened>
        {() => (
          <>
            <Value {...place} />
            {remove}
          </>
        )}
      </Opened>
    </details>
  );
}

/** A list of objects. */
function Items({ root, hints, path, schema }: Place): JSX.Element {
  const value = valueAt(config.values.value, path);
  const items = Array.isArray(value) ? value : [];
  return (
    <>
      {items.length === 0 && <p class="hint">The list is empty.</p>}
      {items.map((_, at) => (
        <Entry key={at} root={root} hints={hints} path={[...path, at]} schema={schema.items!} name={`Item ${at + 1}`} />
      ))}
      {store.mayAdminister.value && (
        <button type="button" class="quiet fit" disabled={readOnly()} onClick={() => set([...path, items.length], {})}>
          Add an item
        </button>
      )}
    </>
  );
}

/** One key with its label, its field, what it means, and what is wrong with it. */
function Field({ label, ...place }: Place & { label?: string }): JSX.Element {
  const { path, schema } = place;
  const hint = hintOf(place);
  const id = `cfg-${pathText(path)}`;
  const value = valueAt(config.values.value, path);
  const fallback = defaultText(schema);
  const findings = config.issuesAt(pathText(path));
  const help = `${id}-help`;
  return (
    <div class="cfg-field" data-set={value !== undefined}>
      <div class="cfg-label">
        <label for={id}>{label ?? hint?.label ?? String(path.at(-1))}</label>
        {value !== undefined && store.mayAdminister.value && (
          <button type="button" class="cfg-unset" aria-label={`Remove ${pathText(path)}`} disabled={readOnly()} onClick={() => unset(path)}>
            Remove
          </button>
        )}
      </div>
      <Control id={id} place={place} value={value} describedBy={help} isWrong={findings.some(({ severity }) => severity !== "warning")} />
      <p class="hint" id={help}>
        <Help text={schema.description ?? ""} />
        {fallback !== "" && ` Default: ${fallback}.`}
      </p>
      <Findings path={path} />
    </div>
  );
}

function Findings({ path, isBelow = false }: { path: KeyPath; isBelow?: boolean }): JSX.Element | null {
  const at = pathText(path);
  if (isBelow) {
    const count = config.issues.value.filter((issue) => issue.path.startsWith(at)).length;
    return count === 0 ? null : (
      <span class="entry-state" data-tone="bad">
        {count === 1 ? "1 finding" : `${count} findings`}
      </span>
    );
  }
  const findings = config.issuesAt(at);
  if (findings.length === 0) return null;
  return (
    <p class="field-problem" role="alert">
      {findings.map(({ message, fix }) => `${message}.${fix === undefined ? "" : ` ${fix}.`}`).join(" ")}
    </p>
  );
}

type ControlProps = { id: string; place: Place; value: unknown; describedBy: string; isWrong: boolean };

function Control({ id, place, value, describedBy, isWrong }: ControlProps): JSX.Element {
  const { path, schema } = place;
  const common = { id, disabled: readOnly(), "aria-describedby": describedBy, "aria-invalid": isWrong || undefined } as const;
  const kind = fieldKind(schema, hintOf(place));
  const put = (text: string): void => (text === "" ? unset(path) : set(path, text));
  if (kind === "secret") return <SecretField common={common} path={path} isSet={value !== undefined} />;
  if (kind === "switch" || kind === "choice") {
    const options = kind === "switch" ? ["true", "false"] : (schema.enum ?? []).map(String);
    const toValue = (text: string): unknown =>
      kind === "switch" ? text === "true" : (schema.enum?.find((each) => String(each) === text) ?? text);
    return (
      <select
        {...common}
        value={value === undefined ? "" : String(value)}
        onChange={({ currentTarget: { value: text } }) => (text === "" ? unset(path) : set(path, toValue(text)))}
      >
        <option value="">Not set</option>
        {options.map((text) => (
          <option key={text} value={text}>
            {kind === "switch" ? (text === "true" ? "On" : "Off") : text}
          </option>
        ))}
      </select>
    );
  }
  if (kind === "number")
    return (
      <input
        {...common}
        inputMode="decimal"
        value={value === undefined ? "" : String(value)}
        onChange={({ currentTarget: { value: text } }) =>
          text.trim() === "" || Number.isNaN(Number(text)) ? put(text.trim()) : set(path, Number(text))
        }
      />
    );
  if (kind === "lines") return <LinesField common={common} path={path} schema={schema} value={value} />;
  if (kind === "text")
    return (
      <p class="hint" id={id}>
        {value === undefined ? "Not set." : "Set."} Change it in the text.
      </p>
    );
  return (
    <input
      {...common}
      dir="auto"
      value={value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value)}
      onChange={({ currentTarget }) => put(currentTarget.value)}
    />
  );
}

type Common = { id: string; disabled: boolean; "aria-describedby": string; "aria-invalid": true | undefined };

/** A secret is written, and never shown. */
function SecretField({ common, path, isSet }: { common: Common; path: KeyPath; isSet: boolean }): JSX.Element {
  return (
    <input
      {...common}
      type="password"
      autocomplete="off"
      value=""
      placeholder={isSet ? "Set, not shown. Write a new one to replace it." : "Not set"}
      onChange={({ currentTarget }) => {
        const { value } = currentTarget;
        currentTarget.value = "";
        if (value !== "" && value !== HIDDEN) set(path, value);
      }}
    />
  );
}

/** A list of words or numbers, one in each line. */
function LinesField({ common, path, schema, value }: { common: Common; path: KeyPath; schema: Schema; value: unknown }): JSX.Element {
  const items = Array.isArray(value) ? value.map(String) : [];
  const isNumber = [schema.items?.type].flat().every((type) => type === "number" || type === "integer");
  return (
    <textarea
      {...common}
      rows={Math.min(6, Math.max(2, items.length + 1))}
      dir="auto"
      value={items.join("\n")}
      placeholder="One in each line"
      onChange={({ currentTarget }) => {
        const lines = currentTarget.value
          .split("\n")
          .map((line) => line.trim())
          .filter((line) => line !== "");
        if (lines.length === 0) unset(path);
        else set(path, isNumber ? lines.map((line) => (Number.isNaN(Number(line)) ? line : Number(line))) : lines);
      }}
    />
  );
}
