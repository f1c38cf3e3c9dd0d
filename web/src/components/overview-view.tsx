import { locale } from "../locale.ts";
import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { formatCost, formatSpan } from "../../../src/core/quantities.ts";
import { openTrace, openView } from "../actions.ts";
import * as channels from "../channel-setup.ts";
import * as doctor from "../doctor-report.ts";
import { maskKeys } from "../mask-keys.ts";
import * as records from "../overview.ts";
import { channelName } from "../session-list.ts";
import * as store from "../state.ts";
import { agoText, QuestionCard } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { capitalized, Fix } from "./doctor-panel.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { Overview, OverviewActivity, OverviewLink } from "../../../src/core/overview.ts";
import type { Attention, Flow, FlowLine, FlowNode, FlowPath } from "../overview.ts";
import type { SideView } from "../views.ts";
import "../styles/overview.css";

/** Is everything well, what needs me, what happens: figures of one day, read again when something has happened. */
export function OverviewView(): JSX.Element {
  const online = store.isOnline.value;
  const happened = store.activity.value;
  useEffect(() => {
    const onVisible = (): void => records.scheduleOverview();
    document.addEventListener("visibilitychange", onVisible);
    void records.loadOverview();
    void channels.loadChannels();
    void doctor.loadDoctor();
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      records.stopOverview();
    };
  }, [online]);
  useEffect(() => {
    if (happened > 0) records.scheduleOverview();
  }, [happened]);
  const { value: overview } = records.overview;
  const { value: failed } = records.failed;
  const flow = overview === null ? null : records.toFlow(overview);
  const chosen = flow?.paths.find(({ id }) => id === records.chosenPath.value);
  return (
    <ViewFrame view="overview" failed={failed}>
      <StandingLine overview={overview} />
      {overview?.shadow !== undefined && (
        <p class="warn" role="status">
          Shadow mode is on: channels receive, and nothing is sent. {overview.shadow.held.toLocaleString(locale())}{" "}
          {overview.shadow.held === 1 ? "message is" : "messages are"} held, and never sent.
        </p>
      )}
      <Tiles overview={overview} path={chosen} />
      <NeedsYou />
      {overview?.links !== undefined && <Links links={overview.links} now={overview.ts} />}
      {flow !== null && <FlowMap flow={flow} />}
      <Recent overview={overview} />
    </ViewFrame>
  );
}

function StandingLine({ overview }: { overview: Overview | null }): JSX.Element {
  if (overview === null) return <p class="standing">Reading…</p>;
  const { tone, text } = records.toStanding(records.attention.value, channels.accounts.value, overview);
  return (
    <p class="standing" data-tone={tone} role="status">
      <span class="dot" data-state={tone === "good" ? "on" : tone === "bad" ? "failed" : "busy-still"} />
      <span dir="auto">{text}</span>
    </p>
  );
}

/** With a chosen path, the messages and times are its own. */
function Tiles({ overview, path }: { overview: Overview | null; path: FlowPath | undefined }): JSX.Element {
  const { value: costs } = records.costs;
  const today = costs?.at(-1)?.totalCost ?? 0;
  const figures = path ?? overview;
  return (
    <ul class="tiles" aria-label="Figures of the last 24 hours">
      <Tile
        name="Messages, 24 h"
        value={figures?.messages.toLocaleString(locale())}
        note={failedNote(figures, overview?.truncated === true)}
        hours={path === undefined ? overview?.hours.map((hour) => hour.messages) : undefined}
      />
      <Tile
        name="Time to answer, p95"
        value={figures?.p95Ms == null ? undefined : formatSpan(figures.p95Ms)}
        note={figures?.p50Ms == null ? "no answers in 24 hours" : `half within ${formatSpan(figures.p50Ms)}`}
        hours={path === undefined ? overview?.hours.map((hour) => hour.p95Ms ?? 0) : undefined}
      />
      <Tile name="Queue" value={overview === null ? undefined : String(overview.queue.waiting)} note={queueNote(overview)} />
      {costs !== null && (
        <Tile
          name="Cost today"
          value={today > 0 ? formatCost(today) : "$0"}
          note="last 14 days"
          hours={costs.map((day) => day.totalCost)}
        />
      )}
    </ul>
  );
}

const failedNote = (figures: Pick<Overview, "failed"> | null, isTruncated: boolean): string => {
  if (figures === null) return "";
  const failed = figures.failed === 0 ? "none failed" : `${figures.failed.toLocaleString(locale())} failed`;
  return isTruncated ? `${failed}; older ones are not counted` : failed;
};

function queueNote(overview: Overview | null): string {
  if (overview === null) return "";
  const { running, outgoing, oldestAt } = overview.queue;
  const oldest = oldestAt === null ? "" : `, the oldest for ${formatSpan(Math.max(0, overview.ts - oldestAt))}`;
  return `${running} running, ${outgoing} to be sent${oldest}`;
}

function Tile({
  name,
  value,
  note,
  hours,
}: {
  name: string;
  value: string | undefined;
  note: string;
  hours?: readonly number[] | undefined;
}): JSX.Element {
  return (
    <li class="tile">
      <p class="tile-name">{name}</p>
      <p class="tile-value">{value ?? "–"}</p>
      <p class="tile-note">{note}</p>
      {hours !== undefined && <Sparkline values={hours} />}
    </li>
  );
}

const SPARK = { width: 120, height: 28 };

function Sparkline({ values }: { values: readonly number[] }): JSX.Element {
  const most = Math.max(...values, Number.EPSILON);
  const step = SPARK.width / values.length;
  return (
    <svg class="spark" viewBox={`0 0 ${SPARK.width} ${SPARK.height}`} preserveAspectRatio="none" aria-hidden="true">
      {values.map((value, index) => {
        const height = Math.max(1, (value / most) * SPARK.height);
        return <rect key={index} x={index * step} y={SPARK.height - height} width={step * 0.7} height={height} />;
      })}
    </svg>
  );
}

/** Entries of one kind that are shown; the view of that kind has the rest. */
const SHOWN = 3;

function NeedsYou(): JSX.Element {
  const needed = records.attention.value;
  const kinds = [...new Set(needed.map(({ kind }) => kind))];
  return (
    <section class="panel" aria-labelledby="needs-title">
      <div class="panel-head">
        <h2 id="needs-title">Needs attention</h2>
      </div>
      {needed.length === 0 && (
        <p class="panel-empty">Nothing. Questions, access requests, broken channels and undelivered messages appear here.</p>
      )}
      <ul>
        {kinds.flatMap((kind) => {
          const all = needed.filter((item) => item.kind === kind);
          return [
            ...all.slice(0, SHOWN).map((item) => <AttentionRow key={`${kind} ${item.id}`} item={item} />),
            ...(all.length > SHOWN ? [<MoreRow key={`${kind} more`} kind={kind} more={all.length - SHOWN} />] : []),
          ];
        })}
      </ul>
    </section>
  );
}

const VIEW_OF: Readonly<Record<Attention["kind"], SideView | null>> = {
  approval: "approvals",
  pairing: "channels",
  channel: "channels",
  "dead-letter": "channels",
  problem: null,
  config: null,
  finding: "health",
};

function MoreRow({ kind, more }: { kind: Attention["kind"]; more: number }): JSX.Element {
  const view = VIEW_OF[kind];
  return (
    <li class="entry">
      {view === null ? (
        <span class="hint">{more} more</span>
      ) : (
        <button type="button" class="quiet" onClick={() => openView(view)}>
          {more} more
        </button>
      )}
    </li>
  );
}

function AttentionRow({ item }: { item: Attention }): JSX.Element {
  switch (item.kind) {
    case "approval":
      return (
        <li class="entry attention-question">
          <QuestionCard question={item.question} />
        </li>
      );
    case "pairing":
      return <PairingRow request={item.request} />;
    case "channel":
      return <ChannelRow account={item.account} />;
    case "dead-letter":
      return <DeadLetterRow letter={item.letter} />;
    case "problem":
      return (
        <Entry title={item.title} since={item.since} text={item.cause}>
          <CommandLine text="openclaw doctor" />
        </Entry>
      );
    case "finding":
      return (
        <Entry title={capitalized(item.finding.title)} text={capitalized(item.finding.why)}>
          <Fix text={item.finding.fix} />
        </Entry>
      );
    case "config":
      return (
        <Entry title="Configuration" text={item.text}>
          <CommandLine text="openclaw doctor" />
        </Entry>
      );
  }
}

const LINK_STATES: Readonly<Record<OverviewLink["state"], string>> = {
  up: "connected",
  down: "down",
  off: "off",
  unpaired: "not paired",
  "key-changed": "another key",
};

/** The links to other gateways, and what waits for each. */
function Links({ links, now }: { links: readonly OverviewLink[]; now: number }): JSX.Element {
  return (
    <section class="panel" aria-labelledby="links-title">
      <div class="panel-head">
        <h2 id="links-title">Links and queues</h2>
      </div>
      <ul>
        {links.map((link) => (
          <Entry
            key={link.name}
            title={link.name}
            tag={`${link.transport === "a2a" ? "A2A, " : ""}${LINK_STATES[link.state]}`}
            text={linkText(link, now)}
            tone={link.state === "up" ? "on" : link.state === "off" ? "unread" : "failed"}
          />
        ))}
      </ul>
    </section>
  );
}

function linkText({ cause, queued, unanswered, oldestAt }: OverviewLink, now: number): string {
  const oldest = oldestAt === null ? "" : `, the oldest for ${formatSpan(Math.max(0, now - oldestAt))}`;
  const waits = queued + unanswered === 0 ? "Nothing waits." : `${queued} to be sent, ${unanswered} without a reply${oldest}.`;
  return cause === null ? waits : `${cause}. ${waits}`;
}

type EntryProps = {
  title: string;
  text: string;
  tag?: string;
  since?: number | undefined;
  tone?: "failed" | "unread" | "on";
  actions?: JSX.Element | false;
  children?: ComponentChildren;
};

/** One thing: what it is, since when, why, and what to do about it. */
function Entry({ title, text, tag, since, tone = "failed", actions, children }: EntryProps): JSX.Element {
  return (
    <li class="entry">
      <span class="dot" data-state={tone} />
      <div class="entry-text">
        <p class="entry-name">
          <strong dir="auto">{title}</strong>
          {tag !== undefined && <span class="tag">{tag}</span>}
          {since !== undefined && <span class="hint">{agoText(since)}</span>}
        </p>
        {text !== "" && <p dir="auto">{text}</p>}
        {children}
      </div>
      {actions && <div class="entry-actions">{actions}</div>}
    </li>
  );
}

function PairingRow({ request }: { request: channels.PairingRequestRow }): JSX.Element {
  const since = request.createdAt === undefined ? undefined : Date.parse(request.createdAt);
  return (
    <Entry
      title={request.senderLabel}
      tag={request.channelLabel}
      since={since}
      tone="unread"
      text="asks to talk to the agent."
      actions={
        store.mayPair.value && (
          <>
            <button type="button" class="primary small" onClick={() => void channels.approvePairing(request)}>
              Approve
            </button>
            <button type="button" class="quiet" onClick={() => void channels.dismissPairing(request)}>
              Dismiss
            </button>
          </>
        )
      }
    />
  );
}

function ChannelRow({ account }: { account: channels.ChannelAccountRow }): JSX.Element {
  const mayStart = store.mayAdminister.value && (account.state === "terminal" || account.state === "stopped");
  return (
    <Entry
      title={account.label}
      {...(account.accountId !== "default" && { tag: account.accountId })}
      since={account.since}
      text={account.lastError ?? channels.stateText(account)}
      actions={
        mayStart && (
          <button type="button" class="quiet" onClick={() => void channels.startAccount(account)}>
            Try again
          </button>
        )
      }
    >
      {account.fix !== undefined && (
        <p dir="auto">
          <strong>How to fix:</strong> {account.fix}
        </p>
      )}
    </Entry>
  );
}

function DeadLetterRow({ letter }: { letter: channels.DeadLetter }): JSX.Element {
  const runId = /^(?:in:(.+)|out:([^/]+)\/\d+)$/.exec(letter.id);
  const id = runId?.[1] ?? runId?.[2];
  return (
    <Entry
      title={letter.kind === "inbound" ? "Not answered" : letter.state === "unknown" ? "May have been sent" : "Not delivered"}
      tag={letter.channel}
      since={letter.at}
      text={letter.cause ?? ""}
      actions={
        <>
          {store.mayAdminister.value && (
            <button type="button" class="quiet" onClick={() => void channels.retryDeadLetter(letter.id)}>
              {letter.kind === "inbound" ? "Try again" : "Send again"}
            </button>
          )}
          {id !== undefined && store.isServed("sessions.timeline") && (
            <button type="button" class="quiet" onClick={() => openTrace(id)}>
              Timeline
            </button>
          )}
        </>
      }
    >
      <p class="letter" dir="auto">
        {maskKeys(letter.text) || "(no text)"}
      </p>
    </Entry>
  );
}

const ROW_HEIGHT = 44;
const MAP_WIDTH = 300;
const DAY_MINUTES = 24 * 60;

function FlowMap({ flow }: { flow: Flow }): JSX.Element {
  return (
    <section class="panel" aria-labelledby="flow-title">
      <div class="panel-head">
        <h2 id="flow-title">Where messages go</h2>
        {records.chosenPath.value !== null && (
          <button type="button" class="quiet" onClick={() => (records.chosenPath.value = null)}>
            Show all
          </button>
        )}
      </div>
      {flow.paths.length === 0 ? (
        <p class="panel-empty">No messages in the last 24 hours. Write one in the chat, or connect a channel.</p>
      ) : (
        <>
          <Drawing flow={flow} />
          <ul class="flow-list">
            {flow.paths.map((path) => (
              <FlowRow key={path.id} path={path} />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

const COLUMNS = ["Channels", "Routes", "Agents", "Tools"];

/** The same as the list below it, for the eye. */
function Drawing({ flow }: { flow: Flow }): JSX.Element {
  return (
    <div class="flow" aria-hidden="true">
      {flow.columns.flatMap((nodes, index) => [
        <div class="flow-column" key={COLUMNS[index]}>
          <p class="hint">{COLUMNS[index]}</p>
          <ol class="flow-names">
            {nodes.map((node) => (
              <li key={node.id}>{node.name}</li>
            ))}
          </ol>
        </div>,
        index < flow.lines.length && (
          <Lines
            key={`${COLUMNS[index]} lines`}
            lines={flow.lines[index]!}
            from={nodes}
            to={flow.columns[index + 1]!}
            height={flow.rows * ROW_HEIGHT}
          />
        ),
      ])}
    </div>
  );
}

type LinesProps = { lines: readonly FlowLine[]; from: readonly FlowNode[]; to: readonly FlowNode[]; height: number };

function Lines({ lines, from, to, height }: LinesProps): JSX.Element {
  const at = (node: FlowNode, column: readonly FlowNode[]): number => ((node.y + 0.5) / column.length) * height;
  const chosen = records.chosenPath.value;
  return (
    <div class="flow-lines" style={{ minHeight: `${height}px` }}>
      <svg viewBox={`0 0 ${MAP_WIDTH} ${height}`} preserveAspectRatio="none">
        {lines.map((line) => {
          const [start, end] = [at(line.from, from), at(line.to, to)];
          return (
            <path
              key={`${line.from.id} ${line.to.id}`}
              d={`M0 ${start} C${MAP_WIDTH / 2} ${start} ${MAP_WIDTH / 2} ${end} ${MAP_WIDTH} ${end}`}
              stroke-width={line.width}
              data-failed={line.failed || undefined}
              data-off={(chosen !== null && !line.paths.includes(chosen)) || undefined}
            />
          );
        })}
      </svg>
    </div>
  );
}

function FlowRow({ path }: { path: FlowPath }): JSX.Element {
  const chosen = records.chosenPath.value === path.id;
  return (
    <li>
      <button
        type="button"
        class="flow-row"
        data-row
        aria-pressed={chosen}
        onClick={() => (records.chosenPath.value = chosen ? null : path.id)}
      >
        <span class="flow-name">
          <bdi>{path.source}</bdi> → <bdi>{path.agent}</bdi> <span class="hint">{path.route}</span>
        </span>
        <span>
          {path.messages.toLocaleString(locale())} {path.messages === 1 ? "message" : "messages"}, {rateText(path.messages)}
        </span>
        {path.p50Ms !== null && path.p95Ms !== null && (
          <span class="hint">
            half within {formatSpan(path.p50Ms)}, p95 {formatSpan(path.p95Ms)}
          </span>
        )}
        {path.failed > 0 && <span class="flow-failed">{path.failed.toLocaleString(locale())} failed</span>}
      </button>
      {chosen && path.tools.length > 0 && (
        <p class="hint flow-tools">
          {path.agent} called {path.tools.map(({ tool, calls }) => `${tool} ${calls.toLocaleString(locale())}×`).join(", ")} in 24 hours.
        </p>
      )}
    </li>
  );
}

/** The mean of the last 24 hours. */
const rateText = (messages: number): string =>
  `${(messages / DAY_MINUTES).toLocaleString(locale(), { maximumSignificantDigits: 2 })} per min`;

const STATE_DOT: Readonly<Record<string, string>> = {
  done: "done",
  merged: "done",
  failed: "failed",
  "dead-letter": "failed",
  running: "busy",
  queued: "busy",
};
const STATE_TEXT: Readonly<Record<string, string>> = {
  queued: "waits",
  running: "is being answered",
  failed: "failed",
  aborted: "stopped",
  "dead-letter": "became a dead letter",
  dropped: "discarded",
};

function Recent({ overview }: { overview: Overview | null }): JSX.Element {
  const rows = overview === null ? [] : records.activityOf(overview.recent, records.chosenPath.value);
  return (
    <section class="panel" aria-labelledby="recent-title">
      <div class="panel-head">
        <h2 id="recent-title">Recent messages</h2>
      </div>
      {overview !== null && rows.length === 0 && (
        <p class="panel-empty">{overview.recent.length === 0 ? "No messages yet." : "None of the latest messages took this way."}</p>
      )}
      <ul>
        {rows.map((row) => (
          <RecentRow key={row.runId} row={row} />
        ))}
      </ul>
    </section>
  );
}

function RecentRow({ row }: { row: OverviewActivity }): JSX.Element {
  const took = row.endedAt === null || row.state !== "done" ? STATE_TEXT[row.state] : formatSpan(row.endedAt - row.receivedAt);
  const from = row.sender === undefined ? channelName(row.channel) : `${row.sender} on ${channelName(row.channel)}`;
  return (
    <li>
      <button type="button" class="recent-row" data-row onClick={() => openTrace(row.runId)}>
        <span class="dot" data-state={STATE_DOT[row.state] ?? ""} />
        <span class="recent-text" dir="auto">
          {maskKeys(row.text) || "(no text)"}
        </span>
        <span class="hint recent-from">
          <bdi>{from}</bdi> → <bdi>{row.agentId}</bdi>
        </span>
        <span class="hint recent-time">{[took, agoText(row.receivedAt)].filter(Boolean).join(", ")}</span>
      </button>
    </li>
  );
}
