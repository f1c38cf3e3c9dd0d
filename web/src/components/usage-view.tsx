import { locale } from "../locale.ts";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as store from "../state.ts";
import * as usage from "../usage-report.ts";
import type { BudgetRow, Group, ReportRow } from "../usage-report.ts";
import { CommandLine } from "./command-line.tsx";
import { ViewFrame } from "./view-frame.tsx";

/** What models took, by day and by what is chosen, and the budgets. */
export function UsageView(): JSX.Element {
  const online = store.isOnline.value;
  const days = usage.days.value;
  const group = usage.group.value;
  useEffect(() => void usage.loadUsage(), [online, days, group]);
  const { value: failed } = usage.failed;
  const report = usage.daily.value;
  return (
    <ViewFrame view="usage">
      {failed !== null && (
        <p class="warn" role="status">
          Could not be loaded or changed: {failed}
        </p>
      )}
      {report === null ? <p class="panel-empty">{failed === null ? "Loading…" : ""}</p> : <Days />}
      {report !== null && report.calls > 0 && <Groups />}
      {report !== null && <Budgets />}
    </ViewFrame>
  );
}

function Days(): JSX.Element {
  const { rows, totals, calls, startDate, endDate, timeZone } = usage.daily.value!;
  return (
    <section class="panel" aria-labelledby="usage-days-title">
      <div class="panel-head">
        <h2 id="usage-days-title">Usage</h2>
        <div class="segments" role="group" aria-label="Days">
          {usage.RANGES.map((days) => (
            <button
              key={days}
              type="button"
              class="quiet"
              aria-pressed={usage.days.value === days}
              onClick={() => (usage.days.value = days)}
            >
              {days} days
            </button>
          ))}
        </div>
      </div>
      {calls === 0 ? (
        <p class="panel-empty">No model was asked in these days.</p>
      ) : (
        <>
          <dl class="figures">
            <Figure name="Cost" value={usage.costText(totals)} />
            <Figure name="Tokens" value={usage.tokensText(totals.totalTokens)} />
            <Figure name="Requests" value={calls.toLocaleString(locale())} />
            <Forecast />
          </dl>
          <Chart rows={rows} startDate={startDate} endDate={endDate} />
          <p class="hint panel-note">
            {usage.dayText(startDate)} to {usage.dayText(endDate)}, {timeZone}.
            {totals.missingCostEntries > 0 &&
              ` The price of ${totals.missingCostEntries.toLocaleString(locale())} requests is not known; their cost is not included.`}
          </p>
        </>
      )}
    </section>
  );
}

/** What this month comes to, if the rest of it is like its days so far. */
function Forecast(): JSX.Element | null {
  const forecast = usage.forecastOf(usage.daily.value!);
  if (forecast === null) return null;
  return (
    <div title={`${usage.moneyText(forecast.spent)} until today; ${usage.moneyText(forecast.perDay)} a day.`}>
      <dt>Forecast for {forecast.month}</dt>
      <dd>{usage.moneyText(forecast.total)}</dd>
    </div>
  );
}

const Figure = ({ name, value }: { name: string; value: string }): JSX.Element => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

/** One bar for each day: its cost, or its tokens where no price is known. */
function Chart({ rows, startDate, endDate }: { rows: readonly ReportRow[]; startDate: string; endDate: string }): JSX.Element {
  return (
    <ol class="bars" aria-label="By day">
      {usage.barsOf(rows, startDate, endDate).map(({ date, row, percent }) => {
        const day = usage.dayText(date);
        const text = row === null ? `${day}: nothing` : `${day}: ${usage.costText(row)}, ${usage.tokensText(row.totalTokens)} tokens`;
        return (
          <li key={date} title={text}>
            <span class="bar" style={{ height: `${row === null ? 0 : Math.max(2, percent)}%` }} />
            <span class="bar-text">{text}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Groups(): JSX.Element {
  const by = usage.group.value;
  const rows = usage.grouped.value ?? [];
  return (
    <section class="panel" aria-labelledby="usage-groups-title">
      <div class="panel-head">
        <h2 id="usage-groups-title">By {usage.GROUP_TITLES[by].toLowerCase()}</h2>
        <select
          class="inline-select"
          aria-label="Group by"
          value={by}
          onChange={(event) => (usage.group.value = event.currentTarget.value as Group)}
        >
          {usage.GROUPS.map((name) => (
            <option key={name} value={name}>
              {usage.GROUP_TITLES[name]}
            </option>
          ))}
        </select>
        <button type="button" class="quiet" onClick={() => void usage.downloadCsv()}>
          Download CSV
        </button>
      </div>
      <div class="table-scroll">
        <table class="figures-table">
          <thead>
            <tr>
              <th scope="col">{usage.GROUP_TITLES[by]}</th>
              <th scope="col">Requests</th>
              <th scope="col">Tokens</th>
              <th scope="col">Cost</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={usage.rowName(row, by)}>
                <th scope="row">
                  <bdi>{usage.rowName(row, by)}</bdi>
                </th>
                <td>{row.calls.toLocaleString(locale())}</td>
                <td>{usage.tokensText(row.totalTokens)}</td>
                <td>{usage.costText(row)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Budgets(): JSX.Element {
  const budgets = usage.budgets.value;
  return (
    <section class="panel" aria-labelledby="budgets-title">
      <div class="panel-head">
        <h2 id="budgets-title">Budgets</h2>
      </div>
      {budgets.length === 0 && (
        <div class="panel-empty">
          <p>No budget has been used, or none is configured. To stop asking models after five dollars a day:</p>
          <CommandLine text={`openclaw config set budgets '[{ name: "all", per: "day", usd: 5 }]'`} />
        </div>
      )}
      <ul>
        {budgets.map((row) => (
          <Budget key={usage.budgetId(row)} row={row} />
        ))}
      </ul>
    </section>
  );
}

const STATES = { ok: "On", warning: "Nearly used up", "used-up": "Used up", lifted: "Lifted", invalid: "Not valid" } as const;
const TONES = { ok: "good", warning: "off", "used-up": "bad", lifted: "off", invalid: "bad" } as const;

const timeText = (at: number): string => new Date(at).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });

function Budget({ row }: { row: BudgetRow }): JSX.Element {
  const { name, for: pot, text, spentTokens, spentText, tokens, usd, usedPercent, state, until, liftedUntil } = row;
  const used = [
    ...(tokens === undefined ? [] : [`${usage.tokensText(spentTokens)} tokens`]),
    ...(usd === undefined ? [] : [spentText]),
  ].join(", ");
  return (
    <li class="entry">
      <span class="dot" data-state={state === "used-up" || state === "invalid" ? "failed" : state === "ok" ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{name}</bdi>
          </strong>
          {pot && (
            <span class="tag">
              <bdi>{pot}</bdi>
            </span>
          )}
          <span class="entry-state" data-tone={TONES[state]}>
            {STATES[state]}
          </span>
        </p>
        <p>{used === "" ? text : `${used} of ${text}`}</p>
        {used !== "" && (
          <meter aria-label={`Used of ${name}`} min={0} low={80} high={99} optimum={0} max={100} value={Math.min(100, usedPercent)} />
        )}
        <p class="hint">
          {liftedUntil === undefined
            ? `Begins again ${timeText(until)}`
            : `Limits nothing until ${timeText(liftedUntil)}; what is used still counts`}
        </p>
      </div>
      {store.mayAdminister.value && (
        <div class="entry-actions">
          <button type="button" class="quiet" disabled={usage.busy.value === usage.budgetId(row)} onClick={() => void usage.lift(row)}>
            {liftedUntil === undefined ? "Lift for 1 hour" : "End"}
          </button>
        </div>
      )}
    </li>
  );
}
