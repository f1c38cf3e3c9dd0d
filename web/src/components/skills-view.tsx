import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as list from "../skill-list.ts";
import type { SkillRow } from "../skill-list.ts";
import * as store from "../state.ts";
import * as access from "../tool-access.ts";
import { CommandLine } from "./command-line.tsx";
import { ViewFrame } from "./view-frame.tsx";

/** Which skills an agent has, and why others are off. */
export function SkillsView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void list.loadSkills(), [online]);
  const { value: failed } = list.failed;
  return (
    <ViewFrame view="skills">
      {failed !== null && (
        <p class="warn" role="status">
          Could not be loaded or changed: {failed}
        </p>
      )}
      <AgentChoice />
      <Skills />
      <Problems />
    </ViewFrame>
  );
}

function AgentChoice(): JSX.Element {
  return (
    <section class="panel" aria-label="Agent">
      <form class="form form-row" onSubmit={(event) => event.preventDefault()}>
        <div>
          <label for="skills-agent">Agent</label>
          <select id="skills-agent" value={access.agentId.value ?? ""} onInput={(event) => list.chooseAgent(event.currentTarget.value)}>
            {access.agents.value.map(({ id, name }) => (
              <option key={id} value={id}>
                {name === undefined ? id : `${name} (${id})`}
              </option>
            ))}
          </select>
        </div>
      </form>
    </section>
  );
}

function Skills(): JSX.Element {
  const skills = list.skills.value;
  if (skills === null) return <p class="panel-empty">{list.failed.value === null ? "Loading…" : ""}</p>;
  return (
    <section class="panel" aria-labelledby="skills-title">
      <div class="panel-head">
        <h2 id="skills-title">
          Skills of <bdi>{access.agentId.value}</bdi>
        </h2>
        <span class="hint">
          {skills.filter(({ eligible }) => eligible).length} of {skills.length} on
        </span>
      </div>
      {skills.length === 0 && (
        <p class="panel-empty">
          None. A skill is a directory with a file SKILL.md, for example in <bdi>{list.workspace.value}/skills</bdi>.
        </p>
      )}
      <ul>
        {skills.map((skill) => (
          <Skill key={skill.name} skill={skill} />
        ))}
      </ul>
    </section>
  );
}

function Skill({ skill }: { skill: SkillRow }): JSX.Element {
  const { name, description, emoji, eligible, reason, source, skillKey, disabled } = skill;
  return (
    <li class="entry">
      <span class="dot" data-state={eligible ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            {emoji === undefined ? "" : `${emoji} `}
            <bdi>{name}</bdi>
          </strong>
          <span class="tag">{list.sourceText(source)}</span>
          <span class="entry-state" data-tone={eligible ? "good" : "off"}>
            {list.stateText(skill)}
          </span>
        </p>
        <p dir="auto">{description}</p>
        {reason !== undefined && (
          <p class="hint" dir="auto">
            {reason}
          </p>
        )}
        <Installers skill={skill} />
      </div>
      {store.mayAdminister.value && (
        <div class="entry-actions">
          <button
            type="button"
            class="quiet"
            aria-label={`${disabled ? "Turn on" : "Turn off"} ${name}`}
            disabled={list.switching.value === skillKey}
            onClick={() => void list.switchSkill(skill)}
          >
            {disabled ? "Turn on" : "Turn off"}
          </button>
        </div>
      )}
    </li>
  );
}

/** Commands for a person, who decides about them: the gateway runs none. */
function Installers({ skill }: { skill: SkillRow }): JSX.Element | null {
  const commands = list.commandsFor(skill);
  if (commands.length === 0) return null;
  return (
    <details class="past">
      <summary>To install its programs, as its author says</summary>
      <ul>
        {commands.map(({ label, command }) => (
          <li key={label}>
            <p class="hint">
              <bdi>{label}</bdi>
            </p>
            <CommandLine text={command} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function Problems(): JSX.Element | null {
  const problems = list.problems.value;
  if (problems.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="skill-problems-title">
      <div class="panel-head">
        <h2 id="skill-problems-title">Not read</h2>
      </div>
      <ul>
        {problems.map(({ path, reason }) => (
          <li class="entry" key={path}>
            <div class="entry-text">
              <p class="entry-name">
                <bdi>{path}</bdi>
              </p>
              <p class="hint" dir="auto">
                {reason}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
