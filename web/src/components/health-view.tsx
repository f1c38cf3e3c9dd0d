import { locale } from "../locale.ts";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { formatSpan } from "../../../src/core/quantities.ts";
import { openView } from "../actions.ts";
import * as health from "../health-report.ts";
import * as log from "../log-tail.ts";
import { partTitle } from "../overview.ts";
import * as store from "../state.ts";
import * as updates from "../update-status.ts";
import { agoText } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { DoctorPanel } from "./doctor-panel.tsx";
import { LogSummary } from "./log-summary.tsx";
import { Facts, RemotePanel, TelemetryPanel, UpdatesPanel } from "./operations-panels.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { AgentHost, Backups, HealthReport, Reading } from "../health-report.ts";
import "../styles/lists.css";

/** Between two readings, while the page is visible. */
const READ_MS = 10_000;

/** How the gateway itself is: its parts, its event loop, its processes, its backups, the machine. */
export function HealthView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => {
    void health.loadHealth();
    const timer = setInterval(() => {
      if (!document.hidden) void health.loadHealth();
    }, READ_MS);
    return () => clearInterval(timer);
  }, [online]);
  const { value: failed } = health.failed;
  const { value: report } = health.report;
  return (
    <ViewFrame view="health" failed={failed}>
      {report === null ? (
        failed === null && <p class="panel-empty">Loading…</p>
      ) : (
        <>
          <Parts report={report} />
          {store.isServed("gateway.doctor") && <DoctorPanel />}
          <Charts report={report} />
          <LogOfThatTime />
          {report.methods !== undefined && report.methods.length > 0 && <Methods methods={report.methods} />}
          <Hosts report={report} />
          {report.backups !== null && <BackupPanel backups={report.backups} />}
          {updates.mayLook() && <UpdatesPanel version={report.status.runtimeVersion ?? "?"} />}
          {report.status.remoteAccess !== undefined && <RemotePanel remote={report.status.remoteAccess} />}
          {report.status.telemetry !== undefined && <TelemetryPanel telemetry={report.status.telemetry} />}
          <Machine report={report} />
        </>
      )}
    </ViewFrame>
  );
}

const PART_STATES: Readonly<Record<HealthReport["parts"][number]["state"], string>> = {
  starting: "Starting",
  ready: "Works",
  degraded: "Works in part",
  failing: "Does not work",
};

/** "since 3:40 AM", with the date where it was not today. */
const sinceText = (at: number): string => {
  const time = new Date(at);
  const isToday = time.toDateString() === new Date(store.clock.value).toDateString();
  return `since ${isToday ? time.toLocaleTimeString(locale(), { timeStyle: "short" }) : time.toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" })}`;
};

function Parts({ report }: { report: HealthReport }): JSX.Element {
  const broken = report.parts.filter((part) => part.state !== "ready");
  return (
    <section class="panel" aria-labelledby="parts-title">
      <div class="panel-head">
        <h2 id="parts-title">
          {broken.length === 0
            ? "Everything works"
            : `${broken.length} of ${report.parts.length} parts ${broken.length === 1 ? "needs" : "need"} attention`}
        </h2>
        <button type="button" class="quiet" onClick={() => openView("logs")}>
          Logs
        </button>
      </div>
      <ul>
        {[...broken, ...report.parts.filter((part) => part.state === "ready")].map((part) => (
          <li class="entry" key={part.name}>
            <span
              class="dot"
              data-state={part.state === "ready" ? "on" : part.vital || part.state === "failing" ? "failed" : "busy-still"}
            />
            <div class="entry-text">
              <p class="entry-name">
                <strong>{partTitle(part.name)}</strong>
                <span class="entry-state" data-tone={part.state === "ready" ? "good" : part.state === "failing" ? "bad" : "busy"}>
                  {PART_STATES[part.state]}
                </span>
                <span class="hint">{sinceText(part.since)}</span>
              </p>
              {part.cause !== null && <p dir="auto">{part.cause}</p>}
            </div>
          </li>
        ))}
      </ul>
      {broken.length > 0 && !store.isServed("gateway.doctor") && <CommandLine text="openclaw doctor" />}
    </section>
  );
}

function Charts({ report }: { report: HealthReport }): JSX.Element {
  const readings = health.readings.value;
  const at = health.pointed.value ?? readings.length - 1;
  const reading = readings[at];
  return (
    <section class="panel" aria-labelledby="charts-title">
      <div class="panel-head">
        <h2 id="charts-title">Load</h2>
        <span class="hint">{reading === undefined ? "" : new Date(reading.at).toLocaleTimeString(locale())}</span>
      </div>
      <Chart name="Delay of the event loop, p99" value={(one) => one.delayMs} format={(ms) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`} />
      <Chart name="CPU of the gateway" value={(one) => one.cpu * 100} format={(percent) => `${percent.toFixed(1)} % of a core`} />
      <Chart name="Messages that wait" value={(one) => one.waiting} format={(count) => count.toLocaleString(locale())} />
      {report.eventLoop.degraded && (
        <p class="warn">The event loop is behind: answers of the gateway are late. {report.eventLoop.reasons.join(", ")}</p>
      )}
      <p class="hint">
        {report.clients.toLocaleString(locale())} {report.clients === 1 ? "client is" : "clients are"} connected; {report.queue.running}{" "}
        {report.queue.running === 1 ? "turn is" : "turns are"} running.
      </p>
    </section>
  );
}

/** Lines of the log that are shown. */
const LOG_LINES = 8;

/** The log at the time under the pointer of the charts, or the newest lines; a line marks its time in the charts. */
function LogOfThatTime(): JSX.Element {
  const online = store.isOnline.value;
  const newest = health.readings.value.at(-1)?.at;
  useEffect(() => void log.loadLines(), [online, newest]);
  const at = health.pointedAt.value;
  const lines = log.linesUntil(log.lines.value, at, LOG_LINES);
  return (
    <section class="panel" aria-labelledby="log-then-title">
      <div class="panel-head">
        <h2 id="log-then-title">{at === null ? "Log" : `Log until ${new Date(at).toLocaleTimeString(locale())}`}</h2>
        <button type="button" class="quiet" onClick={() => openView("logs")}>
          All of it
        </button>
      </div>
      {lines.length === 0 && <p class="panel-empty">No line of the log is this old.</p>}
      <ol class="log-lines log-then">
        {lines.map((line) => (
          <li
            class="log-line"
            key={line.id}
            data-level={line.level}
            onMouseEnter={() => line.at !== null && health.pointTo(line.at)}
            onMouseLeave={() => (health.pointed.value = null)}
          >
            <LogSummary line={line} />
          </li>
        ))}
      </ol>
    </section>
  );
}

/** How long requests of clients took, the most frequent first. */
function Methods({ methods }: { methods: readonly health.MethodLatency[] }): JSX.Element {
  return (
    <section class="panel" aria-labelledby="methods-title">
      <div class="panel-head">
        <h2 id="methods-title">Requests of clients</h2>
        <span class="hint">since the start of the gateway</span>
      </div>
      <div class="table-scroll">
        <table class="figures-table">
          <thead>
            <tr>
              <th scope="col">Method</th>
              <th scope="col">Requests</th>
              <th scope="col">Half within</th>
              <th scope="col">95 % within</th>
            </tr>
          </thead>
          <tbody>
            {methods.map(({ method, count, p50Ms, p95Ms }) => (
              <tr key={method}>
                <th scope="row">{method}</th>
                <td>{count.toLocaleString(locale())}</td>
                <td>{latencyText(p50Ms)}</td>
                <td>{latencyText(p95Ms)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Null: longer than the last step of the histogram. */
const latencyText = (ms: number | null): string =>
  ms === null ? "> 30 min" : ms < 1 ? `${ms.toLocaleString(locale(), { maximumFractionDigits: 1 })} ms` : formatSpan(ms);

const CHART = { width: 600, height: 48 };

/** A line over the readings. The reading under the pointer is marked in every chart. */
function Chart({
  name,
  value,
  format,
}: {
  name: string;
  value: (reading: Reading) => number;
  format: (value: number) => string;
}): JSX.Element {
  const readings = health.readings.value;
  const values = readings.map(value);
  // Room above the highest reading: a quiet chart is a line in it, not its border.
  const most = Math.max(...values, Number.EPSILON) * 1.25;
  // A single reading is a line too.
  const drawn = values.length === 1 ? [values[0]!, values[0]!] : values;
  const x = (index: number): number => (index / Math.max(1, drawn.length - 1)) * CHART.width;
  const y = (one: number): number => CHART.height - 3 - (one / most) * (CHART.height - 6);
  const at = health.pointed.value ?? values.length - 1;
  const onMove = (event: MouseEvent & { currentTarget: SVGSVGElement }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    health.pointed.value = Math.max(
      0,
      Math.min(values.length - 1, Math.round(((event.clientX - box.left) / box.width) * (values.length - 1))),
    );
  };
  return (
    <div class="chart">
      <p class="chart-name">
        <span>{name}</span>
        <strong>{values[at] === undefined ? "–" : format(values[at])}</strong>
      </p>
      <svg
        viewBox={`0 0 ${CHART.width} ${CHART.height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name}: ${values.length} readings, at most ${format(Math.max(0, ...values))}`}
        onMouseMove={onMove}
        onMouseLeave={() => (health.pointed.value = null)}
      >
        <polyline points={drawn.map((one, index) => `${x(index).toFixed(1)},${y(one).toFixed(1)}`).join(" ")} />
        {health.pointed.value !== null && <line x1={x(at)} x2={x(at)} y1={0} y2={CHART.height} />}
      </svg>
    </div>
  );
}

function Hosts({ report }: { report: HealthReport }): JSX.Element {
  const runtime = report.status.agentRuntime;
  const hosts = runtime?.hosts ?? [];
  return (
    <section class="panel" aria-labelledby="hosts-title">
      <div class="panel-head">
        <h2 id="hosts-title">Agent processes</h2>
      </div>
      {runtime?.cause !== undefined && <p dir="auto">{runtime.cause}</p>}
      {hosts.length === 0 && <p class="panel-empty">None: one starts with the next message.</p>}
      <ul>
        {hosts.map((host) => (
          <Host key={host.pid} host={host} />
        ))}
      </ul>
      {runtime !== undefined && runtime.restarts > 0 && <p class="hint">Replaced since the start: {runtime.restarts}.</p>}
    </section>
  );
}

function Host({ host }: { host: AgentHost }): JSX.Element {
  return (
    <li class="entry">
      <span class="dot" data-state={host.state === "ready" ? "on" : "failed"} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>{host.group}</strong>
          <span class="hint">process {host.pid}</span>
        </p>
        <p>
          {host.running} of {host.sessions} sessions run
          {host.residentBytes !== undefined && `, ${health.formatBytes(host.residentBytes)} of memory`}
        </p>
      </div>
    </li>
  );
}

/** When the last backup was made, how it ended, and when the next one is. */
function BackupPanel({ backups }: { backups: Backups }): JSX.Element {
  const [newest] = backups.backups;
  const { last } = backups;
  const facts: readonly (readonly [string, string])[] = [
    ["Newest", newest === undefined ? "none" : `${agoText(newest.createdAt)}, ${health.formatBytes(newest.bytes)}, ${newest.kind}`],
    ["Next", backups.nextAt === null ? "no daily backup" : new Date(backups.nextAt).toLocaleString(locale())],
    ["Kept in", `${backups.dir} (${backups.backups.length.toLocaleString(locale())})`],
  ];
  return (
    <section class="panel" aria-labelledby="backups-title">
      <div class="panel-head">
        <h2 id="backups-title">Backups</h2>
        {backups.isRunning && <span class="hint">one is being made</span>}
      </div>
      {last !== null && !last.ok && (
        <p class="warn" dir="auto">
          The last one failed {agoText(last.at)}: {last.error}
        </p>
      )}
      <Facts facts={facts} />
      {newest === undefined && <CommandLine text="openclaw backup create --verify" />}
      {newest !== undefined && backups.nextAt === null && <CommandLine text="openclaw backup schedule --at 03:30" />}
    </section>
  );
}

function Machine({ report: { status, system } }: { report: HealthReport }): JSX.Element {
  const { memoryTotalBytes, memoryFreeBytes, diskTotalBytes, diskAvailableBytes } = system;
  const facts: readonly (readonly [string, string])[] = [
    ["Gateway", `version ${status.runtimeVersion ?? "?"}, runs for ${formatSpan(system.uptimeMs)}`],
    ["Machine", `${system.osLabel}, ${system.cpuCount} CPUs, load ${(system.loadAverage[0] ?? 0).toFixed(2)}`],
    ["Memory", `${health.formatBytes(memoryFreeBytes)} of ${health.formatBytes(memoryTotalBytes)} free`],
    ...(diskTotalBytes === undefined || diskAvailableBytes === undefined
      ? []
      : ([["Disk", `${health.formatBytes(diskAvailableBytes)} of ${health.formatBytes(diskTotalBytes)} free`]] as const)),
  ];
  return (
    <section class="panel" aria-labelledby="machine-title">
      <div class="panel-head">
        <h2 id="machine-title">Machine</h2>
      </div>
      <Facts facts={facts} />
    </section>
  );
}
