// Group: wire
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { browserHost, localSite, noBrowser, refOf } from "../../../test/fakes/browser-host.ts";
import { asId, type SessionKey } from "../../core/ids.ts";
import { fieldsOf } from "../../core/json.ts";
import type { InspectInput } from "./agent-browsers.ts";
import { BROWSER_LIMITS } from "./limits.ts";

const PAGE = `<title>Site</title><button>Go</button><script>
localStorage.setItem("theme", "dark"); sessionStorage.setItem("step", "2"); localStorage.setItem("big", "x".repeat(20000));
</script>`;
const MAIN = "agent:main:main";
const host = browserHost();
let site: Awaited<ReturnType<typeof localSite>>;
let sent = "";
before(async () => {
  site = await localSite((request, response) => {
    if (request.url !== "/favicon.ico") sent = request.headers.cookie ?? "";
    response.setHeader("set-cookie", ["login=s3cret; HttpOnly; Path=/", "deep=1; Path=/deep"]);
    response.setHeader("content-type", "text/html");
    response.end(PAGE);
  });
});
after(async () => {
  await host.close();
  site.close();
});
afterEach(() => host.tool.endSession?.(asId<SessionKey>(MAIN)));

async function inspect(request: InspectInput, { session = MAIN, targetId }: { session?: string; targetId?: string } = {}) {
  const result = await host.browsers.inspect(
    { agent: "main", profile: "openclaw", session, ...(targetId !== undefined && { targetId }) },
    request,
  );
  if ("problem" in result) return { problem: result.problem.message };
  return { text: result.answer.text, ...fieldsOf(result.answer.data) } as Record<string, unknown>;
}
const names = (data: Record<string, unknown>) => (data["entries"] as { key: string }[]).map(({ key }) => key).toSorted();
const open = (path = "/"): Promise<string> => host.run({ action: "open", targetUrl: site.origin + path });

test("nothing is started for an operator who looks", { skip: noBrowser }, async () => {
  assert.match((await inspect({ what: "cookies", operation: "get", values: true })).problem as string, /no open tab/);
  assert.match((await inspect({ what: "trace", operation: "start", screenshots: true, snapshots: true })).problem as string, /no open tab/);
  assert.ok(!existsSync(host.directory));
});

test("cookies are those of the page, with values only by name, and only they are removed", { skip: noBrowser }, async () => {
  await open();
  const get = async (values: boolean) =>
    (await inspect({ what: "cookies", operation: "get", values }))["cookies"] as Record<string, unknown>[];
  const [hidden] = await get(false);
  assert.deepEqual([hidden!["name"], hidden!["httpOnly"], hidden!["valueChars"], "value" in hidden!], ["login", true, 6, false]);
  assert.deepEqual(
    (await get(true)).map(({ name, value }) => [name, value]),
    [["login", "s3cret"]],
  );
  assert.deepEqual(await inspect({ what: "cookies", operation: "set", name: "theme", value: "dark" }), { text: "Set the cookie theme." });
  await host.run({ action: "navigate", targetUrl: `${site.origin}/deep` });
  for (const part of ["login=s3cret", "theme=dark", "deep=1"]) assert.ok(sent.includes(part), sent);
  await host.run({ action: "navigate", targetUrl: `${site.origin}/` });
  assert.deepEqual(await inspect({ what: "cookies", operation: "clear" }), { text: "Removed 2 cookies." });
  assert.deepEqual(await get(true), []);
  await host.run({ action: "navigate", targetUrl: `${site.origin}/deep` });
  assert.equal(sent, "deep=1", "the cookies of other pages stay");
  await host.run({ action: "open", targetUrl: "about:blank" });
  assert.match((await inspect({ what: "cookies", operation: "set", name: "a", value: "b" })).problem as string, /name its url/);
});

test("storage is that of the site of the tab, cut to its limits", { skip: noBrowser }, async () => {
  await open();
  const get = (more: object = {}) => inspect({ what: "storage", area: "local", operation: "get", values: false, ...more });
  assert.deepEqual(names(await get()), ["big", "theme"]);
  assert.deepEqual((await get({ key: "theme", values: true }))["entries"], [{ key: "theme", value: "dark", valueChars: 4 }]);
  const [big] = (await get({ key: "big", values: true }))["entries"] as { value: string; valueChars: number }[];
  assert.deepEqual([big!.value.length, big!.valueChars], [BROWSER_LIMITS.storageValueChars, 20_000]);
  await inspect({ what: "storage", area: "session", operation: "set", key: "step", value: "3" });
  const session = await inspect({ what: "storage", area: "session", operation: "get", values: true });
  assert.deepEqual(session["entries"], [{ key: "step", value: "3", valueChars: 1 }]);
  assert.deepEqual(await inspect({ what: "storage", area: "local", operation: "clear" }), { text: "The local storage is empty." });
  assert.deepEqual(names(await get()), []);
  await host.run({ action: "open", targetUrl: "about:blank" });
  assert.match((await get())["problem"] as string, /no page of a site/);
});

test("an operator reaches only tabs of the conversation that is named", { skip: noBrowser }, async () => {
  await open();
  assert.match(
    (await inspect({ what: "cookies", operation: "get", values: true }, { session: "agent:main:other" })).problem as string,
    /no open tab/,
  );
  assert.match(
    (await inspect({ what: "cookies", operation: "get", values: true }, { targetId: "t99" })).problem as string,
    /has no tab "t99"/,
  );
});

test("an element is marked, and a ref that has gone is refused", { skip: noBrowser }, async () => {
  const page = await open();
  assert.match((await inspect({ what: "highlight", ref: refOf(page, "Go") }))["text"] as string, /is marked for 10 seconds/);
  assert.match((await inspect({ what: "highlight", ref: "e999" })).problem as string, /^stale_ref/);
});

test("a trace is a private file outside of the workspace, and the last five are kept", { skip: noBrowser }, async () => {
  await open();
  assert.match((await inspect({ what: "trace", operation: "stop" })).problem as string, /No trace runs/);
  const start = { what: "trace", operation: "start", screenshots: false, snapshots: true } as const;
  for (let number = 1; number <= BROWSER_LIMITS.traces + 2; number += 1) {
    assert.match((await inspect(start))["text"] as string, /A trace runs/);
    if (number === 1) assert.match((await inspect(start)).problem as string, /runs already/);
    await host.run({ action: "snapshot" });
    const { path, bytes } = (await inspect({ what: "trace", operation: "stop" })) as { path: string; bytes: number };
    assert.ok(path.endsWith(`/main/traces/trace-${number}.zip`) && !path.startsWith(host.workspace), path);
    assert.ok(bytes > 100);
    assert.equal(statSync(path).mode & 0o077, 0);
  }
  assert.equal(readdirSync(join(host.directory, "main/traces")).length, BROWSER_LIMITS.traces);
});
