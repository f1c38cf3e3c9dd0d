import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { RemoteReport } from "../../../src/core/remote-report.ts";
import { locale } from "../locale.ts";
import type { TelemetryStatus } from "../health-report.ts";
import * as store from "../state.ts";
import * as updates from "../update-status.ts";
import { agoText } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";

type Fact = readonly [name: string, value: string];

export function Facts({ facts }: { facts: readonly Fact[] }): JSX.Element {
  return (
    <dl class="log-fields">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd dir="auto">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** How other machines reach the gateway. */
export function RemotePanel({ remote }: { remote: RemoteReport }): JSX.Element {
  const { address, urls, tls, tailscale, mdns, zone } = remote;
  const isLocal = urls.length === 0 && tailscale.url === null;
  const certificate =
    tls &&
    `${tls.fingerprint.toUpperCase().match(/../g)!.slice(0, 8).join(":")}…, until ${new Date(tls.expiresAt).toLocaleDateString(locale())}`;
  const found = [mdns === "off" ? null : `in the local network (${mdns})`, zone && `in the zone ${zone}`].filter((each) => each !== null);
  const facts: readonly Fact[] = [
    ["Other machines", isLocal ? "do not reach it: it listens on this machine only" : urls.join(", ") || address],
    ["TLS", certificate ?? "off"],
    ["Tailscale", tailscale.mode === "off" ? "off" : `${tailscale.mode}, ${tailscale.url ?? "not claimed"}`],
    ["Discovery", found.join(", ") || "off"],
  ];
  return (
    <section class="panel" aria-labelledby="remote-title">
      <div class="panel-head">
        <h2 id="remote-title">Remote access</h2>
      </div>
      <Facts facts={facts} />
      {isLocal ? <CommandLine text="openclaw config set gateway.tailscale.mode serve" /> : <CommandLine text="openclaw remote check" />}
    </section>
  );
}

/** Whether telemetry leaves, and whether it arrives. */
export function TelemetryPanel({ telemetry }: { telemetry: TelemetryStatus }): JSX.Element {
  const { enabled, error, signals = [], problems = [] } = telemetry;
  return (
    <section class="panel" aria-labelledby="telemetry-title">
      <div class="panel-head">
        <h2 id="telemetry-title">Telemetry</h2>
        {!enabled && error === null && <span class="hint">off</span>}
      </div>
      {[...(error === null ? [] : [error]), ...problems].map((text) => (
        <p class="warn" dir="auto" key={text}>
          {text}
        </p>
      ))}
      {!enabled && <p class="panel-empty">Nothing is sent. Prometheus reads /metrics with a token, also while this is off.</p>}
      <ul>
        {signals.map(({ signal, state, error: cause, since, protocol, waiting }) => (
          <li class="entry" key={signal}>
            <span class="dot" data-state={state === "failing" ? "failed" : state === "ok" ? "on" : ""} />
            <div class="entry-text">
              <p class="entry-name">
                <strong>{signal}</strong>
                <span class="hint">
                  {state === "failing" ? "does not arrive" : state === "ok" ? "arrives" : "nothing sent yet"}, since {agoText(since)}
                </span>
              </p>
              <p dir="auto">{[protocol, waiting > 0 && `${waiting.toLocaleString(locale())} wait`, cause].filter(Boolean).join(", ")}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Which version runs, whether there is a newer one, and how to install it. */
export function UpdatesPanel({ version }: { version: string }): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void updates.loadUpdates(), [online]);
  const { value: status } = updates.status;
  const { value: failed } = updates.failed;
  const isAsking = updates.isAsking.value;
  return (
    <section class="panel" aria-labelledby="updates-title">
      <div class="panel-head">
        <h2 id="updates-title">Updates</h2>
        <button type="button" class="quiet" disabled={isAsking} onClick={() => void updates.loadUpdates({ ask: true })}>
          {isAsking ? "Looking…" : "Look for a newer version"}
        </button>
      </div>
      {failed !== null && (
        <p class="warn" dir="auto">
          {failed}
        </p>
      )}
      {status !== null && <Facts facts={updates.updateFacts(status, { version, asked: updates.wasAsked.value, ago: agoText })} />}
      {status?.updateAvailable != null && (
        <>
          <p class="hint">An update stops this gateway and starts the new version, so it runs in a terminal of its machine.</p>
          <CommandLine text="openclaw update" />
        </>
      )}
    </section>
  );
}
