import type { Locator } from "playwright-core";
import { asArray, asNumber, asString, asStrings, fieldsOf, isObject, type JsonObject } from "../../../core/json.ts";
import { clip } from "../../../core/text.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { DriverAnswer } from "../records.ts";
import type { BrowserActionContext } from "./action-context.ts";
import { ActionProblem, shortReason } from "./problem.ts";
import { takePart } from "./snapshot.ts";
import type { Tab } from "./tab.ts";

type Waiting = { timeout: number; signal: AbortSignal };
type Act = {
  tab: Tab;
  args: JsonObject;
  wait: Waiting;
  /** The element that a parameter names. */ at: (name?: string) => Promise<Locator>;
};
type Kind = (act: Act, context: BrowserActionContext) => Promise<string | DriverAnswer>;

/** Characters of a kind in a message. */
const KIND_CHARS = 40;

const done = (text: string): DriverAnswer => ({ text });

/** A side of a page within what is useful. Pure. */
const clamp = (pixels: number): number => Math.round(Math.min(Math.max(pixels, 200), 4_000));

/** What can be done with a page, by `kind`. */
const KINDS: Readonly<Record<string, Kind>> = {
  click: async ({ args, wait, at }) => {
    const element = await at();
    const options = { ...wait, ...buttonOf(args), modifiers: modifiersOf(args) };
    if (args["doubleClick"] === true) await element.dblclick(options);
    else await element.click(options);
    return "Clicked.";
  },
  clickCoords: async ({ tab, args }) => {
    const [x, y] = [asNumber(args["x"]), asNumber(args["y"])];
    if (x === null || y === null) throw new ActionProblem("invalid", "clickCoords needs x and y, as in a screenshot that was not scaled.");
    await tab.page.mouse.click(x, y, { ...buttonOf(args), clickCount: args["doubleClick"] === true ? 2 : 1 });
    return "Clicked.";
  },
  hover: async ({ wait, at }) => {
    await (await at()).hover(wait);
    return "The pointer is over the element.";
  },
  scrollIntoView: async ({ wait, at }) => {
    await (await at()).scrollIntoViewIfNeeded(wait);
    return "The element is in view.";
  },
  type: async ({ args, wait, at }) => {
    const element = await at();
    const text = asString(args["text"]);
    if (args["slowly"] === true) await element.pressSequentially(text, { timeout: wait.timeout });
    else await element.fill(text, wait);
    if (args["submit"] === true) await element.press("Enter", wait);
    return args["submit"] === true ? "Typed, and pressed Enter." : "Typed.";
  },
  press: async ({ tab, args, wait, at }) => {
    const key = asString(args["key"]);
    if (key === "") throw new ActionProblem("invalid", "press needs a key, such as Enter, Tab or Control+a.");
    if (args["ref"] === undefined) await tab.page.keyboard.press(key);
    else await (await at()).press(key, wait);
    return "Pressed.";
  },
  select: async ({ args, wait, at }) => {
    await (await at()).selectOption([...asStrings(args["values"])], wait);
    return "Selected.";
  },
  drag: async ({ wait, at }) => {
    await (await at("startRef")).dragTo(await at("endRef"), wait);
    return "Dragged.";
  },
  fill,
  wait: waitFor,
  resize: async ({ tab, args }) => {
    const [width, height] = [asNumber(args["width"]) ?? 1_280, asNumber(args["height"]) ?? 800];
    await tab.page.setViewportSize({ width: clamp(width), height: clamp(height) });
    return `The page is ${clamp(width)} x ${clamp(height)}.`;
  },
  evaluate,
  batch,
  close: async ({ tab }) => {
    await tab.page.close();
    return "";
  },
};

/** Does one thing with the page of a tab. */
export const act = (context: BrowserActionContext, tab: Tab): Promise<DriverAnswer> => actWith(context.request.args, context, tab);

async function actWith(args: JsonObject, context: BrowserActionContext, tab: Tab): Promise<DriverAnswer> {
  const kind = asString(args["kind"]);
  const work = Object.hasOwn(KINDS, kind) ? KINDS[kind]! : null;
  if (work === null) {
    const what = kind === "" ? "act needs a kind" : `act has no kind ${JSON.stringify(kind.slice(0, 40))}`;
    throw new ActionProblem("invalid", `${what}. Kinds: ${Object.keys(KINDS).join(", ")}.`);
  }
  const timeout = Math.min(asNumber(args["timeoutMs"]) ?? BROWSER_LIMITS.elementMs, BROWSER_LIMITS.maxCallMs);
  const wait = { timeout, signal: context.signal };
  const at = (name = "ref"): Promise<Locator> => {
    const ref = asString(args[name]);
    if (ref === "") throw new ActionProblem("invalid", `${kind} needs ${name}, an element of the last snapshot such as e12.`);
    return tab.element(ref, context.signal);
  };
  try {
    const result = await work({ tab, args, wait, at }, context);
    return typeof result === "string" ? done(result) : result;
  } catch (err) {
    if (err instanceof ActionProblem || context.signal.aborted) throw err;
    throw new ActionProblem("failed", `${kind} failed: ${explain(err, timeout)}`);
  }
}

/** Why playwright could not do it: its log says what it waited for. */
function explain(err: unknown, timeout: number): string {
  const text = err instanceof Error ? err.message : String(err);
  if (/intercepts pointer events/.test(text)) return "another element covers it. Take a snapshot; close what covers it, or scroll.";
  if (/element is not visible|outside of the viewport/.test(text)) return "the element is not visible. Take a snapshot.";
  if (/element is not enabled/.test(text)) return "the element is disabled.";
  if (/Timeout \d+ms exceeded/.test(text)) return `it was not possible within ${timeout} ms. Take a snapshot.`;
  return shortReason(err);
}

function buttonOf(args: JsonObject): { button?: "left" | "right" | "middle" } {
  const button = args["button"];
  return button === "left" || button === "right" || button === "middle" ? { button } : {};
}

const MODIFIERS = ["Alt", "Control", "ControlOrMeta", "Meta", "Shift"] as const;
const modifiersOf = (args: JsonObject): (typeof MODIFIERS)[number][] =>
  MODIFIERS.filter((each) => asStrings(args["modifiers"]).includes(each));

/** Of an element in the page: the type of an input, or what else it is. */
export const kindOf = (element: Locator): Promise<unknown> =>
  element.evaluate((node: { nodeName: string; type?: string }) => (node.nodeName === "INPUT" ? node.type : node.nodeName));

/** Several fields of a form. */
async function fill({ tab, args, wait }: Act): Promise<string> {
  const fields = asArray(args["fields"]).filter(isObject);
  if (fields.length === 0) throw new ActionProblem("invalid", "fill needs fields: [{ref, value}].");
  for (const field of fields) {
    const element = await tab.element(asString(field["ref"]), wait.signal);
    const value = field["value"];
    const kind = await kindOf(element);
    if (kind === "checkbox" || kind === "radio") await element.setChecked(value !== false && value !== "false", wait);
    else if (kind === "SELECT") await element.selectOption(String(value), wait);
    else await element.fill(String(value ?? ""), wait);
  }
  return `Filled ${fields.length === 1 ? "the field" : `${fields.length} fields`}.`;
}

const STATES = ["load", "domcontentloaded", "networkidle"] as const;

async function waitFor({ tab: { page }, args, wait }: Act): Promise<string> {
  const { text, textGone, url, loadState, timeMs } = fieldsOf(args);
  const state = STATES.find((each) => each === loadState);
  const time = asNumber(timeMs);
  if (time !== null) await page.waitForTimeout(Math.min(Math.max(time, 0), BROWSER_LIMITS.pageMs));
  if (typeof text === "string") await page.getByText(text).first().waitFor(wait);
  if (typeof textGone === "string")
    await page
      .getByText(textGone)
      .first()
      .waitFor({ ...wait, state: "hidden" });
  if (typeof url === "string") await page.waitForURL(url, wait);
  if (state) await page.waitForLoadState(state, wait);
  if ([time, state, text, textGone, url].every((each) => each === null || each === undefined))
    throw new ActionProblem("invalid", "wait needs text, textGone, url, loadState or timeMs.");
  return "It is so.";
}

/** Runs JavaScript in the page, where the configuration allows it. */
async function evaluate({ tab, args, at }: Act, { request }: BrowserActionContext): Promise<DriverAnswer> {
  if (!request.settings.evaluateEnabled)
    throw new ActionProblem("disabled", "evaluate is off. browser.evaluateEnabled in the configuration allows it.");
  const source = asString(args["fn"]).trim();
  if (source === "") throw new ActionProblem("invalid", "evaluate needs fn, an expression or a function.");
  const isFunction = /^(?:async\s*)?(?:function\b|\([^)]*\)\s*=>|\w+\s*=>)/.test(source);
  const value: unknown =
    args["ref"] === undefined
      ? await tab.page.evaluate(isFunction ? `(${source})()` : source)
      : await (await at()).evaluate(`(node) => (${isFunction ? source : `() => (${source})`})(node)`);
  const { text, next } = takePart(JSON.stringify(value, null, 1) ?? "undefined", 0, BROWSER_LIMITS.compactBytes);
  return {
    text: "",
    content: { url: tab.page.url(), text },
    notes: next === null ? [] : ["The value is longer; only its beginning is shown."],
  };
}

/**
 * Several things one after another. It ends with the first that fails unless `stopOnError` is false, and when another document follows: the
 * refs of the rest are not of it.
 */
async function batch({ tab, args }: Act, context: BrowserActionContext): Promise<DriverAnswer> {
  const actions = asArray(args["actions"]).filter(isObject);
  if (actions.length === 0 || actions.length > BROWSER_LIMITS.batchActions)
    throw new ActionProblem("invalid", `batch needs actions: [{kind, ...}], at most ${BROWSER_LIMITS.batchActions}.`);
  if (actions.some((each) => each["kind"] === "batch"))
    throw new ActionProblem("invalid", "A batch cannot be in a batch. Nothing was done.");
  const { documents } = tab;
  const lines: string[] = [];
  let failure: ActionProblem | null = null;
  for (const [index, action] of actions.entries()) {
    const name = `${index + 1}. ${clip(asString(action["kind"]), KIND_CHARS)}`;
    try {
      const { text, content } = await actWith(action, context, tab);
      lines.push(`${name}: ${text || "done."}`);
      // What a page gave is shown alone: it is quoted.
      if (content && index === actions.length - 1) return { text: lines.join("\n"), content };
    } catch (err) {
      if (!(err instanceof ActionProblem)) throw err;
      failure = err;
      lines.push(`${name}: ${err.message}`);
      if (args["stopOnError"] !== false) break;
    }
    if (tab.page.isClosed() || tab.documents !== documents) break;
  }
  const skipped = actions.length - lines.length;
  if (skipped > 0)
    lines.push(
      `${skipped === 1 ? "1 action was" : `${skipped} actions were`} not done: ${failure === null ? "another page is open" : "one failed"}.`,
    );
  if (failure !== null && args["stopOnError"] !== false) throw new ActionProblem(failure.code, lines.join("\n"), failure.content);
  return done(lines.join("\n"));
}
