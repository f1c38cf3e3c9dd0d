import { asString, fieldsOf, isObject, type JsonObject } from "../../core/json.ts";

export const BROWSER_ACTIONS = [
  "doctor",
  "status",
  "start",
  "stop",
  "tabs",
  "open",
  "navigate",
  "focus",
  "close",
  "snapshot",
  "screenshot",
  "act",
  "console",
  "errors",
  "requests",
  "pdf",
  "download",
  "upload",
  "dialog",
] as const;

const ACT_KINDS = ["click", "type", "press", "hover", "scrollIntoView", "select", "fill", "drag", "wait", "resize", "evaluate", "close"];

const text = (description?: string): JsonObject => ({ type: "string", ...(description !== undefined && { description }) });
const flag = (description?: string): JsonObject => ({ type: "boolean", ...(description !== undefined && { description }) });
const number = (description?: string): JsonObject => ({ type: "number", ...(description !== undefined && { description }) });
const texts = (description?: string): JsonObject => ({ type: "array", items: text(), ...(description !== undefined && { description }) });

export const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    action: { type: "string", enum: BROWSER_ACTIONS },
    targetUrl: text("open, navigate: http or https"),
    targetId: text("Tab such as t1. Default: the current one"),
    kind: { type: "string", enum: ACT_KINDS, description: "Of act" },
    ref: text("Element of the last snapshot, such as e12 or f1e3"),
    text: text("type: the content; wait: appears"),
    submit: flag("type: press Enter after it"),
    slowly: flag("type: key by key"),
    key: text("press: Enter, Control+a"),
    values: texts("select"),
    fields: {
      type: "array",
      items: { type: "object", properties: { ref: text(), value: text() }, required: ["ref", "value"] },
      description: "fill; checkboxes: true, false",
    },
    startRef: text("drag"),
    endRef: text("drag"),
    doubleClick: flag(),
    button: { type: "string", enum: ["left", "right", "middle"] },
    modifiers: texts("Alt, Control, Meta, Shift"),
    textGone: text("wait"),
    url: text("wait: pattern with *"),
    loadState: { type: "string", enum: ["load", "domcontentloaded", "networkidle"] },
    timeMs: number("wait"),
    width: number("resize"),
    height: number("resize"),
    fn: text("evaluate: JavaScript"),
    compact: flag("snapshot: only what can be acted on"),
    offset: number("snapshot: read on"),
    maxChars: number("snapshot"),
    fullPage: flag("screenshot"),
    type: { type: "string", enum: ["png", "jpeg"] },
    level: text("console: error, warning, ..."),
    filter: text("requests: part of the line"),
    path: text("pdf, download: file in the workspace"),
    paths: texts("upload: files of the workspace"),
    accept: flag("dialog. Default true"),
    promptText: text("dialog"),
    timeoutMs: number(),
  },
  required: ["action"],
};

/** Names of OpenClaw's tool, and of others that models know, for the same. */
const OTHER_NAMES: Readonly<Record<string, string>> = { inputRef: "ref", interactive: "compact", selector: "ref" };

/** Other forms of the arguments: `request` around those of an act, an act as the action itself, `url` for `targetUrl`. Pure. */
export function prepareArguments(args: JsonObject): JsonObject {
  const { request, ...rest } = args;
  const flat: Record<string, unknown> = { ...rest, ...fieldsOf(request) };
  for (const [from, to] of Object.entries(OTHER_NAMES)) {
    if (flat[from] !== undefined && flat[to] === undefined) flat[to] = flat[from];
    delete flat[from];
  }
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
