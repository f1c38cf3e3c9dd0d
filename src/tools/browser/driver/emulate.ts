import { devices, type CDPSession, type Page } from "playwright-core";
import { suggest } from "../../../config/suggest.ts";
import { asString, fieldsOf, type JsonObject } from "../../../core/json.ts";
import type { DriverAnswer } from "../records.ts";
import { ActionProblem } from "./problem.ts";
import type { Tab } from "./tab.ts";

type Emulation = { page: Page; session: CDPSession; args: JsonObject; tab: Tab };
/** Sets one thing; resolves to what was set, in a few words. */
type Setter = (emulation: Emulation) => Promise<string>;

const SCHEMES = ["dark", "light", "no-preference"] as const;
const MAX_HEADERS = 50;

const invalid = (message: string): ActionProblem => new ActionProblem("invalid", `${message} Nothing was set.`);

/** What can be emulated, by its parameter, in the order in which it is set. */
const SETTERS: Readonly<Record<string, Setter>> = {
  device: setDevice,
  colorScheme: async ({ page, args }) => {
    const name = asString(args["colorScheme"]);
    const scheme = SCHEMES.find((each) => each === name);
    if (scheme === undefined && name !== "none") throw invalid("colorScheme is dark, light, no-preference or none.");
    await page.emulateMedia({ colorScheme: scheme ?? null });
    return `color scheme ${name}`;
  },
  timezoneId: async ({ session, args }) => {
    const timezoneId = asString(args["timezoneId"]);
    // Chromium takes any text.
    if (!isTimeZone(timezoneId)) throw invalid("timezoneId is a name such as Europe/Berlin.");
    await session.send("Emulation.setTimezoneOverride", { timezoneId });
    return `time zone ${timezoneId}`;
  },
  locale: async ({ session, args }) => {
    const locale = asString(args["locale"]);
    // Chromium takes any text.
    if (!/^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,6}$/.test(locale)) throw invalid("locale is a language such as de-DE.");
    await session.send("Emulation.setLocaleOverride", { locale });
    return `locale ${locale}`;
  },
  geolocation: async ({ page, session, args }) => {
    const [latitude, longitude, accuracy = 10] = asString(args["geolocation"]).split(",").map(Number);
    const isPlace = Math.abs(latitude ?? NaN) <= 90 && Math.abs(longitude ?? NaN) <= 180 && accuracy >= 0;
    if (!isPlace) throw invalid("geolocation is latitude,longitude, such as 52.52,13.405.");
    const origin = originOf(page.url());
    if (origin !== null) await page.context().grantPermissions(["geolocation"], { origin });
    await session.send("Emulation.setGeolocationOverride", { latitude: latitude!, longitude: longitude!, accuracy });
    return `place ${latitude},${longitude}${origin === null ? "" : `, which ${origin} may ask for`}`;
  },
  offline: async ({ session, args }) => {
    const offline = args["offline"] === true;
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    return offline ? "offline" : "online";
  },
  headers: async ({ page, args }) => {
    const headers = Object.entries(fieldsOf(args["headers"])).map(([name, value]) => [name, asString(value)] as const);
    if (headers.length > MAX_HEADERS || headers.some(([name, value]) => !/^[\w-]{1,100}$/.test(name) || /[\r\n\0]/.test(value)))
      throw invalid(`headers has at most ${MAX_HEADERS} names of headers with a text without line ends.`);
    await page.setExtraHTTPHeaders(Object.fromEntries(headers));
    return headers.length === 0 ? "no further headers" : `headers ${headers.map(([name]) => name).join(", ")}`;
  },
  credentials: setCredentials,
};

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (err) {
    if (err instanceof RangeError) return false;
    throw err;
  }
}

/** Sets what a page sees of its device and surroundings, in one tab until it is closed. */
export async function emulate(tab: Tab, args: JsonObject): Promise<DriverAnswer> {
  const wanted = Object.keys(SETTERS).filter((name) => args[name] !== undefined);
  if (wanted.length === 0) throw invalid(`emulate needs one of ${Object.keys(SETTERS).join(", ")}.`);
  const session = (tab.emulation ??= await tab.page.context().newCDPSession(tab.page));
  const done: string[] = [];
  for (const name of wanted) done.push(await SETTERS[name]!({ page: tab.page, session, args, tab }));
  return { text: `Set in ${tab.id}: ${done.join("; ")}. A page that is open may need navigate to notice.` };
}

async function setDevice({ page, session, args }: Emulation): Promise<string> {
  const wanted = asString(args["device"]);
  const names = Object.keys(devices);
  const name = names.find((each) => each.toLowerCase() === wanted.toLowerCase());
  if (name === undefined) {
    const meant = suggest(wanted, names);
    throw invalid(`There is no device ${JSON.stringify(wanted.slice(0, 60))}.${meant === undefined ? "" : ` Did you mean ${meant}?`}`);
  }
  const { viewport, userAgent, deviceScaleFactor, isMobile, hasTouch } = devices[name]!;
  await page.setViewportSize(viewport);
  await session.send("Emulation.setUserAgentOverride", { userAgent });
  await session.send("Emulation.setDeviceMetricsOverride", { ...viewport, deviceScaleFactor, mobile: isMobile });
  await session.send("Emulation.setTouchEmulationEnabled", { enabled: hasTouch });
  return `device ${name} (${viewport.width} x ${viewport.height})`;
}

/** Only for one site: elsewhere they would be given away. */
async function setCredentials({ page, session, args, tab }: Emulation): Promise<string> {
  const text = asString(args["credentials"]);
  const at = text.indexOf(":");
  const origin = originOf(asString(args["targetUrl"]) || page.url());
  if (origin === null) throw invalid("credentials are for one site: name it as targetUrl, or open it first.");
  if (at < 1 && text !== "") throw invalid("credentials is user:password.");
  tab.credentials = text === "" ? null : { username: text.slice(0, at), password: text.slice(at + 1) };
  if (tab.credentials === null) {
    await session.send("Fetch.disable");
    return "no credentials";
  }
  if (!tab.answersChallenges) answerChallenges(session, tab);
  await session.send("Fetch.enable", { handleAuthRequests: true, patterns: [{ urlPattern: `${origin}/*` }] });
  return `credentials for ${origin}`;
}

/** Each request gets one answer: of a site that refuses it, the page that says so is shown. */
function answerChallenges(session: CDPSession, tab: Tab): void {
  tab.answersChallenges = true;
  const answered = new Set<string>();
  // A page that has gone takes its requests with it.
  session.on("Fetch.requestPaused", ({ requestId }) => void session.send("Fetch.continueRequest", { requestId }).catch(() => {}));
  session.on("Fetch.authRequired", ({ requestId, authChallenge }) => {
    const { credentials } = tab;
    const isFirst = !answered.has(requestId) && authChallenge.source === "Server" && credentials !== null;
    answered.add(requestId);
    const response = isFirst ? { response: "ProvideCredentials" as const, ...credentials } : { response: "Default" as const };
    void session.send("Fetch.continueWithAuth", { requestId, authChallengeResponse: response }).catch(() => {});
  });
}

function originOf(address: string): string | null {
  const url = URL.parse(address);
  return url !== null && /^https?:$/.test(url.protocol) ? url.origin : null;
}
