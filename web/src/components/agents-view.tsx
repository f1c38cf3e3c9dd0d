import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { openView } from "../actions.ts";
import * as list from "../agent-files.ts";
import * as store from "../state.ts";
import { agoText } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { RouteForm } from "./route-form.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { AgentRow, FileRow } from "../agent-files.ts";

/** The agents, and an editor for the files that make them what they are. */
export function AgentsView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void list.loadAgents(), [online]);
  const agents = list.agents.value;
  return (
    <ViewFrame view="agents" failed={list.failed.value}>
      {agents === null ? <p class="panel-empty">{list.failed.value === null ? "Loading…" : ""}</p> : <Agents agents={agents} />}
      <RouteForm />
      {list.files.value !== null && <Files />}
      <Editor />
    </ViewFrame>
  );
}

function Agents({ agents }: { agents: readonly AgentRow[] }): JSX.Element {
  return (
    <section class="panel" aria-labelledby="agents-title">
      <div class="panel-head">
        <h2 id="agents-title">Who answers</h2>
        <button type="button" class="quiet" onClick={() => openView("models")}>
          Models
        </button>
        <button type="button" class="quiet" onClick={() => openView("tools")}>
          Tools
        </button>
      </div>
      <ul>
        {agents.map((agent) => (
          <li class="entry" key={agent.id}>
            <span class="dot" data-state={agent.id === list.chosen.value ? "on" : ""} />
            <div class="entry-text">
              <p class="entry-name">
                <strong>
                  <bdi>{list.nameOf(agent)}</bdi>
                </strong>
                {agent.id === list.defaultId.value && <span class="tag">default</span>}
              </p>
              <p class="hint">
                <bdi>{agent.model?.primary ?? "No model"}</bdi> · <bdi>{agent.workspace}</bdi>
              </p>
            </div>
            {agents.length > 1 && (
              <div class="entry-actions">
                <button type="button" class="quiet" aria-pressed={agent.id === list.chosen.value} onClick={() => list.choose(agent.id)}>
                  Files
                </button>
              </div>
            )}
          </li>
        ))}
      </ul>
      {agents.length === 1 && store.mayAdminister.value && (
        <div class="panel-empty">
          <p>One agent answers everywhere. To add another one:</p>
          <CommandLine text="openclaw agents add work" />
        </div>
      )}
    </section>
  );
}

function Files(): JSX.Element {
  const { agentId, files } = list.files.value!;
  return (
    <section class="panel" aria-labelledby="agent-files-title">
      <div class="panel-head">
        <h2 id="agent-files-title">
          Files of <bdi>{agentId}</bdi>
        </h2>
      </div>
      <p class="hint">They are read into the system prompt with every message, in this order.</p>
      <ul>
        {files.map((file) => (
          <File key={file.name} agentId={agentId} file={file} />
        ))}
      </ul>
    </section>
  );
}

function File({ agentId, file }: { agentId: string; file: FileRow }): JSX.Element {
  const { name, missing, size = 0, updatedAtMs } = file;
  const isOpen = list.opened.value?.file.name === name;
  const verb = store.mayAdminister.value ? (missing ? "Write" : "Edit") : "Read";
  return (
    <li class="entry">
      <span class="dot" data-state={missing ? "" : "on"} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>{name}</strong>
          {missing && <span class="entry-state">Not written yet</span>}
        </p>
        <p>{list.aboutFile(name)}</p>
        {!missing && (
          <p class="hint">
            {list.sizeText(size)}
            {updatedAtMs !== undefined && `, changed ${agoText(updatedAtMs)}`}
          </p>
        )}
      </div>
      {!(missing && !store.mayAdminister.value) && (
        <div class="entry-actions">
          <button
            type="button"
            class="quiet"
            aria-label={`${verb} ${name}`}
            aria-pressed={isOpen}
            disabled={list.busy.value || (list.isChanged.value && !isOpen)}
            onClick={() => void list.open(agentId, name)}
          >
            {verb}
          </button>
        </div>
      )}
    </li>
  );
}

function Editor(): JSX.Element | null {
  const opened = list.opened.value;
  const problem = list.problem.value;
  useEffect(() => {
    if (opened !== null) document.getElementById("agent-file")?.scrollIntoView({ block: "nearest" });
  }, [opened?.file.name]);
  if (opened === null)
    return problem === null ? null : (
      <p class="problem" role="alert">
        {problem.text} {problem.fix}
      </p>
    );
  const mayWrite = store.mayAdminister.value;
  return (
    <section class="panel" aria-labelledby="agent-editor-title">
      <div class="panel-head">
        <h2 id="agent-editor-title">{opened.file.name}</h2>
        {list.isChanged.value && <span class="entry-state">Not saved</span>}
      </div>
      <textarea
        id="agent-file"
        class="agent-file"
        aria-labelledby="agent-editor-title"
        dir="auto"
        value={opened.text}
        readOnly={!mayWrite}
        onInput={({ currentTarget }) => list.write(currentTarget.value)}
        onKeyDown={(event) => {
          if ((event.metaKey || event.ctrlKey) && event.key === "s") {
            event.preventDefault();
            if (list.isChanged.value && mayWrite) void list.save();
          }
        }}
      />
      {problem !== null && (
        <p class="problem" role="alert">
          {problem.text} {problem.fix}
        </p>
      )}
      {list.isStale.value && (
        <div class="warn" role="alert">
          <p>The file was changed after you opened it, perhaps by the agent itself. Your text is kept here, and nothing was overwritten.</p>
          <button type="button" class="quiet" onClick={() => void list.save(true)}>
            Overwrite it with this text
          </button>
          <button type="button" class="quiet" onClick={() => void list.open(opened.agentId, opened.file.name)}>
            Discard this text
          </button>
        </div>
      )}
      <div class="form-pair">
        {mayWrite && (
          <button type="button" class="primary" disabled={!list.isChanged.value || list.busy.value} onClick={() => void list.save()}>
            Save
          </button>
        )}
        <button type="button" class="quiet" onClick={list.close}>
          {list.isChanged.value ? "Discard" : "Close"}
        </button>
      </div>
    </section>
  );
}
