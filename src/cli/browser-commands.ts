import type { CliArgument, CliCommand, CliFlag, CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

const SESSION: CliFlag = {
  name: "session-key",
  value: "key",
  valueKind: "session",
  help: "Conversation whose tabs are meant (default: the main one).",
};
const TAB: CliFlag = { name: "tab", value: "id", help: "Tab such as t1 (default: the current one)." };
const PROFILE: CliFlag = {
  name: "browser-profile",
  value: "name",
  help: "Profile of the browser (default: browser.defaultProfile, else openclaw).",
};
const OUT: CliFlag = { name: "out", value: "file", help: "File in the workspace (default: a free name in downloads/)." };

const arg = (name: string, more: Partial<CliArgument> = {}): CliArgument => ({ name, required: true, ...more });
const REF = arg("ref");

/** What `set` sets, in OpenClaw's words. */
const SETTINGS = ["viewport", "offline", "media", "timezone", "locale", "geo", "device", "headers", "credentials"];

type Part = {
  name: string;
  summary: string;
  args?: readonly CliArgument[];
  flags?: readonly CliFlag[];
  example?: string;
  notes?: readonly string[];
};

/** The commands, each of which is one action of the tool `browser` or one kind of its action `act`. */
const PARTS: readonly Part[] = [
  { name: "status", summary: "Show which browser agents use, and whether it runs." },
  {
    name: "doctor",
    summary: "Show which browser agents have, or what is missing.",
    flags: [{ name: "deep", help: "Start it to see whether it works." }],
  },
  { name: "start", summary: "Start the browser of an agent." },
  { name: "stop", summary: "Stop the browser of an agent; what sites have stored stays." },
  { name: "tabs", summary: "List the tabs of a conversation." },
  { name: "open", summary: "Open a page in a new tab.", args: [arg("url")], example: "https://example.org" },
  { name: "navigate", summary: "Open a page in a tab.", args: [arg("url")], flags: [TAB], example: "https://example.org" },
  { name: "focus", summary: "Make a tab the current one.", args: [arg("tab")], example: "t1" },
  { name: "close", summary: "Close a tab.", args: [arg("tab", { required: false })], example: "t1" },
  {
    name: "snapshot",
    summary: "Show what a page has, with refs of its elements.",
    flags: [
      TAB,
      { name: "compact", help: "Only what can be acted on." },
      { name: "offset", value: "n", range: [0, 100_000_000], help: "Read on from this character." },
    ],
    notes: ["The refs are valid until the next snapshot, and as long as the element is in the page."],
  },
  {
    name: "screenshot",
    summary: "Save a picture of a page in the current directory.",
    args: [arg("file", { required: false })],
    flags: [TAB, { name: "full-page", help: "The whole page." }, { name: "ref", value: "ref", help: "Only this element." }],
    example: "page.png",
  },
  { name: "click", summary: "Click an element.", args: [REF], flags: [TAB], example: "e12" },
  {
    name: "type",
    summary: "Type into a field.",
    args: [REF, arg("text")],
    flags: [TAB, { name: "submit", help: "Press Enter after it." }],
    example: 'e12 "hello"',
  },
  {
    name: "fill",
    summary: "Fill several fields of a form.",
    args: [arg("field", { variadic: true })],
    flags: [TAB],
    example: "e12=Ada e13=true",
    notes: ["A field is ref=value, such as e12=Ada. Checkboxes take true and false."],
  },
  { name: "press", summary: "Press a key.", args: [arg("key")], flags: [TAB], example: "Enter" },
  { name: "hover", summary: "Move the pointer over an element.", args: [REF], flags: [TAB], example: "e12" },
  {
    name: "select",
    summary: "Choose options of a list.",
    args: [REF, arg("value", { variadic: true })],
    flags: [TAB],
    example: "e12 large",
  },
  { name: "drag", summary: "Drag one element to another.", args: [arg("from"), arg("to")], flags: [TAB], example: "e12 e13" },
  {
    name: "upload",
    summary: "Choose files of the workspace in a page.",
    args: [REF, arg("file", { variadic: true })],
    flags: [TAB],
    example: "e12 paper.pdf",
  },
  {
    name: "download",
    summary: "Save a download in the workspace.",
    args: [arg("ref", { required: false })],
    flags: [TAB, OUT],
    example: "e12",
  },
  { name: "text", summary: "Show the text of a page.", flags: [TAB] },
  { name: "pdf", summary: "Save a page as PDF in the workspace.", flags: [TAB, OUT] },
  {
    name: "dialog",
    summary: "Answer the dialog of a page, or the next one.",
    args: [arg("answer", { choices: ["accept", "dismiss"] })],
    flags: [TAB, { name: "text", value: "text", help: "What is typed into it." }],
    example: "accept",
  },
  { name: "wait", summary: "Wait until a page has a text.", args: [arg("text")], flags: [TAB], example: '"Thank you"' },
  {
    name: "evaluate",
    summary: "Run JavaScript in a page.",
    args: [arg("code")],
    flags: [TAB],
    example: "document.title",
    notes: ["It needs browser.evaluateEnabled in the configuration."],
  },
  {
    name: "set",
    summary: "Set what the pages of a tab see of their device.",
    args: [arg("what", { choices: SETTINGS }), arg("value", { variadic: true })],
    flags: [TAB, { name: "accuracy", value: "m", range: [0, 100_000], help: "geo: accuracy in meters." }],
    example: "media dark",
    notes: [
      "viewport <width> <height>, offline on|off, media dark|light|no-preference|none, timezone <name>, locale <name>, geo <latitude> <longitude>, device <name>, headers <json>, credentials <user> <password>",
      "Credentials are for the site that is open.",
    ],
  },
  { name: "console", summary: "Show the console of a page.", flags: [TAB] },
  { name: "errors", summary: "Show the errors of a page.", flags: [TAB] },
  {
    name: "requests",
    summary: "Show the requests of a page.",
    flags: [TAB, { name: "filter", value: "text", help: "Only lines with this text." }],
  },
];

/** What only operators do; agents have none of it. */
const INSPECTIONS: readonly Part[] = [
  {
    name: "cookies",
    summary: "Show, set or remove the cookies that a page gets.",
    args: [arg("operation", { required: false, choices: ["get", "set", "clear"] }), arg("value", { required: false, variadic: true })],
    flags: [
      TAB,
      { name: "values", help: "Show the values too: they are the logins of sites." },
      { name: "url", value: "url", help: "set: the site (default: the page that is open)." },
    ],
    example: "set theme dark --url https://example.org",
    notes: [
      "get; set <name> <value>; clear removes those of the page only, and reset-profile those of all sites.",
      "Command-line values are visible in the process list.",
    ],
  },
  {
    name: "storage",
    summary: "Show, set or empty what the site of a page has stored.",
    args: [
      arg("kind", { choices: ["local", "session"] }),
      arg("operation", { required: false, choices: ["get", "set", "clear"] }),
      arg("value", { required: false, variadic: true }),
    ],
    flags: [TAB, { name: "values", help: "Show the values too: they may be logins of sites." }],
    example: "local set theme dark",
    notes: ["get [key]; set <key> <value>; clear."],
  },
  { name: "highlight", summary: "Mark an element of a page for some seconds.", args: [REF], flags: [TAB], example: "e12" },
  {
    name: "trace",
    summary: "Record what the browser of an agent does, for Playwright's trace viewer.",
    args: [arg("operation", { choices: ["start", "stop"] })],
    flags: [
      TAB,
      { name: "no-screenshots", help: "start: without pictures." },
      { name: "no-snapshots", help: "start: without the content of pages." },
    ],
    example: "start",
    notes: [
      "The file is on the gateway's machine, readable by its user only. It has the pages of all tabs of that browser with their cookies: treat it like a password.",
    ],
  },
];

const toCommand =
  (isInspection: boolean) =>
  ({ name, summary, args, flags = [], example, notes }: Part, index: number): CliCommand => ({
    path: ["browser", name],
    ...(index === 0 && !isInspection && { group: "See", isDefault: true }),
    summary,
    ...(args && { args }),
    flags: [...flags, PROFILE, SESSION, AGENT],
    usesGateway: true,
    examples: [`openclaw browser ${name}${example === undefined ? "" : ` ${example}`}`],
    ...(notes && { notes }),
    load: async () =>
      isInspection ? (await import("./browser-inspect.ts")).browserInspect(name) : (await import("./browser.ts")).browserAction(name),
  });

const NAME: CliFlag = { name: "name", value: "name", help: "Name of the profile: lower-case letters, digits and -." };

/** Profiles are in the configuration. */
const PROFILE_COMMANDS: readonly CliCommand[] = [
  {
    path: ["browser", "profiles"],
    summary: "List the browser profiles, and which of them run.",
    flags: [AGENT],
    usesGateway: true,
    examples: ["openclaw browser profiles"],
    load: async () => (await import("./browser-profiles.ts")).browserProfiles,
  },
  {
    path: ["browser", "create-profile"],
    summary: "Create a browser profile: a browser with cookies of its own, or a running browser.",
    flags: [
      NAME,
      { name: "color", value: "hex", help: "Color of the profile, such as #0066CC." },
      { name: "cdp-url", value: "url", help: "Address of a running browser with remote debugging." },
      { name: "driver", value: "name", choices: ["openclaw", "existing-session"], help: "How the browser is driven (default: openclaw)." },
      {
        name: "allow-unguarded",
        help: "Accept that the requests of a running browser do not pass the gateway's proxy (dangerouslyAllowUnguardedNetwork).",
      },
    ],
    usesGateway: true,
    notes: [
      "Command-line values are visible in the process list: for an address with a token write --cdp-url '${MY_CDP_URL}', which names a variable of the gateway.",
    ],
    examples: [
      'openclaw browser create-profile --name work --color "#0066CC"',
      "openclaw browser create-profile --name desk --cdp-url http://127.0.0.1:9222",
    ],
    load: async () => (await import("./browser-profiles.ts")).createProfile,
  },
  {
    path: ["browser", "delete-profile"],
    summary: "Delete a browser profile; what its browser has stored moves to the trash.",
    flags: [NAME],
    usesGateway: true,
    examples: ["openclaw browser delete-profile --name work"],
    load: async () => (await import("./browser-profiles.ts")).deleteProfile,
  },
  {
    path: ["browser", "reset-profile"],
    summary: "Move what a browser profile has stored to the trash: cookies, logins and settings.",
    flags: [PROFILE, AGENT],
    usesGateway: true,
    notes: [
      "The browser is stopped first. The trash is in the directory of the agent's browser, and has the last content of each profile.",
    ],
    examples: ["openclaw browser reset-profile --browser-profile work"],
    load: async () => (await import("./browser-profiles.ts")).resetProfile,
  },
];

export const browserCommands: CommandFamily = {
  summary: "The browser that agents use: look at it, and act in it yourself.",
  commands: [...PARTS.map(toCommand(false)), ...INSPECTIONS.map(toCommand(true)), ...PROFILE_COMMANDS],
};
