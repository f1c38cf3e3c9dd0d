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

async function openServers(look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  if (look.touch === true) await user.page.getByRole("button", { name: "Sessions" }).click();
  await user.page.getByRole("button", { name: "MCP servers" }).click();
  await user.page.getByRole("heading", { name: "MCP servers", exact: true }).waitFor();
  return user;
}

const server = (page: Page, name: string) => page.getByRole("region", { name: `MCP server ${name}` });
const sent = (method: string): unknown[] => stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("MCP servers on the page", () => {
  test("each server says whether it works and why, and each tool whether agents have it and why", async () => {
    const { page, errors, unexpectedRequests } = await openServers();
    await hasText(page, ".entry", "delete_file");
    const files = await server(page, "files").innerText();
    assert.match(files, /files\s+stdio\s+Ready/);
    assert.match(files, /3 tools, 1 allowed · 2 resources · 0 prompts/);
    assert.match(
      files,
      /files__delete_file\s+Withheld[^]+Deletes a file, for good[^]+added it after its tools were accepted[^]+files__read_file\s+Allowed/,
    );
    assert.match(files, /files__write_file\s+Denied[^]+tools\.deny/);
    assert.match(files, /asked the gateway for sampling\/createMessage, which is refused/);
    assert.match(await server(page, "docs").innerText(), /Does not work[^]+wants you to sign in[^]+No one has signed in/);
    assert.match(await server(page, "memory").innerText(), /Not in use[^]+Its tools are not known yet/);
    assert.match(await server(page, "old").innerText(), /Off[^]+mcp\.servers\.old\.enabled/);
    assert.deepEqual(
      sent("mcp.status").filter((params) => (params as { probe?: boolean }).probe),
      [],
      "looking starts nothing",
    );
    assert.deepEqual(sent("mcp.tools")[0], { name: "files", agentId: "main" });
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("withheld tools are accepted after a question; servers are tested and restarted", async () => {
    const { page, errors } = await openServers();
    await page.getByRole("button", { name: "Accept…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    assert.deepEqual(sent("mcp.accept"), []);
    await page.getByRole("button", { name: "Accept…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Accept" }).click();
    await hasText(page, "summary", "3 tools, 2 allowed");
    assert.deepEqual(sent("mcp.accept"), [{ name: "files" }]);
    assert.equal(await page.getByRole("button", { name: "Accept…" }).count(), 0);
    await page.getByRole("button", { name: "Restart memory" }).click();
    await page.getByRole("button", { name: "Restart memory", disabled: false }).waitFor();
    assert.deepEqual(sent("mcp.reload"), [{ name: "memory" }]);
    await page.getByRole("button", { name: "Test docs" }).click();
    await page.getByRole("button", { name: "Test docs", disabled: false }).waitFor();
    const probes = sent("mcp.status").filter((params) => (params as { probe?: boolean }).probe);
    assert.deepEqual(
      probes,
      ["memory", "docs"].map((name) => ({ name, probe: true })),
    );
    assert.deepEqual(errors, []);
  });

  test("a sign-in is a link that leads back to the page, which completes it", async () => {
    const { page, errors } = await openServers();
    await page.getByRole("button", { name: "Sign in at docs" }).click();
    const link = page.getByRole("link", { name: "Sign in at auth.example.org" });
    await link.waitFor();
    assert.equal(await link.getAttribute("href"), "https://auth.example.org/authorize?state=s1");
    const [{ redirectUrl }] = sent("mcp.login.start") as [{ redirectUrl: string }];
    await page.goto(`${redirectUrl}?code=c1&state=s1`);
    await hasText(page, ".panel", "Signed in.");
    assert.deepEqual(sent("mcp.login.finish"), [{ name: "docs", callback: `${redirectUrl}?code=c1&state=s1` }]);
    assert.match(page.url(), /\/#mcp$/, "the code is not left in the address");
    assert.deepEqual(errors, []);
  });

  test("without servers there is one thing to do", async () => {
    stage.gateway.mcp.empty();
    const { page, errors } = await openServers();
    await hasText(page, ".panel", "No MCP servers yet");
    await hasText(page, ".command", "openclaw mcp add memory");
    assert.equal(await page.locator(".panel").count(), 1);
    assert.deepEqual(errors, []);
  });

  test("only administrators change anything", async () => {
    stage.gateway.limitScopes(["operator.read"]);
    const { page } = await openServers();
    await hasText(page, ".entry", "delete_file");
    assert.equal(await page.getByRole("button", { name: /^(Test |Restart |Accept|Sign (in at|out of) )/ }).count(), 0);
  });

  test("it fits a phone, and the address leads back to it", async () => {
    const { page } = await openServers({ width: 360, height: 740, dark: true, touch: true });
    await hasText(page, ".entry", "delete_file");
    assert.equal(
      await page.evaluate(() => [...document.querySelectorAll(".view *")].every((one) => one.getBoundingClientRect().right <= innerWidth)),
      true,
    );
    await page.reload();
    await hasText(page, ".entry", "delete_file");
    assert.match(page.url(), /#mcp$/);
  });
});
