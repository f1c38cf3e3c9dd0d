import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";
import type { Page } from "playwright-core";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openSkills(look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  if (look.touch === true) await user.page.getByRole("button", { name: "Sessions" }).click();
  await user.page.getByRole("button", { name: "Skills" }).click();
  await hasText(user.page, ".entry", "weather");
  return user;
}

const skillText = (page: Page, skill: string): Promise<string> =>
  page.locator(".entry", { has: page.getByText(skill, { exact: true }) }).innerText();
const updates = (): unknown[] => stage.gateway.calls.filter((call) => call.method === "skills.update").map((call) => call.params);

describe("skills on the page", () => {
  test("each skill says where it is from, and why it is off; what cannot be read is listed", async () => {
    const { page, errors, unexpectedRequests } = await openSkills();
    await hasText(page, ".panel-head", /Skills of main\s*2 of 5 on/);
    assert.match(await skillText(page, "weather"), /weather\s+workspace\s+On\s+Current weather/);
    assert.match(await skillText(page, "deploy"), /deploy\s+personal\s+On, only for \/skill/);
    assert.match(
      await skillText(page, "calendar"),
      /state directory\s+Off[\s\S]+its content is not the approved one \(openclaw skills approve calendar\)/,
    );
    await hasText(page, ".entry", "it has no description");
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("a skill that lacks a program shows what a person could run to install it", async () => {
    const { page, errors } = await openSkills();
    const radio = page.locator("li.entry", { hasText: "Plays a station." });
    await radio.getByText("To install its programs, as its author says").click();
    const text = await radio.innerText();
    assert.match(text, /Homebrew \(darwin\)\s+brew install example\/tap\/tuner[^]*npm\s+npm install -g tuner-cli/);
    assert.doesNotMatch(text, /By hand/);
    assert.equal(await page.getByText("To install its programs").count(), 1);
    assert.deepEqual(errors, []);
  });

  test("a skill is switched, and each agent has its own", async () => {
    const { page, errors } = await openSkills();
    await page.getByRole("button", { name: "Turn on notes" }).click();
    await page.getByRole("button", { name: "Turn off notes" }).waitFor();
    assert.match(await skillText(page, "notes"), /notes\s+workspace\s+On/);
    await page.getByRole("button", { name: "Turn off notes" }).click();
    await page.getByRole("button", { name: "Turn on notes" }).waitFor();
    assert.deepEqual(
      updates(),
      [true, false].map((enabled) => ({ skillKey: "notes", enabled })),
    );
    await page.locator("#skills-agent").selectOption("Operations (ops)");
    await hasText(page, ".panel-empty", "None. A skill is a directory with a file SKILL.md");
    assert.deepEqual(errors, []);
  });

  test("only administrators switch skills", async () => {
    stage.gateway.limitScopes(["operator.read", "operator.write"]);
    const { page } = await openSkills();
    assert.equal(await page.getByRole("button", { name: /^Turn o/ }).count(), 0);
  });

  test("the message field completes the names of skills after /skill", async () => {
    const { page } = await stage.signedIn();
    const field = page.locator("#composer");
    await field.fill("/skill ");
    assert.equal(await page.locator(".hints [role=option]").count(), 2);
    await field.fill("/skill we");
    await field.press("Enter");
    assert.equal(await field.inputValue(), "/skill weather ");
    assert.equal(await page.locator(".hints").count(), 0);
    await field.fill("/skill weather in Berlin");
    await field.press("Enter");
    await hasText(page, ".message.user", "/skill weather in Berlin");
  });

  test("it fits a phone, and the address leads back to it", async () => {
    const { page } = await openSkills({ width: 360, height: 740, dark: true, touch: true });
    assert.equal(
      await page.evaluate(() => [...document.querySelectorAll(".view *")].every((one) => one.getBoundingClientRect().right <= innerWidth)),
      true,
    );
    await page.reload();
    await hasText(page, ".entry", "weather");
    assert.match(page.url(), /#skills$/);
  });
});
