import { asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";

/** A request to the browser in the form of OpenClaw's command line: those of a server with paths. */
export type RouteRequest = { method: string; path: string; query: JsonObject; body: JsonObject };
/** What it asks: something about the browsers, or an action of the tool; a text says why it is not served. */
export type RouteCall =
  | { about: "status" | "profiles" | "tabs" | "doctor" | "reset" }
  | { about: "tab"; index: number; doing: "focus" | "close" }
  | { action: string; args: JsonObject; /** What the text of the answer becomes. */ as?: RouteAnswer }
  /** What only operators do. */
  | { inspect: string; args: JsonObject }
  | string;

export type RouteAnswer = "snapshot" | "saved" | "download" | "console" | "errors" | "requests";

type ToCall = (request: RouteRequest) => RouteCall;

const act = (action: string, pick: (given: JsonObject) => JsonObject = (given) => given): ToCall => {
  return ({ query, body }) => ({ action, args: pick({ ...query, ...body }) });
};
const emulate = (pick: (given: JsonObject) => JsonObject): ToCall =>
  act("emulate", (given) => ({ targetId: given["targetId"], ...pick(given) }));

type Pick = (given: JsonObject) => JsonObject;
const inspect = (action: string, operation: string | null, pick: Pick = () => ({})): ToCall => {
  return ({ query, body }) => {
    const given = { ...query, ...body };
    return {
      inspect: action,
      args: withoutMissing({ ...(operation !== null && { operation }), targetId: given["targetId"], ...pick(given) }),
    };
  };
};
const storage = (kind: "local" | "session"): Readonly<Record<string, ToCall>> => ({
  [`GET /storage/${kind}`]: inspect("storage", "get", ({ key, values }) => ({ kind, key, values })),
  [`POST /storage/${kind}/set`]: inspect("storage", "set", ({ key, value }) => ({ kind, key, value })),
  [`POST /storage/${kind}/clear`]: inspect("storage", "clear", () => ({ kind })),
});

/** A file lands among the downloads where none is named. */
const saving = (action: string, as: "saved" | "download", pick: Pick): ToCall => {
  return ({ query, body }) => ({ action, args: { path: "downloads/", ...withoutMissing(pick({ ...query, ...body })) }, as });
};
const reading = (action: "console" | "errors" | "requests", pick: Pick): ToCall => {
  return ({ query }) => ({ action, args: pick({ ...query }), as: action });
};

/** The tabs of a conversation by their position, counted from 0. */
function toTabCall({ action, index = 0 }: JsonObject): RouteCall {
  if (action === "list") return { about: "tabs" };
  if (action === "new") return { action: "open", args: { targetUrl: "about:blank" } };
  if ((action === "select" || action === "close") && typeof index === "number")
    return { about: "tab", index, doing: action === "select" ? "focus" : "close" };
  return `the tab action ${JSON.stringify(action)?.slice(0, 40) ?? "without a name"} is not served; list, new, select and close are`;
}

/** What a text of the tool is in the words of OpenClaw's command line. Pure. */
export function toRouteFields(as: RouteAnswer, text: string): JsonObject {
  if (as === "snapshot") return { format: "ai", snapshot: text };
  if (as === "saved" || as === "download") {
    const path = /^Saved (.+) \(/.exec(text)?.[1] ?? "";
    return as === "saved" ? { path } : { download: { path } };
  }
  // The lines of a page are quotations.
  const lines = text.split("\n").flatMap((line) => (line.startsWith("> ") ? [line.slice(2)] : []));
  if (as === "requests") return { requests: lines.map(toRequest) };
  const messages = lines
    .map((line) => /^(\w+): (.*)$/s.exec(line))
    .map((found, at) => ({ type: found?.[1] ?? "log", text: found?.[2] ?? lines[at]! }));
  if (as === "console") return { messages };
  return { errors: messages.map(({ text: message }) => ({ message, timestamp: "" })) };
}

/** The entries of a storage by their keys, as OpenClaw's command line reads them; an entry without its value is null. Pure. */
export function toInspectFields({ entries, ...data }: JsonObject): JsonObject {
  if (entries === undefined) return data;
  const values = asObjects(entries).map(({ key, value = null }) => [asString(key), value] as const);
  return { ...data, values: Object.fromEntries(values) };
}

/** `GET https://example.org/ 200 document`, or `GET https://example.org/ failed`. */
function toRequest(line: string): JsonObject {
  const [, method = "", url = line, status] = /^([A-Z]+) (\S+) (?:failed$|(\d{3})(?: |$))/.exec(line) ?? [];
  const code = status === undefined ? null : Number(status);
  return { timestamp: "", method, url, ...(code !== null && { status: code }), ok: code !== null && code < FIRST_ERROR };
}

const FIRST_ERROR = 400;

const PLACE = ["latitude", "longitude", "accuracy"] as const;

/** The routes that are served, in the words `METHOD path`. */
const ROUTES: Readonly<Record<string, ToCall>> = {
  "GET /": () => ({ about: "status" }),
  "GET /doctor": () => ({ about: "doctor" }),
  "GET /profiles": () => ({ about: "profiles" }),
  "GET /tabs": () => ({ about: "tabs" }),
  "POST /reset-profile": () => ({ about: "reset" }),
  "POST /start": act("start"),
  "POST /stop": act("stop"),
  "POST /tabs/open": act("open", ({ url }) => ({ targetUrl: url })),
  "POST /tabs/focus": act("focus"),
  "POST /navigate": act("navigate", ({ url, targetId }) => ({ targetUrl: url, targetId })),
  "POST /act": act("act"),
  "GET /snapshot": ({ query }) => ({
    action: "snapshot",
    args: { ...query, compact: query["compact"] ?? query["interactive"] },
    as: "snapshot",
  }),
  "POST /hooks/dialog": act("dialog"),
  // OpenClaw arms the next chooser; here the element that opens it is named.
  "POST /hooks/file-chooser": act("upload", ({ paths, ref, inputRef, targetId }) => ({ paths, ref: inputRef ?? ref, targetId })),
  "POST /screenshot": saving("screenshot", "saved", ({ targetId, fullPage, ref, type }) => ({ targetId, fullPage, ref, type })),
  "POST /pdf": saving("pdf", "saved", ({ targetId }) => ({ targetId })),
  "POST /download": saving("download", "download", ({ ref, path, targetId }) => ({ ref, path, targetId })),
  "POST /wait/download": saving("waitfordownload", "download", ({ path, targetId }) => ({ path, targetId })),
  "GET /console": reading("console", ({ level, targetId }) => ({ level, targetId })),
  "GET /errors": reading("errors", ({ targetId }) => ({ targetId })),
  "GET /requests": reading("requests", ({ filter, targetId }) => ({ filter, targetId })),
  "POST /tabs/action": ({ body }) => toTabCall(body),
  "GET /cookies": inspect("cookies", "get", ({ values }) => ({ values })),
  // The fields of a cookie come in an object.
  "POST /cookies/set": inspect("cookies", "set", ({ cookie }) => fieldsOf(cookie)),
  "POST /cookies/clear": inspect("cookies", "clear"),
  ...storage("local"),
  ...storage("session"),
  "POST /highlight": inspect("highlight", null, ({ ref }) => ({ ref })),
  "POST /trace/start": inspect("trace", "start", ({ screenshots, snapshots, sources }) => ({
    screenshots,
    snapshots,
    ...(sources === true && { sources }),
  })),
  "POST /trace/stop": inspect("trace", "stop", ({ path }) => ({ path })),
  "POST /set/offline": emulate(({ offline }) => ({ offline })),
  "POST /set/headers": emulate(({ headers }) => ({ headers })),
  "POST /set/media": emulate(({ colorScheme }) => ({ colorScheme })),
  "POST /set/timezone": emulate(({ timezoneId }) => ({ timezoneId })),
  "POST /set/locale": emulate(({ locale }) => ({ locale })),
  "POST /set/device": emulate(({ name }) => ({ device: name })),
  "POST /set/credentials": emulate(({ username, password, clear }) => ({
    credentials: clear === true ? "" : `${asString(username)}:${asString(password)}`,
  })),
  "POST /set/geolocation": emulate((given) => ({
    geolocation: PLACE.map((name) => given[name])
      .filter((each) => each !== undefined && each !== null)
      .join(","),
  })),
};

/** What a request asks for. Pure. */
export function toRouteCall(request: RouteRequest): RouteCall {
  const { method, path } = request;
  const name = `${method.toUpperCase()} ${path}`;
  const route = Object.hasOwn(ROUTES, name) ? ROUTES[name]! : null;
  if (route !== null) return withoutEmpty(route(request));
  const [, tab] = /^DELETE \/tabs\/([^/]+)$/.exec(name) ?? [];
  if (tab !== undefined) return { action: "close", args: { targetId: decodeURIComponent(tab) } };
  if (/^(?:POST \/profiles\/create|DELETE \/profiles\/)/.test(name))
    return "profiles are in the configuration: openclaw browser create-profile and delete-profile of this gateway change them";
  return `${name.slice(0, 100)} is not served; the command line of this gateway has what is: openclaw browser --help`;
}

const withoutMissing = (args: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined && value !== null));

/** The tool takes what is there only. */
function withoutEmpty(call: RouteCall): RouteCall {
  if (typeof call === "string" || "about" in call || "inspect" in call) return call;
  return {
    ...call,
    args: Object.fromEntries(
      Object.entries(call.args).filter(([name, value]) => value !== undefined && (value !== "" || name === "credentials")),
    ),
  };
}
