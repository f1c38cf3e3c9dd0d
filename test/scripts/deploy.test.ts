// The dashboard and the alerts of deploy/: what they ask for exists, and the dashboard follows Grafana's rules for dashboards.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { METRIC_HELP } from "../../src/observe/metric-names.ts";
import { ORIGINAL_METRICS } from "../../src/observe/original-metrics.ts";

const read = (path: string): string => readFileSync(new URL(`../../deploy/${path}`, import.meta.url), "utf8");

type Panel = {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { uid: string };
  fieldConfig?: { defaults: { unit?: string } };
  targets?: { expr: string; datasource: { uid: string } }[];
};
const dashboard = JSON.parse(read("grafana/openclaw-gateway.json")) as {
  id: null;
  uid: string;
  panels: Panel[];
  templating: { list: { name: string; type: string }[] };
  __inputs?: unknown;
};
const panels = dashboard.panels.filter(({ type }) => type !== "row");
const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));

/** Names of metrics in a query, as the registry has them. */
const metricsIn = (query: string): string[] =>
  [...query.matchAll(/\b(?:gateway|openclaw|process)_[a-z0-9_]+\b/g)].map(([name]) =>
    METRIC_HELP[name] ? name : name.replace(/_(?:bucket|sum|count)$/, ""),
  );

test("every metric of the dashboard and of the alerts is one of the registry", () => {
  const rules = [...read("prometheus/alerts.yml").matchAll(/expr:(?: >\n)?((?:.*\n)(?: {10}.*\n)*)/g)].map(([, expr]) => expr!);
  assert.ok(rules.length >= 12);
  for (const expr of [...queries.map((each) => each.expr), ...rules])
    for (const name of metricsIn(expr)) assert.ok(METRIC_HELP[name], `${name} in ${expr}`);
});

test("labels of OpenClaw's metrics in the dashboard are labels that they have", () => {
  for (const { title, expr } of queries)
    for (const name of metricsIn(expr)) {
      const metric = ORIGINAL_METRICS[name];
      const by = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/) ?? [];
      const known = metric && [...metric.labels, "le", "job", "instance"];
      if (known) for (const label of by) assert.ok(known.includes(label), `${title}: ${name} has no label ${label}`);
    }
});

test("the dashboard can be provisioned from its file", () => {
  assert.equal(dashboard.id, null);
  assert.equal(dashboard.uid, "openclaw-gateway");
  assert.equal(dashboard.__inputs, undefined);
  assert.deepEqual(
    dashboard.templating.list.map(({ name, type }) => [name, type]),
    [
      ["datasource", "datasource"],
      ["job", "query"],
      ["instance", "query"],
    ],
  );
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
});

test("every panel has a title, a description and a unit, and uses the data source that was chosen", () => {
  for (const { title, description, datasource, fieldConfig, targets = [] } of panels) {
    assert.ok(title && description && fieldConfig?.defaults.unit, title);
    assert.ok(targets.length > 0, title);
    for (const source of [datasource, ...targets.map((target) => target.datasource)]) assert.equal(source?.uid, "${datasource}", title);
  }
});

test("every query keeps to the chosen job and instance, and to the interval of the panel", () => {
  for (const { title, expr } of queries) {
    for (const [, selector] of expr.matchAll(/_[a-z]+\{([^}]*)\}/g)) assert.match(selector!, /job=~"\$job", instance=~"\$instance"/, title);
    assert.equal(expr.split("{").length - 1, metricsIn(expr).length, `${title}: every metric has a selector`);
    for (const [, range] of expr.matchAll(/\[([^\]]*)\]/g)) assert.equal(range, "$__rate_interval", title);
    assert.equal(expr.split("(").length, expr.split(")").length, title);
  }
});
