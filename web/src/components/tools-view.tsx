import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as access from "../tool-access.ts";
import * as store from "../state.ts";
import { ViewFrame } from "./view-frame.tsx";
import type { CommandAccess, Subject, ToolRow } from "../tool-access.ts";

/** Which tools an agent has, for whom, and which setting decides. */
export function ToolsView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void access.loadTools(), [online]);
  const { value: failed } = access.failed;
  return (
    <ViewFrame view="tools">
      {failed !== null && (
        <p class="warn" role="status">
          Could not be loaded: {failed}
        </p>
      )}
      <Choices />
      <Notes />
      <Commands />
      <Groups />
    </ViewFrame>
  );
}

function submit(event: Event): void {
  event.preventDefault();
  void access.loadTools();
}

/** `account` is empty for operators. */
const chooseAccount = (account: string): void =>
  access.chooseSubject(account === "" ? access.OPERATOR : { kind: "channel", account, from: "anyone", peer: "" });

function Choices(): JSX.Element {
  const agents = access.agents.value;
  const subject = access.subject.value;
  const choices = access.channelChoices.value;
  return (
    <section class="panel" aria-label="Agent and message">
      <form class="form form-row" onSubmit={submit}>
        <div>
          <label for="tools-agent">Agent</label>
          <select id="tools-agent" value={access.agentId.value ?? ""} onInput={(event) => access.chooseAgent(event.currentTarget.value)}>
            {agents.map(({ id, name }) => (
              <option key={id} value={id}>
                {name === undefined ? id : `${name} (${id})`}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for="tools-subject">For messages of</label>
          <select
            id="tools-subject"
            value={subject.kind === "channel" ? subject.account : ""}
            onInput={(event) => chooseAccount(event.currentTarget.value)}
          >
            <option value="">operators, as on this page</option>
            {choices.map(({ value, text }) => (
              <option key={value} value={value}>
                people on {text}
              </option>
            ))}
          </select>
        </div>
        {subject.kind === "channel" && <Sender subject={subject} />}
      </form>
    </section>
  );
}

/** Who writes on the channel, and in which room. */
function Sender({ subject }: { subject: Extract<Subject, { kind: "channel" }> }): JSX.Element {
  const { from, peer } = subject;
  return (
    <>
      <div>
        <label for="tools-from">Message</label>
        <select
          id="tools-from"
          value={from}
          onInput={(event) => access.chooseSubject({ ...subject, from: event.currentTarget.value as typeof from, peer: "" })}
        >
          <option value="anyone">of anyone who is answered</option>
          <option value="sender">direct message of one person</option>
          <option value="room">in one room</option>
        </select>
      </div>
      {from !== "anyone" && (
        <div>
          <label for="tools-peer">{from === "room" ? "Id of the room" : "Id of the sender"}</label>
          <div class="form-pair">
            <input
              id="tools-peer"
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              value={peer}
              onInput={(event) => access.typePeer(event.currentTarget.value)}
            />
            <button type="submit" class="primary small" disabled={peer.trim() === ""}>
              Show
            </button>
          </div>
        </div>
      )}
    </>
  );
}

/** What the described message comes to before any tool. */
function Notes(): JSX.Element | null {
  const found = access.explanation.value;
  if (found === null) return null;
  const { access: admitted, routedTo } = found;
  return (
    <div role="status" class="notes">
      {admitted !== undefined && admitted.action !== "answer" && (
        <p class="warn" dir="auto">
          Such a message is not answered ({admitted.action}): {admitted.detail}
        </p>
      )}
      {routedTo !== undefined && (
        <p class="warn">
          Such a message goes to another agent: <bdi>{routedTo}</bdi>{" "}
          <button type="button" class="quiet" onClick={() => access.chooseAgent(routedTo)}>
            Show that agent
          </button>
        </p>
      )}
    </div>
  );
}

function Commands(): JSX.Element | null {
  const commands = access.explanation.value?.commands;
  if (commands === undefined) return null;
  return (
    <section class="panel" aria-labelledby="commands-title">
      <div class="panel-head">
        <h2 id="commands-title">Commands</h2>
      </div>
      <ul>
        <CommandRule name="When they run" value={commands.mode} text={access.modeText(commands)} rule={commands.rule} />
        <CommandRule name="Where they run" value={commands.host} text={access.hostRuleText(commands)} rule={commands.hostRule} />
      </ul>
    </section>
  );
}

type CommandRuleProps = { name: string; value: CommandAccess["mode"]; text: string; rule: string };

function CommandRule({ name, value, text, rule }: CommandRuleProps): JSX.Element {
  return (
    <li class="entry">
      <div class="entry-text">
        <p class="entry-name">
          <strong>{name}</strong> <span class="tag">{value}</span>
        </p>
        <p>{text}</p>
        <Rule text={rule} />
      </div>
    </li>
  );
}

/** The setting that decides. */
function Rule({ text }: { text: string }): JSX.Element {
  return (
    <p class="hint">
      Decided by: <span dir="auto">{text}</span>
    </p>
  );
}

function Groups(): JSX.Element {
  const groups = access.groups.value;
  if (groups === null) return <p class="panel-empty">{access.failed.value === null ? "Loading…" : ""}</p>;
  return (
    <>
      {groups.map(({ label, rows }) => (
        <section class="panel" key={label} aria-label={label}>
          <div class="panel-head">
            <h2>{label}</h2>
            <span class="hint">
              {rows.filter(({ isGranted }) => isGranted).length} of {rows.length} granted
            </span>
          </div>
          <ul>
            {rows.map((row) => (
              <Tool key={row.tool} row={row} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function Tool({ row: { tool, isGranted, rule, description } }: { row: ToolRow }): JSX.Element {
  return (
    <li class="entry">
      <span class="dot" data-state={isGranted ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>{tool}</strong>
          <span class="entry-state" data-tone={isGranted ? "good" : "off"}>
            {isGranted ? "Granted" : "Not granted"}
          </span>
        </p>
        {description !== "" && <p>{description}</p>}
        <Rule text={rule} />
      </div>
    </li>
  );
}
