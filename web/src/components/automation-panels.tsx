import type { JSX } from "preact";
import * as automation from "../automation.ts";
import type { HeartbeatRow, HookRow } from "../automation.ts";
import { timeText } from "../job-list.ts";
import * as store from "../state.ts";
import { agoText } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";

/** Heartbeats: the next one, what they cost, and the switch. */
export function Heartbeats(): JSX.Element | null {
  const { value: heartbeats } = automation.heartbeats;
  const { value: failed } = automation.failed;
  if (heartbeats === null) return failed === null ? null : <p class="warn">Heartbeats and hooks could not be loaded: {failed}</p>;
  const { enabled, agents } = heartbeats;
  const isPaused = agents.some(({ pausedAtMs }) => pausedAtMs !== null);
  return (
    <section class="panel" aria-labelledby="heartbeats-title">
      <div class="panel-head">
        <h2 id="heartbeats-title">Heartbeats</h2>
        {store.mayAdminister.value && (agents.length > 0 || !enabled) && (
          <button
            type="button"
            class="quiet"
            disabled={automation.busy.value}
            onClick={() => void automation.switchHeartbeats(!enabled || isPaused)}
          >
            {enabled ? (isPaused ? "Go on" : "Switch off") : "Switch on"}
          </button>
        )}
      </div>
      {agents.length === 0 && (
        <div class="panel-empty">
          <p>{enabled ? "No agent has heartbeats. They are asked for in a terminal:" : "Heartbeats are switched off."}</p>
          {enabled && <CommandLine text="openclaw config set agents.defaults.heartbeat.every 30m" />}
        </div>
      )}
      <ul>
        {agents.map((row) => (
          <Heartbeat key={row.agentId} row={row} />
        ))}
      </ul>
    </section>
  );
}

function Heartbeat({ row }: { row: HeartbeatRow }): JSX.Element {
  const { agentId, every, activeHours, enabled, pausedAtMs, nextRunAtMs, lastStatus, lastError } = row;
  const isOn = enabled && pausedAtMs === null;
  const isBad = lastStatus === "error";
  return (
    <li class="entry">
      <span class="dot" data-state={isBad ? "failed" : isOn ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{agentId}</bdi>
          </strong>
          <span class="entry-state" data-tone={isBad ? "bad" : isOn ? "good" : "off"}>
            {automation.heartbeatState(row)}
          </span>
        </p>
        <p>
          Every {every}
          {isOn && nextRunAtMs !== null && `, next ${timeText(nextRunAtMs, activeHours?.tz)}`}
        </p>
        <p class="hint">{automation.costText(row)}</p>
        {lastError !== null && (
          <p class="hint" dir="auto">
            {lastError}
          </p>
        )}
      </div>
    </li>
  );
}

/** Hooks: what may be called, what was taken, and what was refused for which reason. */
export function Hooks(): JSX.Element | null {
  const { value: hooks } = automation.hooks;
  if (hooks === null || !hooks.enabled) return null;
  return (
    <section class="panel" aria-labelledby="hooks-title">
      <div class="panel-head">
        <h2 id="hooks-title">Hooks</h2>
      </div>
      <ul>
        {hooks.hooks.map((hook) => (
          <HookEntry key={hook.id} hook={hook} />
        ))}
        {hooks.deliveries.map(({ seq, at, hook, peer, bytes }) => (
          <li class="entry" key={seq}>
            <span class="dot" data-state="done" />
            <div class="entry-text">
              <p>
                Taken by {hook}, {agoText(at)}
              </p>
              <p class="hint">
                from {peer}, {bytes} bytes
              </p>
            </div>
          </li>
        ))}
        {hooks.refused.map(({ at, hook, peer, reason }, index) => (
          <li class="entry" key={`${at} ${index}`}>
            <span class="dot" data-state="failed" />
            <div class="entry-text">
              <p>
                Refused: {reason}, {agoText(at)}
              </p>
              <p class="hint">
                for <bdi>{hook}</bdi> from {peer}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

const HookEntry = ({ hook: { id, path, action, auth, trust, problem } }: { hook: HookRow }): JSX.Element => (
  <li class="entry">
    <span class="dot" data-state={problem === undefined ? "on" : "failed"} />
    <div class="entry-text">
      <p class="entry-name">
        <strong>
          <bdi>{id}</bdi>
        </strong>
        <span class="entry-state" data-tone={problem === undefined ? "good" : "bad"}>
          {problem === undefined ? "On" : "Takes nothing"}
        </span>
      </p>
      <p>
        {path}: {action === "wake" ? "an event" : "a run"}, proved by {auth}
        {trust === "owner" && ", with the rights of an operator"}
      </p>
      {problem !== undefined && <p class="hint">{problem}</p>}
    </div>
  </li>
);
