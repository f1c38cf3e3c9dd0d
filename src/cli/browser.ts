import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { asObject, tryParseJson } from "../core/json.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { sanitizeText } from "./terminal-text.ts";

type Content = { type: "text"; text: string } | { type: "image"; mimeType: string; data: string };
type Args = Record<string, unknown>;
type ToArgs = (invocation: Invocation) => Args;

const act =
  (kind: string, toArgs: ToArgs): ToArgs =>
  (invocation) => ({ kind, ...toArgs(invocation) });

/** `e12=Ada` as a field. */
function toField(text: string): Args {
  const at = text.indexOf("=");
  if (at > 0) return { ref: text.slice(0, at), value: text.slice(at + 1) };
  throw new CliError(`${JSON.stringify(text)} names no value`, { fix: "Write ref=value, such as e12=Ada.", exit: EXIT.usage });
}

/** What `set` sets, as arguments of emulate, or of an act for the size of the window. */
function toEmulation(invocation: Invocation): Args {
  const [what = "", ...values] = invocation.args;
  const [value = ""] = values;
  if (what === "viewport") return { kind: "resize", width: Number(value), height: Number(values[1]) };
  if (what === "offline") return { offline: value === "on" };
  if (what === "media") return { colorScheme: value };
  if (what === "timezone") return { timezoneId: value };
  if (what === "geo") return { geolocation: [...values, invocation.text("accuracy")].filter((each) => each !== undefined).join(",") };
  if (what === "headers") return { headers: asObject(tryParseJson(value)) ?? refuse(`${value} is not a JSON object of headers`) };
  if (what === "credentials") return { credentials: values.join(":") };
  return { [what]: values.join(" ") };
}

function refuse(what: string): never {
  throw new CliError(sanitizeText(what), { fix: `openclaw browser set headers '{"x-test":"1"}'`, exit: EXIT.usage });
}

/** The arguments of each action; those of `act` have a kind. */
const ACTIONS: Readonly<Record<string, ToArgs>> = {
  doctor: (invocation) => ({ deep: invocation.has("deep") }),
  open: ({ args: [targetUrl] }) => ({ targetUrl }),
  navigate: ({ args: [targetUrl] }) => ({ targetUrl }),
  focus: ({ args: [targetId] }) => ({ targetId }),
  close: ({ args: [targetId] }) => ({ targetId }),
  snapshot: (invocation) => ({ compact: invocation.has("compact"), offset: invocation.number("offset") }),
  screenshot: (invocation) => ({ fullPage: invocation.has("full-page"), ref: invocation.text("ref") }),
  click: act("click", ({ args: [ref] }) => ({ ref })),
  type: act("type", (invocation) => ({ ref: invocation.args[0], text: invocation.args[1], submit: invocation.has("submit") })),
  fill: act("fill", ({ args }) => ({ fields: args.map(toField) })),
  evaluate: act("evaluate", ({ args: [fn] }) => ({ fn })),
  press: act("press", ({ args: [key] }) => ({ key })),
  hover: act("hover", ({ args: [ref] }) => ({ ref })),
  select: act("select", ({ args: [ref, ...values] }) => ({ ref, values })),
  drag: act("drag", ({ args: [startRef, endRef] }) => ({ startRef, endRef })),
  wait: act("wait", ({ args: [text] }) => ({ text })),
  upload: ({ args: [ref, ...paths] }) => ({ ref, paths }),
  download: (invocation) => ({ ref: invocation.args[0], path: invocation.text("out") }),
  pdf: (invocation) => ({ path: invocation.text("out") }),
  dialog: (invocation) => ({ accept: invocation.args[0] === "accept", promptText: invocation.text("text") }),
  set: toEmulation,
  requests: (invocation) => ({ filter: invocation.text("filter") }),
};

/** Commands whose action has another name. */
const OTHER_ACTIONS: Readonly<Record<string, string>> = { set: "emulate" };

/** `openclaw browser <action>` */
export const browserAction =
  (name: string): CommandHandler =>
  async (invocation) => {
    const { out } = invocation;
    const given: Args = { targetId: invocation.text("tab"), profile: invocation.text("browser-profile"), ...ACTIONS[name]?.(invocation) };
    const args = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const agentId = requireKnownAgent(invocation, invocation.text("agent"));
    const sessionKey = invocation.text("session-key");
    const { content } = await callGateway<{ content: Content[] }>(invocation, ["operator.admin"], "browser.request", {
      action: args["kind"] === undefined ? (OTHER_ACTIONS[name] ?? name) : "act",
      args,
      ...(agentId !== undefined && { agentId }),
      ...(sessionKey !== undefined && { sessionKey }),
    });
    const text = content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
    const image = content.find((part) => part.type === "image");
    const file = image && savePicture(invocation, image.mimeType, image.data);
    out.result({ text, ...(file !== undefined && { file }) }, () => {
      for (const line of sanitizeText(text).split("\n")) out.line(line);
      if (file !== undefined) out.line(`Saved ${file}.`);
    });
  };

/** Writes a picture of a page to the file that was named. */
function savePicture({ args: [named], host }: Invocation, mimeType: string, data: string): string {
  const path = resolve(host.cwd, named ?? `screenshot.${mimeType === "image/png" ? "png" : "jpg"}`);
  try {
    writeFileSync(path, Buffer.from(data, "base64"));
  } catch (err) {
    throw new CliError(`the picture cannot be written to ${path}`, { why: reasonOf(err), fix: "Name another file.", exit: EXIT.failure });
  }
  return path;
}
