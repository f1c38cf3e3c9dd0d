/** The platforms that nodes run on. `unknown`: it did not say, or what it said does not fit together. */
export const NODE_PLATFORMS = ["ios", "watchos", "android", "macos", "windows", "linux", "unknown"] as const;
export type NodePlatform = (typeof NODE_PLATFORMS)[number];

/** Commands that act on a person's device, or read what is private there: they run only where the configuration names them. */
export const OPT_IN_COMMANDS: ReadonlySet<string> = new Set([
  "camera.snap",
  "camera.clip",
  "camera.ptz.control",
  "screen.record",
  "contacts.add",
  "calendar.add",
  "reminders.add",
  "sms.send",
  "sms.search",
  "health.summary",
]);

/** Commands that only an administrator calls. */
export const ADMIN_COMMANDS: ReadonlySet<string> = new Set([
  "browser.proxy",
  "browser.proxy.upload.v1",
  "fs.listDir",
  "terminal.upload",
  "desktop.stream",
  "dir.fetch",
  "dir.list",
  "file.create",
  "file.fetch",
  "file.stat",
  "file.write",
]);

/** Commands of the protocol between gateway and node, which have methods of their own. */
export const RESERVED_COMMANDS: ReadonlySet<string> = new Set(["system.execApprovals.get", "system.execApprovals.set"]);

const FILES = ["dir.fetch", "dir.list", "file.create", "file.fetch", "file.stat", "file.write"] as const;
/** Commands with which a machine runs programs or moves files: a node declares them, and an administrator approves them. */
export const HOST_COMMANDS: ReadonlySet<string> = new Set([
  "system.run",
  "system.run.prepare",
  "system.which",
  ...RESERVED_COMMANDS,
  ...FILES,
  "fs.listDir",
  "terminal.upload",
  "browser.proxy",
  "browser.proxy.upload.v1",
  "mcp.tools.call.v1",
  "screen.snapshot",
  "desktop.stream",
]);

const DEVICE = ["device.info", "device.status"] as const;
const PERSONAL = ["contacts.search", "calendar.events", "reminders.list", "photos.latest", "motion.activity", "motion.pedometer"] as const;
const SCREEN = ["screen.snapshot", "desktop.stream"] as const;
const HOST = [...HOST_COMMANDS, "system.notify"] as const;
const TALK = ["talk.ptt.start", "talk.ptt.stop", "talk.ptt.cancel", "talk.ptt.once"] as const;
const CANVAS = [
  "canvas.present",
  "canvas.hide",
  "canvas.navigate",
  "canvas.eval",
  "canvas.snapshot",
  "canvas.a2ui.push",
  "canvas.a2ui.reset",
] as const;
const MODELS = ["ollama.chat", "ollama.models"] as const;

/** What the nodes of each platform may run without an entry in the configuration, once a person has approved it. */
export const PLATFORM_COMMANDS: Readonly<Record<NodePlatform, ReadonlySet<string>>> = {
  ios: new Set([
    "camera.list",
    "location.get",
    "system.notify",
    "watch.status",
    "watch.notify",
    ...DEVICE,
    ...PERSONAL,
    ...TALK,
    ...CANVAS,
  ]),
  watchos: new Set(["system.notify", ...DEVICE]),
  android: new Set([
    "camera.list",
    "location.get",
    "system.notify",
    "notifications.list",
    "notifications.actions",
    "callLog.search",
    "device.apps",
    "device.health",
    "device.permissions",
    "mobile.ui.act",
    "mobile.ui.observe",
    ...DEVICE,
    ...PERSONAL,
    ...TALK,
    ...CANVAS,
  ]),
  macos: new Set([
    "camera.list",
    "camera.ptz.status",
    "location.get",
    "device.apps",
    "computer.act",
    ...DEVICE,
    ...PERSONAL,
    ...SCREEN,
    ...HOST,
    ...TALK,
    ...CANVAS,
    ...MODELS,
  ]),
  windows: new Set(["camera.list", "location.get", "computer.act", ...DEVICE, ...SCREEN, ...HOST, ...CANVAS, ...MODELS]),
  linux: new Set(["computer.act", ...SCREEN, ...HOST, ...CANVAS, ...MODELS]),
  unknown: new Set(["camera.list", "location.get", "system.notify"]),
};

const FAMILIES: Readonly<Record<Exclude<NodePlatform, "unknown">, RegExp>> = {
  ios: /^(?:iphone|ipad|ios)$/,
  watchos: /^(?:apple watch|watchos)$/,
  android: /^android$/,
  macos: /^(?:mac|macos)$/,
  windows: /^windows$/,
  linux: /^linux$/,
};

/** Names of a platform that clients write, with or without a version. */
const LABELS: readonly [pattern: RegExp, platform: Exclude<NodePlatform, "unknown">][] = [
  [/^(?:ios|ipados)(?: [\d.]+)?$/, "ios"],
  [/^watchos(?: [\d.]+)?$/, "watchos"],
  [/^android(?: \d+(?: \(sdk \d+\))?)?$/, "android"],
  [/^(?:macos|darwin)(?: [\d.]+)?$/, "macos"],
  [/^(?:windows|win32)(?: [\d.]+)?$/, "windows"],
  [/^linux$/, "linux"],
];

/** Phones may leave out their family; a machine with a shell has to name it, so that no device turns into one by a single word. */
const MAY_LACK_FAMILY: ReadonlySet<NodePlatform> = new Set(["ios", "android"]);

const normalize = (text: string | undefined): string => (text ?? "").normalize("NFKD").replaceAll(/\p{M}/gu, "").trim().toLowerCase();

/** The platform by what a node says of itself; both texts have to agree. Pure. */
export function platformOf({ platform, deviceFamily }: { platform?: string; deviceFamily?: string }): NodePlatform {
  const name = normalize(platform);
  const family = normalize(deviceFamily);
  const found = LABELS.find(([pattern]) => pattern.test(name))?.[1];
  if (name !== "" && found === undefined) return "unknown";
  const wanted = found ?? LABELS.map(([, each]) => each).find((each) => FAMILIES[each].test(family));
  if (wanted === undefined) return "unknown";
  if (family === "") return MAY_LACK_FAMILY.has(wanted) ? wanted : "unknown";
  return FAMILIES[wanted].test(family) ? wanted : "unknown";
}
