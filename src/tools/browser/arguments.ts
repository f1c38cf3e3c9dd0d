import { asString, fieldsOf, isObject, type JsonObject } from "../../core/json.ts";

export const BROWSER_ACTIONS = [
  "doctor",
  "status",
  "start",
  "stop",
  "profiles",
  "tabs",
  "open",
  "navigate",
  "focus",
  "close",
  "snapshot",
  "screenshot",
  "text",
  "emulate",
  "act",
  "console",
  "errors",
  "requests",
  "pdf",
  "download",
  "waitfordownload",
  "upload",
  "dialog",
] as const;

const ACT_KINDS = [
  "click",
  "clickCoords",
  "type",
  "press",
  "hover",
  "scrollIntoView",
  "select",
  "fill",
  "drag",
  "wait",
  "resize",
  "evaluate",
  "batch",
  "close",
];

const text = (description?: string): JsonObject => ({ type: "string", ...(description !== undefined && { description }) });
const flag = (description?: string): JsonObject => ({ type: "boolean", ...(description !== undefined && { description }) });
const number = (description?: string): JsonObject => ({ type: "number", ...(description !== undefined && { description }) });
const texts = (description?: string): JsonObject => ({ type: "array", items: text(), ...(description !== undefined && { description }) });

export const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    action: { type: "string", enum: BROWSER_ACTIONS },
    profile: text(),
    targetUrl: text("open, navigate"),
    targetId: text("Tab, such as t1; default: the current"),
    kind: { type: "string", enum: ACT_KINDS, description: "Of act" },
    ref: text("Of the last snapshot, such as e12 or f1e3"),
    text: text("type; wait: appears"),
    submit: flag("type: then Enter"),
    slowly: flag(),
    key: text("press: Enter, Control+a"),
    values: texts("select"),
    fields: {
      type: "array",
      items: { type: "object", properties: { ref: text(), value: text() }, required: ["ref", "value"] },
      description: "fill; checkboxes: true, false",
    },
    actions: { type: "array", items: { type: "object", additionalProperties: true }, description: "batch: {kind, ...}" },
    stopOnError: flag(),
    startRef: text(),
    endRef: text(),
    x: number(),
    y: number(),
    doubleClick: flag(),
    button: { type: "string", enum: ["left", "right", "middle"] },
    modifiers: texts("Alt, Control, Meta, Shift"),
    textGone: text("wait"),
    url: text("wait: pattern with *"),
    loadState: { type: "string", enum: ["load", "domcontentloaded", "networkidle"] },
    timeMs: number("wait"),
    width: number(),
    height: number(),
    fn: text("evaluate"),
    compact: flag("snapshot: only controls"),
    offset: number("snapshot"),
    maxChars: number(),
    fullPage: flag(),
    type: { type: "string", enum: ["png", "jpeg"] },
    level: text("console: error"),
    filter: text("requests"),
    path: text("Saved there, in the workspace"),
    paths: texts("upload"),
    accept: flag("dialog"),
    promptText: text(),
    device: text("emulate: iPhone 15"),
    colorScheme: text("dark, light"),
    timezoneId: text(),
    locale: text(),
    geolocation: text("latitude,longitude"),
    offline: flag(),
    headers: { type: "object", additionalProperties: text() },
    credentials: text("user:password"),
    deep: flag("doctor: start it"),
    timeoutMs: number(),
  },
  required: ["action"],
};

/** What only operators do with a browser: cookies and storage are the logins of sites, and a trace has them too. */
export const OPERATOR_ACTIONS = ["cookies", "storage", "highlight", "trace"] as const;

/** Actions and parameters of OpenClaw's tool that are not served, with the reason. */
const UNSERVED: Readonly<Record<string, string>> = {
  importprofile:
    "The action importprofile is not served: logins of a person's own browser are not copied. Sign in with the profile of the agent.",
  target: "The browser of the gateway's machine is the only one: target sandbox and node are not served.",
  node: "The browser of the gateway's machine is the only one: node is not served.",
  dashboard: "There are no dashboards: dashboard is not served.",
};

/** Throws with the reason when something is asked for that would be left out silently. */
function refuseUnserved({ action, target, node, dashboard }: JsonObject): void {
  if (OPERATOR_ACTIONS.some((each) => each === action))
    throw new Error(`Only operators use ${String(action)}: an agent neither reads nor changes what sites have stored. Nothing was done.`);
  const named = [
    action === "importprofile" && "importprofile",
    target !== undefined && target !== null && target !== "host" && "target",
    typeof node === "string" && node !== "" && "node",
    typeof dashboard === "string" && dashboard !== "" && "dashboard",
  ].find((each) => each !== false);
  if (named !== undefined) throw new Error(`${UNSERVED[named]} Nothing was done.`);
}

/** Names of OpenClaw's tool, and of others that models know, for the same. */
const OTHER_NAMES: Readonly<Record<string, string>> = { inputRef: "ref", interactive: "compact", selector: "ref" };

/**
 * Other forms of the arguments: `request` around those of an act, an act as the action itself, `url` for `targetUrl`. Throws for what is
 * not served. Pure.
 */
export function prepareArguments(args: JsonObject): JsonObject {
  refuseUnserved(args);
  const { request, ...rest } = args;
  const flat: Record<string, unknown> = { ...rest, ...fieldsOf(request) };
  for (const [from, to] of Object.entries(OTHER_NAMES)) {
    if (flat[from] !== undefined && flat[to] === undefined) flat[to] = flat[from];
    delete flat[from];
  }
  if (flat["mode"] === "efficient" && flat["compact"] === undefined) flat["compact"] = true;
  const action = asString(flat["action"]);
  if (action !== "close" && ACT_KINDS.includes(action)) Object.assign(flat, { action: "act", kind: action });
  if ((flat["action"] === "open" || flat["action"] === "navigate") && flat["targetUrl"] === undefined) flat["targetUrl"] = flat["url"];
  if (Array.isArray(flat["fields"])) {
    flat["fields"] = flat["fields"].map((field) =>
      isObject(field) && field["value"] === undefined ? { ...field, value: field["text"] } : field,
    );
  }
  return flat;
}
