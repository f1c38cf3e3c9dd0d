import assert from "node:assert/strict";
import { test } from "node:test";
import type { ToolPolicy } from "../config/schema.ts";
import { effectOf, TOOL_NAMES, type ToolName } from "./tool.ts";
import { decideMcpTool, decideTools, grantedTools, type PolicyLayers, type Surface } from "./policy.ts";

type Policies = { shared?: ToolPolicy; own?: ToolPolicy; room?: ToolPolicy };

const layersOf = ({ shared, own, room }: Policies): PolicyLayers => ({
  shared: { key: "tools", policy: shared },
  own: { key: "agents.entries.main.tools", policy: own },
  room: room && { key: "channels.irc.groups.#team.tools", policy: room },
});
const grantOf = (surface: Surface, policies: Policies): string => grantedTools(decideTools(surface, layersOf(policies))).join(" ");

const RECALL = "sessions_list sessions_history sessions_search memory_search memory_get";
const CODING_TOOLS = `read ls find grep write edit apply_patch exec process web_fetch web_search ${RECALL}`;
const CODING = `${CODING_TOOLS} cron mcp`;
const ALL = `${CODING_TOOLS} message cron mcp browser`;
const CASES: readonly [title: string, surface: Surface, policies: Policies, granted: string][] = [
  ["an operator has all tools by default", "operator", {}, ALL],
  ["a channel sender has none by default", "channel", {}, ""],
  ["a shared profile opens nothing for a channel", "channel", { shared: { profile: "full" } }, ""],
  ["a shared list opens nothing for a channel", "channel", { shared: { allow: ["read"] } }, ""],
  ["an agent's own list opens exactly that", "channel", { own: { allow: ["read"] } }, "read"],
  ["an agent's own profile counts", "channel", { own: { profile: "coding" } }, CODING],
  ["an agent's own addition opens exactly that", "channel", { own: { alsoAllow: ["read"] } }, "read"],
  ["a shared deny wins over an agent's list", "channel", { shared: { deny: ["exec"] }, own: { allow: ["read", "exec"] } }, "read"],
  ["a shared list limits an agent's, for a channel", "channel", { shared: { allow: ["read"] }, own: { allow: ["read", "exec"] } }, "read"],
  [
    "a shared list limits an agent's, for an operator",
    "operator",
    { shared: { allow: ["read"] }, own: { allow: ["read", "exec"] } },
    "read",
  ],
  ["a shared list limits an agent's profile", "operator", { shared: { allow: ["read"] }, own: { profile: "coding" } }, "read"],
  ["an agent's list limits a shared one", "operator", { shared: { allow: ["read", "write"] }, own: { allow: ["write"] } }, "write"],
  ["an agent's profile replaces the shared one", "operator", { shared: { profile: "minimal" }, own: { profile: "coding" } }, CODING],
  ["an agent adds to the shared profile", "operator", { shared: { profile: "minimal" }, own: { alsoAllow: ["read"] } }, "read"],
  ["a profile and a list are both limits", "operator", { shared: { profile: "minimal", allow: ["read"] } }, ""],
  [
    "deny takes from the operator too",
    "operator",
    { shared: { deny: ["exec"] } },
    `read ls find grep write edit apply_patch web_fetch web_search ${RECALL} message cron mcp browser`,
  ],
  [
    "a switch takes a tool of the web away",
    "operator",
    { shared: { web: { search: { enabled: false } } as never } },
    ALL.replace(" web_search", ""),
  ],
  ["groups are expanded", "operator", { shared: { allow: ["group:fs"] } }, "read ls find grep write edit apply_patch"],
  ["an empty list means none", "operator", { shared: { allow: [] } }, ""],
  ["alsoAllow adds to a profile", "operator", { shared: { profile: "minimal", alsoAllow: ["read"] } }, "read"],
  ["a deny of everything is everything", "operator", { shared: { deny: ["*"] } }, ""],
  ["unknown names grant nothing", "channel", { own: { allow: ["computer", "__proto__"] } }, ""],
  ["a room without rules leaves what the agent grants", "channel", { own: { allow: ["read", "exec"] }, room: {} }, "read exec"],
  ["bash is another name of exec", "channel", { own: { allow: ["read", "Bash"] } }, "read exec"],
  ["what denies exec denies process", "operator", { shared: { allow: ["read", "exec", "process"] }, own: { deny: ["bash"] } }, "read"],
  ["a name that no tool has changes nothing", "channel", { own: { allow: ["read", "constructor"], deny: ["toString"] } }, "read"],
  ["a room can take away", "channel", { own: { allow: ["read", "exec"] }, room: { deny: ["exec"] } }, "read"],
  [
    "a room cannot give what the agent does not",
    "channel",
    { own: { allow: ["read", "exec"] }, room: { allow: ["read", "write"], alsoAllow: ["edit"] } },
    "read",
  ],
  ["a room cannot add to a profile of the agent", "channel", { own: { profile: "minimal" }, room: { alsoAllow: ["read"] } }, ""],
  ["an agent cannot add to a profile of the room", "channel", { own: { alsoAllow: ["read"] }, room: { profile: "minimal" } }, ""],
  ["an empty list of a room is none", "channel", { own: { allow: ["read"] }, room: { allow: [] } }, ""],
  ["a profile of a room limits", "channel", { own: { allow: ["read"] }, room: { profile: "minimal" } }, ""],
  [
    "a profile of a room and more",
    "channel",
    { own: { allow: ["read", "exec"] }, room: { profile: "minimal", alsoAllow: ["exec"] } },
    "exec",
  ],
];
for (const [title, surface, policies, granted] of CASES) test(title, () => assert.equal(grantOf(surface, policies), granted));

test("any further list takes away only", () => {
  const lists: readonly (readonly string[] | undefined)[] = [undefined, [], ["read"], ["exec", "write"]];
  const profiles: readonly ToolPolicy[] = [{}, { profile: "minimal" }, { profile: "coding" }];
  const policies = lists.flatMap((allow) =>
    lists.flatMap((deny) => profiles.map((profile): ToolPolicy => ({ ...profile, ...(allow && { allow }), ...(deny && { deny }) }))),
  );
  for (const surface of ["operator", "channel"] as const) {
    for (const own of policies) {
      const before = grantOf(surface, { own });
      for (const more of policies) {
        for (const after of [grantOf(surface, { own, room: more }), grantOf(surface, { own, shared: more })]) {
          const added = after.split(" ").filter((tool) => tool !== "" && !before.split(" ").includes(tool));
          // The profile of the agent replaces the shared one, and so does its absence.
          assert.deepEqual(added, [], JSON.stringify({ surface, own, more }));
        }
      }
    }
  }
});

test("a tool that one place denies takes with it every tool of the same effect", () => {
  for (const tool of TOOL_NAMES) {
    for (const place of ["shared", "own", "room"] as const) {
      const granted = grantOf("channel", { own: { profile: "full" }, [place]: { profile: "full", deny: [tool] } }).split(" ");
      const same = TOOL_NAMES.filter((each) => effectOf(each) === effectOf(tool));
      assert.deepEqual(
        same.filter((each) => granted.includes(each)),
        [],
        `${tool} in ${place}`,
      );
      assert.ok(granted.length > 1, "the others stay");
    }
  }
});

const NO_PATCHES: ToolPolicy = { exec: { applyPatch: { enabled: false, workspaceOnly: true } } };
const PATCHES: ToolPolicy = { exec: { applyPatch: { enabled: true, workspaceOnly: true } } };
const RULES: readonly [title: string, surface: Surface, policies: Policies, tool: ToolName, rule: string][] = [
  ["nothing", "operator", {}, "exec", "operators have all tools that nothing denies"],
  ["nothing for a channel", "channel", {}, "read", "senders of channels have the tools that agents.entries.main.tools names"],
  ["a shared deny", "operator", { shared: { deny: ["exec"] } }, "exec", "tools.deny"],
  ["an agent's deny", "channel", { own: { profile: "full", deny: ["bash"] } }, "exec", "agents.entries.main.tools.deny"],
  ["a list that does not name it", "operator", { shared: { allow: ["read"] } }, "exec", "tools.allow"],
  ["a list that names it", "operator", { own: { allow: ["exec"] } }, "exec", "agents.entries.main.tools.allow"],
  ["a profile", "operator", { shared: { profile: "minimal" } }, "exec", 'tools.profile "minimal"'],
  ["an addition to a profile", "operator", { shared: { profile: "minimal", alsoAllow: ["read"] } }, "read", "tools.alsoAllow"],
  ["a switch", "operator", { shared: NO_PATCHES }, "apply_patch", "tools.exec.applyPatch.enabled"],
  [
    "a switch of the agent",
    "channel",
    { own: { ...NO_PATCHES, profile: "full" } },
    "apply_patch",
    "agents.entries.main.tools.exec.applyPatch.enabled",
  ],
  [
    "a switch that the agent replaces",
    "operator",
    { shared: NO_PATCHES, own: PATCHES },
    "apply_patch",
    "operators have all tools that nothing denies",
  ],
  ["a switch of another tool", "operator", { shared: NO_PATCHES }, "edit", "operators have all tools that nothing denies"],
  ["a room", "channel", { own: { profile: "full" }, room: { allow: ["read"] } }, "exec", "channels.irc.groups.#team.tools.allow"],
];
for (const [title, surface, policies, tool, rule] of RULES) {
  test(`the rule that decides is named: ${title}`, () => {
    const decisions = decideTools(surface, layersOf(policies));
    assert.deepEqual(
      decisions.map((each) => each.tool),
      TOOL_NAMES,
    );
    assert.equal(decisions.find((each) => each.tool === tool)!.rule, rule);
  });
}

test("a setting outside of the policies switches a tool off, and is named", () => {
  const decisions = decideTools("operator", { ...layersOf({}), off: { browser: "browser.enabled" } });
  assert.deepEqual(
    decisions.filter(({ isGranted }) => !isGranted),
    [{ tool: "browser", isGranted: false, rule: "browser.enabled" }],
  );
});

const MCP_CASES: readonly [title: string, surface: Surface, policies: Policies, granted: string, rule: string][] = [
  ["nothing", "operator", {}, "files__read files__write web__read", "operators have all tools that nothing denies"],
  ["nothing for a channel", "channel", {}, "", "senders of channels have the tools that agents.entries.main.tools names"],
  ["all tools denied by their section", "operator", { shared: { deny: ["group:mcp"] } }, "", "tools.deny"],
  ["all tools denied by OpenClaw's name", "operator", { shared: { deny: ["bundle-mcp"] } }, "", "tools.deny"],
  ["everything denied", "operator", { own: { deny: ["*"] } }, "", "agents.entries.main.tools.deny"],
  ["one tool denied", "operator", { shared: { deny: ["files__WRITE"] } }, "files__read web__read", "tools.deny"],
  ["a server denied", "operator", { shared: { deny: ["files__*"] } }, "web__read", "tools.deny"],
  ["a part of a server denied", "operator", { shared: { deny: ["files__w*"] } }, "files__read web__read", "tools.deny"],
  ["one tool allowed", "operator", { shared: { allow: ["files__read"] } }, "files__read", "tools.allow"],
  [
    "a server allowed for a channel",
    "channel",
    { own: { allow: ["files__*"] } },
    "files__read files__write",
    "agents.entries.main.tools.allow",
  ],
  ["all tools allowed", "channel", { own: { allow: ["mcp"] } }, "files__read files__write web__read", "agents.entries.main.tools.allow"],
  ["a list without such tools", "operator", { shared: { allow: ["read"] } }, "", "tools.allow"],
  ["a list that names no tool with a star", "operator", { shared: { allow: ["files*"] } }, "", "tools.allow"],
  [
    "a deny wins over a list",
    "channel",
    { own: { allow: ["files__*"], deny: ["files__write"] } },
    "files__read",
    "agents.entries.main.tools.deny",
  ],
  [
    "two lists are both limits",
    "operator",
    { shared: { allow: ["files__*"] }, own: { allow: ["*"] } },
    "files__read files__write",
    "tools.allow",
  ],
  [
    "two lists without a common tool",
    "operator",
    { shared: { allow: ["files__*"] }, own: { allow: ["web__*"] } },
    "",
    "agents.entries.main.tools.allow",
  ],
  [
    "a profile with these tools",
    "operator",
    { shared: { profile: "messaging" } },
    "files__read files__write web__read",
    'tools.profile "messaging"',
  ],
  ["a profile without", "operator", { shared: { profile: "minimal" } }, "", 'tools.profile "minimal"'],
  ["a tool added to a profile", "operator", { shared: { profile: "minimal", alsoAllow: ["web__read"] } }, "web__read", "tools.alsoAllow"],
  ["an addition for a channel", "channel", { own: { alsoAllow: ["web__*"] } }, "web__read", "agents.entries.main.tools.alsoAllow"],
  [
    "a room that denies a server",
    "channel",
    { own: { allow: ["mcp"] }, room: { deny: ["files__*"] } },
    "web__read",
    "channels.irc.groups.#team.tools.deny",
  ],
  [
    "a room that allows one tool",
    "channel",
    { own: { allow: ["mcp"] }, room: { allow: ["web__read"] } },
    "web__read",
    "channels.irc.groups.#team.tools.allow",
  ],
  [
    "a room cannot add",
    "channel",
    { own: { allow: ["web__*"] }, room: { allow: ["files__*"] } },
    "",
    "channels.irc.groups.#team.tools.allow",
  ],
];
const MCP_NAMES = ["files__read", "files__write", "web__read"];
for (const [title, surface, policies, granted, rule] of MCP_CASES)
  test(`the tools of MCP servers: ${title}`, () => {
    const layers = layersOf(policies);
    const decided = MCP_NAMES.map((name) => ({ name, ...decideMcpTool(layers, surface, name) }));
    assert.equal(decided.flatMap(({ name, isGranted }) => (isGranted ? [name] : [])).join(" "), granted);
    assert.ok(
      decided.some((each) => each.rule === rule),
      decided.map((each) => each.rule).join(", "),
    );
    // A turn that is not granted `mcp` can call none of them.
    const isGrantedMcp = grantedTools(decideTools(surface, layers)).includes("mcp");
    if (granted !== "") assert.ok(isGrantedMcp);
  });

test("a list that denies one tool of a server leaves the others, and denies no built-in tool", () => {
  assert.equal(grantOf("operator", { shared: { deny: ["files__write", "files__*"] } }), ALL);
  assert.equal(grantOf("operator", { shared: { allow: ["files__write"] } }), "mcp");
  assert.equal(grantOf("operator", { shared: { deny: ["mcp"] } }), ALL.replace(" mcp", ""));
});
