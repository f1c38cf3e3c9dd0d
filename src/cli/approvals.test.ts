import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { callCli, type CliCall } from "../../test/cli-call.ts";
import { startApprovalsBench } from "../../test/fakes/approvals-bench.ts";
import { shortId } from "./approval-view.ts";

const bench = await startApprovalsBench();
after(() => bench.stop());

const approvals = (...words: string[]): Promise<CliCall> => callCli(bench.state, ["approvals", ...words]);
const json = async <T>(...words: string[]): Promise<T> => JSON.parse((await approvals(...words, "--json")).out) as T;

beforeEach(async () => {
  for (const { id } of bench.approvals.pending()) await bench.approvals.answer(id, { decision: "deny" }, { kind: "system" });
  const { hash } = await json<{ hash: string }>("get");
  writeFileSync(join(bench.state, "empty.json"), JSON.stringify({ hash, file: { version: 1, defaults: {}, agents: {} } }));
  await approvals("set", join(bench.state, "empty.json"));
});

test("approvals lists what waits, each command on one line", async () => {
  assert.match((await approvals()).out, /^No questions wait for an answer\.\n$/);
  const { id } = await bench.ask("touch ./a\nrm -rf /tmp/b");
  const { id: long } = await bench.ask(`echo ${"x".repeat(500)}`);
  const { code, out, err } = await approvals("pending");
  assert.equal(code, 0);
  const [, first, second] = out.split("\n");
  assert.match(first!, new RegExp(`^${shortId(id)} +main +agent:main:main +touch \\./a ⏎ rm -rf /tmp/b +gateway +\\S+.* in 30 min$`));
  assert.match(second!, new RegExp(`^${shortId(long)} .* echo x{150,154}… +gateway`));
  assert.match(err, new RegExp(`openclaw approvals resolve ${shortId(id)} allow-once\\|allow-always\\|deny`));
  const { approvals: rows } = await json<{ approvals: { id: string; summary: string }[] }>("pending");
  assert.deepEqual(
    rows.map((each) => [each.id, each.summary.length]),
    [
      [id, 23],
      [long, 505],
    ],
  );
});

test("approvals show has the whole command, where it runs, and what always would store", async () => {
  const { id } = await bench.ask(`touch ./a\necho ${"x".repeat(500)}`, { warnings: ["It runs outside of the sandbox."] });
  const { out, err } = await approvals("show", shortId(id));
  assert.match(out, new RegExp(`^id +${id}\n`));
  assert.match(out, /\nstate +waits for an answer; expires in 30 min\n/);
  assert.match(out, /\nhost +gateway\ndirectory +\/workspace\nprogram +\/usr\/bin\/touch\n/);
  assert.match(out, /\n {2}touch \.\/a\n {2}echo x{500}\n! It runs outside of the sandbox\.\nalways: \/usr\/bin\/touch, \{path\}\n$/);
  assert.match(err, /Answer with: openclaw approvals resolve/);
  await approvals("resolve", shortId(id), "once");
  const ended = await approvals("show", id);
  assert.match(ended.out, /\nstate +allowed once by cli, (?:now|\d+ s ago)\n[^]*\nused +no\n/);
  assert.doesNotMatch(ended.err, /Answer with/);
});

test("what a command hides from a terminal is shown as code points, in lists and in whole", async () => {
  const { id } = await bench.ask("ls \u001b[2K\u202eevil\u200b\rrm\u00a0-rf \u{e0041}/", { patterns: [] });
  const seen = "ls \\u{1b}[2K\\u{202e}evil\\u{200b}\\u{d}rm\\u{a0}-rf \\u{e0041}/";
  assert.ok((await approvals("pending")).out.includes(seen));
  const { out, err } = await approvals("show", id);
  assert.ok(out.includes(`  ${seen}\n`), out);
  assert.match(err, /It can be allowed once only/);
});

const WORDS: readonly [word: string, text: RegExp, status: string, decision: string][] = [
  ["allow-once", /^Allowed once: touch \.\/a\n$/, "allowed", "allow-once"],
  ["yes", /^Allowed once: touch \.\/a\n$/, "allowed", "allow-once"],
  ["always", /^Always allowed: touch \.\/a\n$/, "allowed", "allow-always"],
  ["deny", /^Denied: touch \.\/a\n$/, "denied", "deny"],
  ["no", /^Denied: touch \.\/a\n$/, "denied", "deny"],
];
for (const [word, text, status, decision] of WORDS) {
  test(`approvals resolve with ${word} ends the question`, async () => {
    const { id, ended } = await bench.ask("touch ./a");
    const { code, out } = await approvals("resolve", shortId(id), word);
    assert.equal(code, 0);
    assert.match(out, text);
    const row = await ended;
    assert.deepEqual([row.status, row.decision, row.resolver], [status, decision, { kind: "device", id: "cli" }]);
  });
}

test("allow and deny are short forms of resolve", async () => {
  const first = await bench.ask("touch ./a");
  assert.equal((await approvals("allow", shortId(first.id))).out, "Allowed once: touch ./a\n");
  assert.equal((await first.ended).decision, "allow-once");
  const second = await bench.ask("touch ./b");
  assert.equal((await approvals("deny", shortId(second.id))).out, "Denied: touch ./b\n");
  assert.equal((await second.ended).status, "denied");
});

test("approvals allow gives an answer for some time, which is listed until it is revoked", async () => {
  assert.match((await approvals("grants")).out, /^No command is allowed for some time\.\n$/);
  const hour = await bench.ask("touch ./a", { binding: "b1" });
  const shown = await approvals("show", hour.id);
  assert.match(shown.err, new RegExp(`For some time: openclaw approvals allow ${shortId(hour.id)} --for 1h, or --session`));
  const given = await approvals("allow", shortId(hour.id), "--for", "90m");
  assert.match(given.out, /^Allowed until \d{4}-\d\d-\d\d \d\d:\d\d UTC: touch \.\/a\n$/);
  const session = await bench.ask("touch ./b", { binding: "b2" });
  assert.match((await approvals("allow", session.id, "--session")).out, /^Allowed in this conversation, at most until .*: touch \.\/b\n$/);
  const { grants } = await json<{ grants: { grantId: string; mintedByApprovalId: string; expiresAtMs: number; createdAtMs: number }[] }>(
    "grants",
  );
  assert.deepEqual(new Set(grants.map((each) => each.mintedByApprovalId)), new Set([hour.id, session.id]));
  const held = grants.find((each) => each.mintedByApprovalId === hour.id)!;
  assert.equal(held.expiresAtMs - held.createdAtMs, 90 * 60_000);
  const { out, err } = await approvals("grants", "list");
  assert.match(out, new RegExp(`\n${held.grantId.slice(0, 4)} +main +session agent:main:main +touch \\./a +expires in .* 0 times`));
  assert.match(err, /openclaw approvals grants revoke [0-9a-f]{4}\n$/);
  const { items } = await json<{ items: { id: string; grant?: { untilMs: number } }[] }>("history");
  assert.equal(items.find(({ id }) => id === hour.id)!.grant!.untilMs, held.expiresAtMs);
  assert.match((await approvals("grants", "revoke", held.grantId)).out, /^The grant .* has ended/);
  assert.match((await approvals("grants", "revoke", held.grantId)).out, /had ended before/);
  assert.doesNotMatch((await approvals("grants")).out, /touch \.\/a/);
  assert.match((await approvals("grants", "--all")).out, /touch \.\/a +ended by cli /);
  assert.equal((await approvals("grants", "revoke", "zzzz")).code, 1);
});

test("an answer for some time is refused where none is offered, and where it is not a time", async () => {
  const { id } = await bench.ask("sh ./a", { patterns: [] });
  const unoffered = await approvals("allow", id, "--session");
  assert.match(unoffered.err, /^✗ this can be allowed once only, not for some time\n/);
  for (const time of ["0m", "25h", "soon", "1d"]) {
    const { code, err } = await approvals("allow", id, "--for", time);
    assert.equal(code, 2, time);
    assert.match(err, /is not a time\n.*such as 30m or 2h/);
  }
  assert.equal((await approvals("allow", id, "--for", "1h", "--session")).code, 2);
  assert.equal((await approvals("grants", "revoke")).code, 2);
  assert.equal(bench.approvals.pending().length, 1);
});

test("a question of another program is listed, shown and answered like one about a command", async () => {
  const { ended } = bench.askPlugin({
    title: "Send the report",
    description: "to sales@example.com",
    detail: "two pages",
    pluginId: "mailer",
  });
  const [row] = (await json<{ approvals: { id: string; kind: string; summary: string }[] }>("pending")).approvals;
  assert.deepEqual([row!.kind, row!.summary], ["plugin", "Send the report: to sales@example.com"]);
  assert.match((await approvals()).out, new RegExp(`\n${shortId(row!.id)} +- +- +Send the report: to sales@example\\.com +-`));
  const { out } = await approvals("show", shortId(row!.id));
  assert.match(out, /! Send the report\n {2}to sales@example\.com\n {4}two pages\nasked by: mailer\n$/);
  assert.equal((await approvals("allow", shortId(row!.id))).out, "Allowed once: Send the report: to sales@example.com\n");
  assert.equal((await ended)["decision"], "allow-once");
  assert.match((await approvals("history", "--limit", "1")).out, /allowed once +cli +- +Send the report/);
});

test("approvals resolve fails when the question has ended, is unknown, or does not offer the answer", async () => {
  const { id } = await bench.ask("sh ./a", { patterns: [] });
  const unoffered = await approvals("resolve", id, "always");
  assert.equal(unoffered.code, 1);
  assert.match(unoffered.err, /^✗ allow-always is not offered for this question\n.*\n {2}Fix: Answer allow-once or deny\.\n$/);
  await bench.approvals.answer(id, { decision: "deny" }, { kind: "channel", id: "irc:ann" });
  const late = await approvals("resolve", id, "once");
  assert.equal(late.code, 1);
  assert.match(late.err, new RegExp(`^✗ The approval ${shortId(id)} has ended before: denied by irc:ann, `));
  assert.match(late.err, /Why: the first answer counts\.\n.*Fix: /);
  const answer = await approvals("resolve", id, "once", "--json");
  assert.deepEqual([answer.code, (JSON.parse(answer.out) as { applied: boolean }).applied], [1, false]);
  const unknown = await approvals("resolve", "0000", "deny");
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /there is no approval "0000"\n.*\n {2}Fix: openclaw approvals pending lists those that wait\.\n$/);
  const typo = await approvals("resolve", id, "allow-onec");
  assert.equal(typo.code, 2);
  assert.match(typo.err, /Did you mean "allow-once"\?/);
});

test("approvals history says how questions ended, more of them than one request brings", async () => {
  const { id } = await bench.ask("touch ./last");
  await bench.approvals.answer(id, { decision: "allow-once" }, { kind: "channel", id: "irc:ann" });
  const { out } = await approvals("history", "--limit", "1");
  const row = new RegExp(`^id +ended +outcome +by +agent +asked about\n${shortId(id)} +.* allowed once +irc:ann +main +touch \\./last\n$`);
  assert.match(out, row);
  for (let count = 0; count < 130; count++) {
    const asked = await bench.ask(`touch ./${count}`);
    await bench.approvals.answer(asked.id, { decision: "deny" }, { kind: "system" });
  }
  const { items } = await json<{ items: { id: string }[] }>("history", "--limit", "120");
  assert.equal(new Set(items.map((each) => each.id)).size, 120);
});

test("approvals allowlist adds and removes programs, and get shows them", async () => {
  assert.match((await approvals("get")).out, /\nlimits +security full, ask off: no limit\n\nNo program is always allowed\.\n$/);
  const added = await approvals("allowlist", "add", "/opt/tools/*");
  assert.equal(added.out, "/opt/tools/* is allowed for every agent, with any arguments.\n");
  assert.match((await approvals("allowlist", "add", "/opt/tools/*")).out, /was already allowed/);
  await approvals("allowlist", "add", "jira", "--agent", "main");
  const { id } = await bench.ask("touch ./a");
  await bench.approvals.answer(id, { decision: "allow-always" }, { kind: "system" });
  const { out } = await approvals("get");
  assert.match(out, /\n\/opt\/tools\/\* +any arguments +\* +- +- +-\n/);
  assert.match(out, /\njira +any arguments +main +- +- +-\n/);
  const stored = /\n\/usr\/bin\/touch +\{path\} +main +([0-9a-f]{12}) +touch \.\/a +\S/.exec(out);
  assert.ok(stored, out);
  const removed = await approvals("allowlist", "remove", stored[1]!);
  assert.equal(removed.out, "/usr/bin/touch ({path}) is not allowed for agent main any more.\n");
  const missing = await approvals("allowlist", "remove", "jira", "--agent", "*");
  assert.equal(missing.code, 1);
  assert.match(missing.err, /No program "jira" is allowed for every agent\n[^]*openclaw approvals get/);
  await approvals("allowlist", "remove", "jira");
  assert.deepEqual(
    Object.values((await json<{ file: { agents: Record<string, { allowlist: { pattern: string }[] }> } }>("get")).file.agents).flatMap(
      ({ allowlist }) => allowlist.map(({ pattern }) => pattern),
    ),
    ["/opt/tools/*"],
  );
});

test("a program that can never be on the allowlist is refused with the reason", async () => {
  const { code, err } = await approvals("allowlist", "add", "python3");
  assert.equal(code, 1);
  assert.match(err, /^✗ "python3" cannot be on the allowlist\n {2}Why: it runs what its arguments or files say, .*\n/);
  assert.match(err, /Fix: Allow its commands once each, or .*openclaw exec-policy set --mode auto --host sandbox/);
  assert.equal((await approvals("allowlist", "add", "jira", "--agent", "mian")).code, 2);
});

test("a change of the allowlist is repeated once when someone else was faster", async () => {
  let others = 1;
  bench.onRead = async () => {
    if (others-- > 0) await bench.replace({ version: 1, agents: { main: { allowlist: [{ pattern: `other-${others}` }] } } });
  };
  assert.equal((await approvals("allowlist", "add", "jira")).code, 0);
  const { agents = {} } = bench.allowlist.document;
  assert.deepEqual(
    Object.values(agents).flatMap(({ allowlist = [] }) => allowlist.map(({ pattern }) => pattern)),
    ["other-0", "jira"],
  );
  others = 2;
  const lost = await approvals("allowlist", "add", "rg");
  bench.onRead = async () => {};
  assert.equal(lost.code, 1);
  assert.match(lost.err, /the allowlist was changed meanwhile/);
});

test("approvals set replaces the document by what get has printed, unless it was changed since", async () => {
  const file = join(bench.state, "approvals.json");
  const saved = await approvals("get", "--json");
  const edited = JSON.parse(saved.out) as { file: { defaults: object } };
  edited.file.defaults = { security: "allowlist", ask: "on-miss" };
  writeFileSync(file, JSON.stringify(edited));
  const set = await approvals("set", file);
  assert.equal(
    set.out,
    "Replaced (security allowlist, ask on-miss: a person is asked, except about commands that only read and about programs of the allowlist); 0 programs always allowed.\n",
  );
  const again = await approvals("set", file);
  assert.equal(again.code, 1);
  assert.match(again.err, /the allowlist was changed meanwhile/);
  const alone = JSON.stringify({ version: 1, agents: { "*": { allowlist: [{ pattern: "jira" }] } } });
  const piped = await callCli(bench.state, ["approvals", "set", "-"], { input: alone });
  assert.equal(piped.out, "Replaced (security full, ask off: no limit); 1 program always allowed.\n");
});

test("approvals set refuses what is not a document, and changes nothing", async () => {
  const before = await json("get");
  const bad: [input: string, message: RegExp][] = [
    ["{", /standard input is not JSON/],
    ["[]", /standard input is not a JSON object/],
    [JSON.stringify({ version: 1, defaults: { askFallback: "full" } }), /defaults\.askFallback has no effect here/],
    [JSON.stringify({ version: 2 }), /standard input is not a valid document\n.*version must be 1\./],
    [JSON.stringify({ version: 1, more: true }), /it unexpected property 'more'/],
    [
      JSON.stringify({ version: 1, agents: { main: { allowlist: [{ id: "", pattern: "jira" }] } } }),
      /agents\.main\.allowlist\[0\]\.id must not be empty\.\n.*Fix: openclaw approvals get --json/,
    ],
  ];
  for (const [input, message] of bad) {
    const { code, err } = await callCli(bench.state, ["approvals", "set", "-"], { input });
    assert.ok(code === 1 || code === 2, `${code}`);
    assert.match(err, message);
  }
  const absent = await approvals("set", join(bench.state, "absent.json"));
  assert.equal(absent.code, 2);
  assert.match(absent.err, /absent\.json cannot be read/);
  assert.deepEqual(await json("get"), before);
});

test("completion offers the questions that wait", async () => {
  const { id } = await bench.ask("touch ./a");
  assert.equal((await callCli(bench.state, ["__complete", "approval"])).out, `${id}\n`);
});

test("without a gateway the commands say so", async () => {
  const owner = readFileSync(join(bench.state, "gateway/owner.json"));
  writeFileSync(join(bench.state, "gateway/owner.json"), "{}");
  const { code, err } = await callCli(bench.state, ["approvals"], { env: { OPENCLAW_GATEWAY_URL: "ws://127.0.0.1:1" } });
  writeFileSync(join(bench.state, "gateway/owner.json"), owner);
  assert.equal(code, 69);
  assert.match(err, /No gateway is running/);
});
