import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as channels from "../channel-setup.ts";
import { emptyFields, toJob, type JobFields, type Repeat } from "../job-form.ts";
import * as list from "../job-list.ts";
import * as store from "../state.ts";

const fields = signal<JobFields>(emptyFields());
const isOpen = signal(false);

const REPEAT_TEXT: Readonly<Record<Repeat, string>> = {
  weekdays: "Every weekday",
  days: "Every day",
  hours: "Every hour",
  custom: "Cron expression",
};

/** A job is added with a few fields; the list then shows when it runs, what it costs and how to stop it. */
export function JobForm(): JSX.Element | null {
  const online = store.isOnline.value;
  useEffect(() => void channels.loadChannels(), [online]);
  if (!store.mayAdminister.value) return null;
  if (!isOpen.value)
    return (
      <p class="entry-actions">
        <button type="button" class="quiet" onClick={() => (isOpen.value = true)}>
          Add a job
        </button>
      </p>
    );
  const job = toJob(fields.value);
  return (
    <form
      class="form"
      aria-label="New job"
      onSubmit={(event) => {
        event.preventDefault();
        if (job) void add(job);
      }}
    >
      <Text name="name" label="Name" />
      <div>
        <label for="job-message">What the agent is asked</label>
        <textarea
          id="job-message"
          rows={3}
          value={fields.value.message}
          aria-describedby="job-message-help"
          onInput={({ currentTarget }) => set({ message: currentTarget.value })}
        />
        <p class="hint" id="job-message-help">
          Complete in itself: a run knows no other conversation.
        </p>
      </div>
      <When />
      <Target />
      {list.addProblem.value !== null && (
        <p class="problem" role="alert">
          {list.addProblem.value}
        </p>
      )}
      <div class="entry-actions">
        <button type="submit" class="primary fit" disabled={job === null || list.busy.value === "new"}>
          Add
        </button>
        <button type="button" class="quiet" onClick={() => (isOpen.value = false)}>
          Cancel
        </button>
      </div>
    </form>
  );
}

const set = (part: Partial<JobFields>): void => {
  fields.value = { ...fields.value, ...part };
};

async function add(job: Record<string, unknown>): Promise<void> {
  if (!(await list.addJob(job))) return;
  fields.value = emptyFields();
  isOpen.value = false;
}

function When(): JSX.Element {
  const { repeat, time } = fields.value;
  return (
    <div class="form form-row">
      <div>
        <label for="job-repeat">When</label>
        <select id="job-repeat" value={repeat} onInput={({ currentTarget }) => set({ repeat: currentTarget.value as Repeat })}>
          {Object.entries(REPEAT_TEXT).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </div>
      {(repeat === "weekdays" || repeat === "days") && (
        <div>
          <label for="job-time">At</label>
          <input id="job-time" type="time" value={time} onInput={({ currentTarget }) => set({ time: currentTarget.value })} />
        </div>
      )}
      {repeat === "custom" && <Text name="expression" label="Minute, hour, day, month, weekday" />}
      <Text name="timeZone" label="Time zone" />
    </div>
  );
}

function Target(): JSX.Element {
  const { account } = fields.value;
  return (
    <div class="form form-row">
      <div>
        <label for="job-account">Where the answer goes</label>
        <select id="job-account" value={account} onInput={({ currentTarget }) => set({ account: currentTarget.value })}>
          <option value="">Only into the conversation of the job</option>
          {channels.accounts.value.map(({ channel, accountId, label }) => (
            <option key={`${channel}/${accountId}`} value={`${channel}/${accountId}`}>
              {accountId === "default" ? label : `${label} (${accountId})`}
            </option>
          ))}
        </select>
      </div>
      {account !== "" && <Text name="to" label="Id of the person or chat" />}
    </div>
  );
}

function Text({ name, label }: { name: "name" | "expression" | "timeZone" | "to"; label: string }): JSX.Element {
  return (
    <div>
      <label for={`job-${name}`}>{label}</label>
      <input
        id={`job-${name}`}
        autocomplete="off"
        spellcheck={false}
        value={fields.value[name]}
        onInput={({ currentTarget }) => set({ [name]: currentTarget.value })}
      />
    </div>
  );
}
