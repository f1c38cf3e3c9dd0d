import { asString, type JsonObject } from "../core/json.ts";

/** A request to the browser in the form of OpenClaw's command line: those of a server with paths. */
export type RouteRequest = { method: string; path: string; query: JsonObject; body: JsonObject };
/** What it asks: something about the browsers, or an action of the tool; a text says why it is not served. */
export type RouteCall =
  | { about: "status" | "profiles" | "tabs" | "doctor" | "reset" }
  | { action: string; args: JsonObject; /** The field of the answer that the text is in. */ as?: "snapshot" }
  | string;

type ToCall = (request: RouteRequest) => RouteCall;

const act = (action: string, pick: (given: JsonObject) => JsonObject = (given) => given): ToCall => {
  return ({ query, body }) => ({ action, args: pick({ ...query, ...body }) });
};
const emulate = (pick: (given: JsonObject) => JsonObject): ToCall =>
  act("emulate", (given) => ({ targetId: given["targetId"], ...pick(given) }));

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

/** The tool takes what is there only. */
function withoutEmpty(call: RouteCall): RouteCall {
  if (typeof call === "string" || "about" in call) return call;
  return {
    ...call,
    args: Object.fromEntries(
      Object.entries(call.args).filter(([name, value]) => value !== undefined && (value !== "" || name === "credentials")),
    ),
  };
}
