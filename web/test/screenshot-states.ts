/** The states of the page that have a picture, and how each of them comes about. Everything in them is fixed, times included. */
import { EXAMPLE } from "../dev/config.ts";
import type { Page } from "playwright-core";
import type { DevGateway } from "../dev/server.ts";

export const NOW = Date.UTC(2026, 2, 14, 10, 24);
const MIN = 60_000;
const DAY = 86_400_000;

export type ScreenshotState = {
  name: string;
  signedIn: boolean;
  /** Before the page is opened. */
  setUp: (gateway: DevGateway) => void;
  /** From the open page to the state. */
  navigate: (page: Page, gateway: DevGateway) => Promise<void>;
};

type Row = Record<string, unknown> & { role: string };

const nothing = (): void => {};

/** Puts messages into a session; the last one is of five minutes ago. */
function fillSession(gateway: DevGateway, key: string, rows: readonly (Row & { at?: number })[], more: Record<string, unknown> = {}): void {
  const session = gateway.conversations.ensure(key);
  Object.assign(session, { createdAt: NOW - 9 * DAY, updatedAt: NOW - 5 * MIN, ...more });
  rows.forEach(({ at, ...row }, index) => {
    const timestamp = at ?? NOW - 5 * MIN - (rows.length - index) * 1_000;
    const meta = (row["__openclaw"] ?? {}) as Record<string, unknown>;
    session.rows.push({ timestamp, ...row, __openclaw: { id: `${key}${index}`, seq: index + 1, recordTimestampMs: timestamp, ...meta } });
  });
}

const user = (text: string, more: Record<string, unknown> = {}): Row => ({ role: "user", content: text, ...more });
const answer = (text: string, more: Record<string, unknown> = {}): Row => ({
  role: "assistant",
  content: [{ type: "text", text }],
  stopReason: "stop",
  provider: "example",
  model: "large-1",
  usage: { input: 620, output: 168, totalTokens: 788, cost: { total: 0.005544 } },
  ...more,
});

const MAIN = "agent:main:main";

/** A few other sessions, so that the list has something in every group. */
function fillList(gateway: DevGateway): void {
  const others: [string, string, number][] = [
    ["garden", "Plan the garden", NOW - 2 * 60 * MIN],
    ["invoice", "Invoice for March", NOW - DAY],
    ["holiday", "Holiday in Portugal", NOW - 4 * DAY],
    ["backup", "A backup of the old laptop, and what to do with the photographs on it", NOW - 40 * DAY],
  ];
  for (const [name, label, updatedAt] of others) {
    fillSession(gateway, `agent:main:web-${name}`, [user(`${label}, please`), answer("Done.")], { label, updatedAt });
  }
}

const CONVERSATION: readonly (Row & { at?: number })[] = [
  { ...user("What is the weather like on Sunday?"), at: NOW - DAY - 30 * MIN },
  { ...answer("Sunny in the morning, **rain from 3 pm**. Take a coat if you are out late."), at: NOW - DAY - 29 * MIN },
  user("And where is the nearest hardware shop?"),
  answer("Two are close:\n\n1. *Miller*, 12 minutes on foot, open until 6 pm\n2. *Tools & Co*, 20 minutes, open until 8 pm"),
];

const TOOL_TURN: readonly Row[] = [
  user("How full is the disk?"),
  {
    role: "assistant",
    content: [
      { type: "text", text: "Let me look." },
      { type: "toolCall", id: "c1", name: "exec", arguments: { command: "df -h /" } },
    ],
    stopReason: "toolUse",
    model: "large-1",
    __openclaw: { runId: "run1" },
  },
  {
    role: "toolResult",
    toolCallId: "c1",
    toolName: "exec",
    content: [{ type: "text", text: "Filesystem  Size  Used Avail Use%\n/dev/vda1    80G   31G   46G  41% /" }],
    isError: false,
    details: { durationMs: 420 },
    __openclaw: { runId: "run1" },
  },
  answer("The disk is **41 % full**: 31 of 80 GB.\n\n| What | Size |\n|:--|--:|\n| sessions | 214 MB |\n| media | 96 MB |", {
    __openclaw: { runId: "run1" },
  }),
];

const mainSession = (rows: readonly (Row & { at?: number })[]) => (gateway: DevGateway) => {
  fillList(gateway);
  fillSession(gateway, MAIN, rows);
};
const untilVisible = (selector: string, text: string) => async (page: Page) =>
  page.locator(selector).filter({ hasText: text }).last().waitFor();

/** Until several frames have changed nothing: a part of the view may come after the one that was waited for. */
const scrollToEnd = (page: Page, selector: string): Promise<void> =>
  page.locator(selector).evaluate(async (box) => {
    for (let height = 0, unchanged = 0; unchanged < 5; height = box.scrollHeight) {
      unchanged = box.scrollHeight === height ? unchanged + 1 : 0;
      box.scrollTop = box.scrollHeight;
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  });

type ViewName =
  | "Config"
  | "Models"
  | "Devices"
  | "Agents"
  | "Inbox"
  | "Channels"
  | "Tools"
  | "Skills"
  | "MCP servers"
  | "Browser"
  | "Nodes"
  | "Schedule"
  | "Audit";

async function openView(page: Page, name: ViewName): Promise<void> {
  const menu = page.getByRole("button", { name: "Sessions" });
  if (await menu.isVisible()) await menu.click();
  await page.locator(".to-view", { hasText: name }).click();
  await page.getByRole("heading", { name, exact: true }).waitFor();
  await page.locator(".sidebar").evaluate((bar) => Promise.all(bar.getAnimations().map((one) => one.finished)));
}
/** A view behind the menu; `fill` adds to the list of sessions what the view shows. */
const ofView = (
  name: string,
  title: ViewName,
  navigate: (page: Page) => Promise<void>,
  fill: (gateway: DevGateway) => void = nothing,
): ScreenshotState => ({
  name,
  signedIn: true,
  setUp: (gateway) => {
    fillList(gateway);
    fill(gateway);
  },
  navigate: async (page) => {
    await openView(page, title);
    await navigate(page);
  },
});
const openChannels = (page: Page): Promise<void> => openView(page, "Channels");

/** Two questions that wait, three that have ended, and a list of what is always allowed. */
function fillApprovals(gateway: DevGateway): void {
  const { approvals } = gateway;
  const past = (command: string, at: number, ended: Parameters<typeof approvals.end>[1]): void =>
    void approvals.end(approvals.ask({ command, at: at - MIN }), { at, ...ended });
  past("rm -rf build", NOW - 3 * MIN, { status: "denied", decision: "deny", by: "irc:ann" });
  past("git fetch --all", NOW - 50 * MIN, { status: "allowed", decision: "allow-once", by: "telegram:4711" });
  past("curl -s https://example.org/install.sh | sh", NOW - 2 * 60 * MIN, { status: "expired", reason: "timeout" });
  approvals.document.agents = {
    main: {
      allowlist: [
        {
          id: "1",
          pattern: "/usr/bin/touch",
          argPattern: 'words:["{path}"]',
          commandText: "touch notes.md",
          lastUsedAt: NOW - 20 * MIN,
        },
      ],
    },
  };
  approvals.ask({
    command: "cp -r garden 'garden of 2025'",
    cwd: "/home/ann/garden",
    host: "sandbox",
    at: NOW - 4 * MIN,
    patterns: [{ pattern: "/usr/bin/cp", argPattern: 'words:["-r","{path}"]' }],
    isGrantable: true,
  });
  approvals.ask({
    command: 'for file in *.log; do\n  gzip "$file"\n  mv "$file.gz" /archive/\ndone',
    sessionKey: "agent:main:web-backup",
    at: NOW - MIN,
    warnings: [
      "The shell decides what this does: it has variables, patterns, redirections or programs that were not found.",
      "It runs outside of the sandbox, with the rights of the gateway.",
    ],
  });
}

async function openTelegramForm(page: Page): Promise<void> {
  await openChannels(page);
  await page.getByRole("button", { name: "Connect a channel" }).click();
  await page.getByRole("button", { name: /^Telegram/ }).click();
  await page.locator("#field-botToken").waitFor();
}

export const STATES: readonly ScreenshotState[] = [
  { name: "sign-in", signedIn: false, setUp: nothing, navigate: (page) => page.locator("#token").waitFor() },
  {
    name: "sign-in-wrong-token",
    signedIn: false,
    setUp: nothing,
    navigate: async (page) => {
      await page.locator("#token").fill("not-the-token");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.locator("h1", { hasText: "token" }).waitFor();
    },
  },
  {
    name: "empty",
    signedIn: true,
    setUp: (gateway) => Object.assign(gateway.conversations.ensure(MAIN), { createdAt: NOW, updatedAt: NOW }),
    navigate: (page) => page.locator(".empty").waitFor(),
  },
  { name: "conversation", signedIn: true, setUp: mainSession(CONVERSATION), navigate: untilVisible(".message", "Miller") },
  {
    name: "long-conversation",
    signedIn: true,
    setUp: mainSession(
      Array.from({ length: 120 }, (_, at) => {
        const row = at % 2 === 0 ? user(`Question ${at / 2 + 1}`) : answer(`Answer ${(at + 1) / 2}. `.repeat(12));
        return { ...row, at: NOW - (120 - at) * 90 * MIN };
      }),
    ),
    navigate: async (page) => {
      await untilVisible(".message", "Answer 60")(page);
      await page.locator(".messages").evaluate((box) => (box.scrollTop = 2_600));
      await page.locator(".to-end").waitFor();
    },
  },
  {
    name: "tool-call",
    signedIn: true,
    setUp: mainSession(TOOL_TURN),
    navigate: async (page) => {
      await page.locator("details.tool summary").click();
      await page.locator(".tool-body").waitFor();
    },
  },
  {
    name: "error",
    signedIn: true,
    setUp: mainSession([
      ...CONVERSATION,
      user("And on Monday?"),
      answer("", { content: [], stopReason: "error", errorMessage: "401: invalid api key provided", usage: undefined }),
    ]),
    navigate: (page) => page.locator(".fault").waitFor(),
  },
  {
    name: "channel-session",
    signedIn: true,
    setUp: (gateway) => {
      fillList(gateway);
      fillSession(
        gateway,
        "agent:main:telegram:direct:4711",
        [
          user("hello again, are you there?", {
            __openclaw: {
              senderIsOwner: false,
              senderId: "4711",
              senderName: "Ada L",
              transport: { channel: "telegram", accountId: "default" },
            },
          }),
          answer("I am. What can I do for you?"),
          user("A note from the owner", {
            __openclaw: { senderIsOwner: true, transport: { clients: [{ id: "webchat-ui", mode: "webchat" }] } },
          }),
          answer("Noted."),
        ],
        { channel: "telegram", chatType: "direct", displayName: "hello again, are you there?" },
      );
    },
    navigate: async (page) => {
      await page.evaluate(() => (location.hash = `#s=${encodeURIComponent("agent:main:telegram:direct:4711")}`));
      await untilVisible(".message", "Noted.")(page);
    },
  },
  {
    name: "channels",
    signedIn: true,
    setUp: (gateway) => {
      fillList(gateway);
      gateway.channels.fill(NOW);
    },
    navigate: openChannels,
  },
  ofView(
    "approvals",
    "Inbox",
    async (page) => {
      await page.locator(".question-answers button:enabled").nth(6).waitFor();
      await page.locator(".past").first().waitFor({ state: "attached" });
    },
    fillApprovals,
  ),
  ofView(
    "approvals-history",
    "Inbox",
    async (page) => {
      await page.locator(".question-answers button:enabled").nth(6).waitFor({ state: "attached" });
      await page.locator(".past").first().waitFor({ state: "attached" });
      await page.getByRole("button", { name: "Remove" }).waitFor({ state: "attached" });
      await page.locator(".past summary").first().click();
      await scrollToEnd(page, ".view");
    },
    fillApprovals,
  ),
  ofView("approvals-no-scope", "Inbox", untilVisible(".command", "openclaw dashboard"), (gateway) => {
    fillApprovals(gateway);
    gateway.limitScopes(["operator.read", "operator.write"]);
  }),
  {
    name: "approval-in-chat",
    signedIn: true,
    setUp: (gateway) => {
      mainSession(CONVERSATION)(gateway);
      gateway.approvals.ask({
        command: "mkdir -p garden/2026",
        cwd: "/home/ann/garden",
        at: NOW - MIN,
        warnings: ["It runs outside of the sandbox, with the rights of the gateway."],
        patterns: [{ pattern: "/usr/bin/mkdir", argPattern: 'words:["-p","{path}"]' }],
        isGrantable: true,
      });
    },
    navigate: async (page) => {
      await untilVisible(".message", "Miller")(page);
      await page.locator(".question-answers button:enabled").first().waitFor();
    },
  },
  ofView(
    "tools",
    "Tools",
    async (page) => {
      await page.getByLabel("For messages of").selectOption("people on IRC");
      await page.getByLabel("Message", { exact: true }).selectOption("in one room");
      await page.getByLabel("Id of the room").fill("#ops");
      await page.getByRole("button", { name: "Show", exact: true }).click();
      await untilVisible(".warn", "another agent")(page);
    },
    (gateway) => gateway.channels.fill(NOW),
  ),
  ofView(
    "audit",
    "Audit",
    async (page) => {
      await page.getByLabel("Show", { exact: true }).selectOption("everything");
      await untilVisible(".entry-name", "Turn")(page);
    },
    (gateway) => (gateway.audit.now = NOW - 2 * MIN),
  ),
  ofView("skills", "Skills", untilVisible(".entry", "draft")),
  ofView("mcp", "MCP servers", untilVisible(".entry", "delete_file")),
  ofView("mcp-empty", "MCP servers", untilVisible(".panel", "No MCP servers yet"), (gateway) => gateway.mcp.empty()),
  ofView(
    "browser",
    "Browser",
    async (page) => {
      await page.getByRole("img", { name: /Your basket/ }).waitFor();
      await page.getByText("2 errors of the page").click();
    },
    (gateway) => gateway.browsers.fill(),
  ),
  ofView("browser-none", "Browser", (page) => page.getByRole("heading", { name: "No browser runs" }).waitFor()),
  ofView(
    "nodes",
    "Nodes",
    async (page) => {
      await page.getByText("3 commands may run").click();
      await untilVisible(".facts", "camera.snap")(page);
    },
    (gateway) => gateway.nodes.fill(NOW),
  ),
  ofView(
    "config",
    "Config",
    async (page) => {
      await page.getByLabel("Port", { exact: true }).fill("18790");
      await page.keyboard.press("Tab");
      await untilVisible(".cfg-plan", "The gateway restarts")(page);
      await page.locator("#view-content").evaluate((box) => (box.scrollTop = 0));
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    },
    (gateway) => {
      gateway.config.fill();
      gateway.config.freeze(NOW - MIN);
    },
  ),
  ofView(
    "config-plan",
    "Config",
    async (page) => {
      await page.getByRole("button", { name: "Go back to version 1" }).click();
      await untilVisible(".cfg-diff", "ann-helper")(page);
      await scrollToEnd(page, "#view-content");
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    },
    (gateway) => {
      gateway.config.fill();
      gateway.config.freeze(NOW - 9 * MIN);
      gateway.config.edit(EXAMPLE.replace("helper", "ann-helper"));
    },
  ),
  ofView(
    "models",
    "Models",
    async (page) => {
      await page.getByRole("button", { name: "Test anthropic" }).click();
      await untilVisible(".problem", "invalid x-api-key")(page);
    },
    (gateway) => gateway.models.fill(),
  ),
  ofView("models-empty", "Models", untilVisible(".panel-empty", "No AI model is connected"), (gateway) => gateway.models.empty()),
  ofView(
    "devices",
    "Devices",
    (page) => page.locator(".entry", { hasText: "Phone" }).last().getByText("Tokens and rights").click(),
    (gateway) => gateway.devices.fill(NOW),
  ),
  ofView(
    "device-code",
    "Devices",
    async (page) => {
      await page.getByRole("button", { name: "Make a code" }).click();
      await page.getByRole("img", { name: "Code to scan with the app" }).scrollIntoViewIfNeeded();
    },
    (gateway) => gateway.devices.fill(NOW),
  ),
  ofView(
    "agents",
    "Agents",
    async (page) => {
      await page.getByRole("button", { name: "Edit SOUL.md" }).click();
      await page.getByRole("textbox", { name: "SOUL.md" }).waitFor();
    },
    (gateway) => gateway.agentFiles.fill(NOW),
  ),
  {
    name: "branches",
    signedIn: true,
    setUp: (gateway) => {
      fillList(gateway);
      fillSession(gateway, MAIN, [
        user("Plan the garden"),
        answer("Beds along the south wall."),
        user("And the shed?"),
        answer("North corner."),
      ]);
      gateway.conversations.hasBranches = true;
      gateway.conversations.branches("sessions.rewind", MAIN, { entryId: `${MAIN}2` });
      fillSession(gateway, MAIN, [
        user("And the pond?", { __openclaw: { id: "pond", seq: 11 } }),
        answer("Next to the beds, in half shade.", { __openclaw: { id: "shade", seq: 12 } }),
      ]);
    },
    navigate: async (page) => {
      await page.getByLabel(/^Branch, 2 in this conversation/).waitFor();
      await untilVisible(".message.assistant", "half shade")(page);
    },
  },
  {
    name: "branch-edit",
    signedIn: true,
    setUp: (gateway) => {
      fillList(gateway);
      fillSession(gateway, MAIN, [user("Plan the garden"), answer("Beds along the south wall.")]);
      gateway.conversations.hasBranches = true;
    },
    navigate: async (page) => {
      await untilVisible(".message.assistant", "south wall")(page);
      const bubble = page.locator(".message.user .bubble");
      await bubble.click();
      await bubble.hover();
      await page.getByRole("button", { name: "Edit and send again" }).click();
      await page.getByRole("textbox", { name: "Message", exact: true }).first().waitFor();
    },
  },
  ofView(
    "schedule",
    "Schedule",
    async (page) => {
      await untilVisible(".entry", "Check the backup")(page);
      await untilVisible(".entry", "Takes nothing")(page);
    },
    (gateway) => gateway.jobs.fill(NOW),
  ),
  ofView("schedule-empty", "Schedule", async (page) => {
    await untilVisible(".panel-empty", "No jobs yet")(page);
    await untilVisible(".panel-empty", "No agent has heartbeats")(page);
  }),
  {
    name: "wizard-1",
    signedIn: true,
    setUp: nothing,
    navigate: async (page) => {
      await openChannels(page);
      await page.getByRole("button", { name: "Connect a channel" }).click();
      await page.getByRole("button", { name: /^Telegram/ }).waitFor();
    },
  },
  {
    name: "wizard-2",
    signedIn: true,
    setUp: nothing,
    navigate: async (page) => {
      await openTelegramForm(page);
      await page.locator("#field-botToken").fill("wrong");
      await page.getByRole("button", { name: "Check and connect" }).click();
      await page.locator(".field-problem").waitFor();
    },
  },
  {
    name: "wizard-3",
    signedIn: true,
    setUp: nothing,
    navigate: async (page, gateway) => {
      await openTelegramForm(page);
      await page.locator("#field-botToken").fill("good-token");
      await page.getByRole("button", { name: "Check and connect" }).click();
      await page.locator('.ticks li[data-done="true"]').nth(1).waitFor();
      gateway.channels.write();
      await page.getByText("Your message has arrived").waitFor();
    },
  },
  {
    name: "overview",
    signedIn: true,
    setUp: (gateway) => {
      fillList(gateway);
      fillApprovals(gateway);
      gateway.channels.fill();
      gateway.overview.now = NOW;
      gateway.operations.now = NOW;
      gateway.operations.breakStore();
    },
    navigate: async (page) => {
      await page.evaluate(() => void (location.hash = "#overview"));
      await untilVisible(".entry", "The disk is full")(page);
      await page.locator(".flow-row").first().waitFor();
      await page.locator(".question .primary:enabled").first().waitFor();
      // The names in the questions come with the list of sessions, which on a phone is behind its button.
      await page.getByText("A backup of the old laptop").first().waitFor({ state: "attached" });
    },
  },
  {
    name: "health",
    signedIn: true,
    setUp: (gateway) => {
      fillList(gateway);
      gateway.operations.now = NOW;
      gateway.operations.breakStore();
    },
    navigate: async (page) => {
      await page.evaluate(() => void (location.hash = "#health"));
      await untilVisible(".entry", "The disk is full")(page);
      await page.locator(".chart").nth(2).waitFor();
    },
  },
  {
    name: "settings",
    signedIn: true,
    setUp: fillList,
    navigate: async (page) => {
      await page.evaluate(() => void (location.hash = "#settings"));
      await untilVisible(".panel", "Keys")(page);
    },
  },
  {
    name: "first-run",
    signedIn: true,
    setUp: (gateway) => {
      gateway.models.offer();
      Object.assign(gateway.conversations.ensure(MAIN), { createdAt: NOW, updatedAt: NOW });
    },
    navigate: (page) => page.locator(".first-run").waitFor(),
  },
  {
    name: "offline",
    signedIn: true,
    setUp: mainSession(CONVERSATION),
    navigate: async (page, gateway) => {
      await untilVisible(".message", "Miller")(page);
      // The next attempt to connect hangs, so that the banner stays as it is.
      await page.evaluate(() => {
        const { WebSocket: Real } = window;
        window.WebSocket = new Proxy(Real, { construct: () => ({ addEventListener: () => {}, close: () => {} }) });
      });
      gateway.announce("shutdown", { reason: "restart", restartExpectedMs: 60_000 });
      await gateway.down();
      await page.locator(".banner").waitFor();
      await page.getByRole("button", { name: "Reconnect now" }).waitFor({ state: "detached" });
    },
  },
];
