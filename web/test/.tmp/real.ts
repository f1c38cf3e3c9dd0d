import { openPerson } from "../browser.ts";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
mkdirSync("/tmp/web-shots", { recursive: true });
const env = { ...process.env, OPENCLAW_STATE_DIR: "/tmp/gwstate" };
const dash = execFileSync("node", ["src/main.ts", "dashboard", "--no-open"], { env, cwd: "/work/main", encoding: "utf8" });
const url = /http:\S+/.exec(dash)![0];
console.log(url.replace(/k=.*/, "k=…"));
const one = await openPerson(new URL(url).origin);
const p = one.page;
const frames: string[] = [];
p.on("websocket", (ws) => {
  ws.on("framesent", (f) => frames.push("> " + String(f.payload).slice(0, 300)));
  ws.on("framereceived", (f) => frames.push("< " + String(f.payload).slice(0, 420)));
});
const step = async (name: string, act: () => Promise<unknown>) => {
  try {
    await act();
    console.log("ok", name);
  } catch (e) {
    console.log("FAIL", name, String(e).slice(0, 300));
    await p.screenshot({ path: `/tmp/web-shots/real-fail-${name.replace(/\W+/g, "-")}.png` });
  }
};
const say = async (t: string) => {
  await p.locator("#composer").fill(t);
  await p.keyboard.press("Enter");
};
await p.goto(url);
await step("sign in", () => p.locator("#composer").waitFor({ timeout: 8000 }));
await p.waitForTimeout(500);
await p.screenshot({ path: "/tmp/web-shots/real-empty.png" });
await step("hello", async () => {
  await p.getByRole("button", { name: "Say hello" }).click();
  await p.locator(".message.assistant .meta").waitFor({ timeout: 20000 });
});
await p.waitForTimeout(800);
await p.screenshot({ path: "/tmp/web-shots/real-hello.png" });
await step("status command", async () => {
  await say("/status");
  await p.locator(".message.assistant .meta").nth(1).waitFor({ timeout: 20000 });
});
await step("help", async () => {
  await say("help");
  await p.locator(".message.assistant .meta").nth(2).waitFor({ timeout: 20000 });
});
await step("new session", async () => {
  await p.getByRole("button", { name: "New session" }).first().click();
  await say("what can you do?");
  await p.locator(".message.assistant .meta").waitFor({ timeout: 20000 });
  await p.locator(".row", { hasText: "what can you do?" }).first().waitFor({ timeout: 5000 });
});
await p.waitForTimeout(1500);
await p.screenshot({ path: "/tmp/web-shots/real-new.png" });
console.log("rows", await p.locator(".row-open").allInnerTexts(), "head", await p.locator(".head").innerText());
await step("models", async () => {
  await p.locator(".model-button").click();
  await p.getByRole("option").first().waitFor({ timeout: 4000 });
  console.log(await p.getByRole("option").allInnerTexts());
  await p.keyboard.press("Escape");
});
await step("rename", async () => {
  const r = p.locator(".row", { hasText: "what can you do?" }).first();
  await r.hover();
  await r.getByRole("button", { name: /Rename/ }).click();
  await p.locator(".rename").fill("Named");
  await p.keyboard.press("Enter");
  await p.locator(".head h1", { hasText: "Named" }).waitFor({ timeout: 4000 });
});
await step("reload", async () => {
  await p.reload();
  await p.locator(".message.assistant").first().waitFor({ timeout: 8000 });
});
await step("kill and come back", async () => {
  const { readFileSync } = await import("node:fs");
  const pid = Number(execFileSync("bash", ["-c", "cat /tmp/gw.pid"], { encoding: "utf8" }).trim());
  const kid = Number(
    execFileSync("bash", ["-c", `pgrep -P ${pid} node || echo ${pid}`], { encoding: "utf8" })
      .trim()
      .split("\n")[0],
  );
  process.kill(kid, "SIGKILL");
  await p.locator(".status", { hasText: /Reconnecting/ }).waitFor({ timeout: 8000 });
  await say("written while you were away");
  const child = spawn("bash", ["-c", "echo $$ > /tmp/gw.pid; bash /tmp/run-gw.sh > /tmp/gw.log 2>&1"], { detached: true, stdio: "ignore" });
  child.unref();
  await p.locator(".status", { hasText: "Connected" }).waitFor({ timeout: 20000 });
  await p.locator(".message.assistant .meta").nth(1).waitFor({ timeout: 20000 });
  console.log("users", await p.locator(".message.user .plain").allInnerTexts());
});
await p.waitForTimeout(800);
await p.screenshot({ path: "/tmp/web-shots/real-back.png" });
await step("delete", async () => {
  const r = p.locator(".row", { hasText: "Named" }).first();
  await r.hover();
  await r.getByRole("button", { name: /Delete/ }).click();
  await p.locator("dialog").getByRole("button", { name: "Delete" }).click();
  await p.locator(".head h1", { hasText: "Main" }).waitFor({ timeout: 5000 });
});
await p.waitForTimeout(800);
await p.screenshot({ path: "/tmp/web-shots/real-main.png" });
console.log(
  "messages",
  (await p.locator(".message").allInnerTexts()).map((t) => t.slice(0, 90)),
);
console.log("faults", one.faults, "strays", one.strays);
import { writeFileSync } from "node:fs";
writeFileSync("/tmp/real-frames.txt", frames.join("\n"));
await one.close();
