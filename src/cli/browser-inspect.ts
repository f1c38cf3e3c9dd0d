import { CliError, EXIT } from "../core/errors.ts";
import { asNumber, asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Args = Record<string, unknown>;

function usage(what: string, fix: string): never {
  throw new CliError(what, { fix, exit: EXIT.usage });
}

/** The words after an operation: a name and a value to set, or at most one to read. */
function toWords(operation: string, words: readonly string[], name: string): Args {
  if (operation === "set") {
    if (words.length !== 2)
      usage(`set takes a ${name} and a value`, `openclaw browser ${name === "key" ? "storage local" : "cookies"} set theme dark`);
    return { [name]: words[0], value: words[1] };
  }
  const most = operation === "get" && name === "key" ? 1 : 0;
  if (words.length > most) usage(`${operation} takes ${most === 0 ? "no name" : "at most one key"}`, "openclaw browser cookies --help");
  return most === 1 && words.length === 1 ? { key: words[0] } : {};
}

const TO_ARGS: Readonly<Record<string, (invocation: Invocation) => Args>> = {
  cookies: (invocation) => {
    const [operation = "get", ...words] = invocation.args;
    const values = operation === "get" && invocation.has("values") ? { values: true } : {};
    return { operation, ...toWords(operation, words, "name"), ...values, url: invocation.text("url") };
  },
  storage: (invocation) => {
    const [kind, operation = "get", ...words] = invocation.args;
    const values = operation === "get" && invocation.has("values") ? { values: true } : {};
    return { kind, operation, ...toWords(operation, words, "key"), ...values };
  },
  highlight: ({ args: [ref] }) => ({ ref }),
  trace: (invocation) => {
    const [operation] = invocation.args;
    if (operation === "stop") return { operation };
    return { operation, screenshots: !invocation.has("no-screenshots"), snapshots: !invocation.has("no-snapshots") };
  },
};

/** A value, or how long it is. */
const shown = ({ value, valueChars }: JsonObject): string =>
  typeof value === "string" ? value : `(${asNumber(valueChars) ?? "?"} characters)`;

function toLines(data: JsonObject): string[] {
  const cookies = asObjects(data["cookies"]).map((cookie) => {
    const marks = [cookie["httpOnly"] === true && "HttpOnly", cookie["secure"] === true && "Secure"].filter((each) => each !== false);
    return `${asString(cookie["name"])} = ${shown(cookie)}  ${asString(cookie["domain"])}${asString(cookie["path"])} ${marks.join(" ")}`.trimEnd();
  });
  const entries = asObjects(data["entries"]).map((entry) => `${asString(entry["key"])} = ${shown(entry)}`);
  const leftOut = asNumber(data["leftOut"]) ?? 0;
  const lines = [...cookies, ...entries, ...(leftOut > 0 ? [`${leftOut} more entries are left out.`] : [])];
  const isList = data["cookies"] !== undefined || data["entries"] !== undefined;
  return isList && lines.length === 0 ? ["There is nothing."] : lines;
}

/** `openclaw browser cookies`, `storage`, `highlight` and `trace`. */
export const browserInspect =
  (action: string): CommandHandler =>
  async (invocation) => {
    const { out } = invocation;
    const given: Args = { targetId: invocation.text("tab"), profile: invocation.text("browser-profile"), ...TO_ARGS[action]!(invocation) };
    const args = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const agentId = requireKnownAgent(invocation, invocation.text("agent"));
    const sessionKey = invocation.text("session-key");
    const { content, data } = await callGateway<{ content: { text: string }[]; data: JsonObject }>(
      invocation,
      ["operator.admin"],
      "browser.request",
      { action, args, ...(agentId !== undefined && { agentId }), ...(sessionKey !== undefined && { sessionKey }) },
    );
    const text = content.map((part) => part.text).join("\n");
    out.result({ ...fieldsOf(data), ...(text !== "" && { text }) }, () => {
      for (const line of [...toLines(fieldsOf(data)), ...(text === "" ? [] : text.split("\n"))]) out.line(sanitizeLine(line));
    });
  };
