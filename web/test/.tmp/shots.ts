import { startDevGateway } from "/work/main/web/dev/server.ts";
import { openPerson } from "/work/main/web/test/browser.ts";
import { mkdirSync } from "node:fs";
const out = "/tmp/web-shots";
mkdirSync(out, { recursive: true });
const gw = await startDevGateway();
const c = gw.conversations;
const seed = (key: string, name: string | null, preview: string, ageMs: number, extra: object = {}) => {
  const s = c.ensure(key, name);
  s.rows.push({ role: "assistant", content: preview, timestamp: Date.now() - ageMs, __openclaw: { id: key, seq: 1 } } as never);
  s.updatedAt = Date.now() - ageMs;
  s.createdAt = s.updatedAt;
  Object.assign(s, extra);
};
const H = 3600e3;
seed("agent:main:irc:direct:anna", "anna", "The build is green again, thanks to the pinned toolchain.", 0.2 * H, { unread: true });
seed("agent:main:web-aaaaaaaa-1111", "Quarterly report, second draft", "I moved the risks section up and shortened it.", 1.4 * H);
seed("agent:main:cron:backup", "Nightly backup check", "All 14 volumes verified, 0 errors.", 7 * H);
seed("agent:main:tui-bbbbbbbb", "Rename the config keys", "Done: 31 files changed.", 26 * H);
seed("agent:main:telegram:direct:99", "Milo", "See you at eight!", 50 * H);
seed("agent:main:web-cccccccc-1111", "خطة السفر إلى الإسكندرية", "القطار يغادر في التاسعة صباحا", 80 * H);
seed(
  "agent:main:web-dddddddd-1111",
  "Which oak grows fastest in clay soil and needs little water",
  "Quercus palustris, the pin oak.",
  300 * H,
);
c.wordMs = 6;
const only = process.argv[2];
const go = async (name: string, look: object, act: (p: import("playwright-core").Page) => Promise<void>, link = true) => {
  if (only && !name.includes(only)) return;
  const one = await openPerson(new URL(gw.url).origin, look);
  try {
    await one.page.goto(link ? gw.newLink() : gw.url);
    if (link) await one.page.locator("#composer").waitFor();
    await act(one.page);
    await one.page.screenshot({ path: `${out}/${name}.png` });
    if (one.faults.length) console.log(name, one.faults);
  } finally {
    await one.close();
  }
};
const say = async (p: import("playwright-core").Page, t: string) => {
  await p.locator("#composer").fill(t);
  await p.keyboard.press("Enter");
};
const done = (p: import("playwright-core").Page) => p.locator(".message.assistant .meta").last().waitFor();
const chat = async (p: import("playwright-core").Page) => {
  await p.locator(".model-button").click();
  await p.getByRole("option", { name: /Large One/ }).click();
  await say(p, "How full is the disk? Please use a tool and tell me what could go.");
  await p.locator("text=the manual").waitFor();
  await done(p);
  await p.waitForTimeout(400);
};
await go("empty-light", {}, async (p) => {
  await p.waitForTimeout(300);
});
await go("chat-light", {}, chat);
await go("chat-dark", { dark: true }, async (p) => {
  await p.locator("text=the manual").waitFor();
  await p.waitForTimeout(300);
  await p.locator("details.tool summary").nth(1).click();
  await p.waitForTimeout(200);
  await p.locator(".messages").evaluate((b) => (b.scrollTop = 0));
  await p.waitForTimeout(200);
});
await go("streaming", {}, async (p) => {
  c.wordMs = 60;
  await p.getByRole("button", { name: "New session" }).first().click();
  await say(p, "Clean up: please use a tool");
  await p.locator("text=Here is what").waitFor();
  await p.waitForTimeout(900);
});
await go("streaming-dark", { dark: true }, async (p) => {
  c.wordMs = 60;
  await p.getByRole("button", { name: "New session" }).first().click();
  await say(p, "Clean up: please use a tool");
  await p.locator("details.tool").nth(1).waitFor();
  await p.waitForTimeout(100);
});
c.wordMs = 6;
await go("phone", { width: 390, height: 844, touch: true }, async (p) => {
  await p.locator("text=the manual").waitFor();
  await p.waitForTimeout(300);
});
await go("phone-drawer", { width: 390, height: 844, touch: true, dark: true }, async (p) => {
  await p.getByRole("button", { name: "Sessions" }).click();
  await p.waitForTimeout(400);
});
await go("models", {}, async (p) => {
  await p.locator(".model-button").click();
  await p.waitForTimeout(200);
});
await go("commands", { dark: true }, async (p) => {
  await p.locator("#composer").fill("/");
  await p.waitForTimeout(200);
});
await go("offline", {}, async (p) => {
  await p.locator("text=the manual").waitFor();
  await gw.down();
  await p.waitForTimeout(1200);
  await say(p, "And please keep the media folder.");
  await p.waitForTimeout(500);
});
await gw.up();
await go("delete", {}, async (p) => {
  const r = p.locator(".row", { hasText: "Milo" });
  await r.hover();
  await r.getByRole("button", { name: /Delete/ }).click();
  await p.waitForTimeout(200);
});
await go(
  "sign-in",
  {},
  async (p) => {
    await p.locator("#token").waitFor();
  },
  false,
);
await go(
  "sign-in-dark-phone",
  { dark: true, width: 390, height: 844, touch: true },
  async (p) => {
    await p.locator("#token").waitFor();
  },
  false,
);
gw.refuse({ code: "NOT_PAIRED", message: "x", details: { code: "PAIRING_REQUIRED", requestId: "53fd74f-e018-4a89" } });
await go(
  "pairing",
  {},
  async (p) => {
    await p.locator(".command").waitFor();
  },
  false,
);
gw.refuse({ code: "INVALID_REQUEST", message: "x", details: { code: "CONTROL_UI_ORIGIN_NOT_ALLOWED" } });
await go(
  "origin-dark",
  { dark: true },
  async (p) => {
    await p.locator(".command").waitFor();
  },
  false,
);
gw.refuse(null);
await go("fault", {}, async (p) => {
  await p.getByRole("button", { name: "New session" }).first().click();
  await say(p, "fail please");
  await p.locator(".fault").waitFor();
  await p.waitForTimeout(300);
  await say(p, "What does `x` do? אני כותב בעברית");
  await done(p);
  await p.waitForTimeout(300);
});
await gw.down();
await gw.close().catch(() => {});
process.exit(0);
