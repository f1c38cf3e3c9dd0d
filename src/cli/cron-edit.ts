import { parseDurationMs } from "../config/quantity.ts";
import { isTimeZone } from "../config/time-zone.ts";
import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { showPreview, shortId, type JobView } from "./cron.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { sanitizeLine } from "./terminal-text.ts";

const ADMIN = ["operator.admin"] as const;
type Wire = Record<string, unknown>;

const usage = (what: string, fix: string): CliError => new CliError(what, { fix, exit: EXIT.usage });

function requireDuration(invocation: Invocation, flag: string): number {
  const text = invocation.text(flag)!;
  const ms = parseDurationMs(text, "s");
  if (ms === null || ms <= 0)
    throw usage(`--${flag} ${JSON.stringify(text.slice(0, 40))} is not a duration`, "write it as 30s, 10m, 1h or 1d");
  return ms;
}

/** The offset of a zone at a moment, in milliseconds. */
function offsetOf(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(at);
  const value = (type: string): number => Number(parts.find((part) => part.type === type)!.value);
  return (
    Date.UTC(value("year"), value("month") - 1, value("day"), value("hour"), value("minute"), value("second")) -
    Math.floor(at / 1_000) * 1_000
  );
}

/** The moment of `--at`: after a duration, or a time, which is in the zone of `--tz` or of this terminal where it names no offset. */
export function parseAt(text: string, timeZone: string, now: number): number | null {
  const after = /^\+?\s*\d/.test(text) && !/^\d{4}-/.test(text) ? parseDurationMs(text.replace(/^\+/, ""), "s") : null;
  if (after !== null) return now + after;
  const written = Date.parse(
    /(?:[zZ]|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text.replace(" ", "T")}${/^\d{4}-\d\d-\d\d$/.test(text) ? "T00:00" : ""}Z`,
  );
  if (Number.isNaN(written)) return null;
  if (/(?:[zZ]|[+-]\d\d:?\d\d)$/.test(text)) return written;
  // Twice: the offset is that of the moment which is looked for.
  const guess = written - offsetOf(written, timeZone);
  return written - offsetOf(guess, timeZone);
}

function scheduleOf(invocation: Invocation): Wire | undefined {
  const given = ["at", "every", "cron"].filter((flag) => invocation.has(flag));
  if (given.length > 1) throw usage(`--${given.join(" and --")} exclude each other`, "name one of them");
  const tz = invocation.text("tz");
  if (tz !== undefined && !isTimeZone(tz))
    throw usage(`--tz ${JSON.stringify(tz.slice(0, 60))} is not a time zone`, "use a name such as Europe/Berlin or UTC");
  const [kind] = given;
  const useless = ["tz", "stagger", "exact"].find((flag) => invocation.has(flag) && kind !== "cron" && !(flag === "tz" && kind === "at"));
  if (useless !== undefined) throw usage(`--${useless} has no effect without --cron`, "name the expression too");
  if (kind === undefined) return undefined;
  if (kind === "every") return { kind, everyMs: requireDuration(invocation, "every") };
  if (kind === "at") {
    const text = invocation.text("at")!.trim();
    const zone = tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
    const at = parseAt(text, zone, invocation.host.now());
    if (at === null) throw usage(`--at ${JSON.stringify(text.slice(0, 40))} is not a time`, "write it as 2027-01-31T09:00 or 20m");
    return { kind, at: new Date(at).toISOString() };
  }
  if (invocation.has("stagger") && invocation.has("exact")) throw usage("--stagger and --exact exclude each other", "name one of them");
  return {
    kind,
    expr: invocation.text("cron")!,
    ...(tz !== undefined && { tz }),
    ...(invocation.has("stagger") && { staggerMs: requireDuration(invocation, "stagger") }),
  };
}

/** What the run does; undefined: nothing of it was named. */
function payloadOf(invocation: Invocation, before: JobView["payload"] | undefined): Wire | undefined {
  const [message, event] = [invocation.text("message"), invocation.text("system-event")];
  if (message !== undefined && event !== undefined) throw usage("--message and --system-event exclude each other", "name one of them");
  const seconds = invocation.number("timeout-seconds");
  const [model, thinking, tools] = [invocation.text("model"), invocation.text("thinking"), invocation.text("tools")];
  const settings = {
    ...(model !== undefined && { model }),
    ...(thinking !== undefined && { thinking }),
    ...(seconds !== undefined && { timeoutSeconds: seconds }),
    ...(tools !== undefined && { toolsAllow: tools.split(/[\s,]+/).filter(Boolean) }),
    ...(invocation.has("clear-model") && { model: null }),
    ...(invocation.has("clear-thinking") && { thinking: null }),
    ...(invocation.has("clear-tools") && { toolsAllow: null }),
  };
  const [setting] = Object.keys(settings);
  if (event !== undefined || (message === undefined && before?.kind === "systemEvent")) {
    if (setting !== undefined)
      throw usage(`${setting} has no effect on a system event`, "use --message, which runs the agent in a conversation of its own");
    return event === undefined ? undefined : { kind: "systemEvent", text: event };
  }
  if (message === undefined && setting === undefined) return undefined;
  return { kind: "agentTurn", ...(message !== undefined && { message }), ...settings };
}

function deliveryOf(invocation: Invocation): Wire | undefined {
  const named = (["channel", "to", "account", "thread-id"] as const).filter((flag) => invocation.has(flag));
  if (invocation.has("no-deliver")) {
    if (named.length > 0 || invocation.has("announce"))
      throw usage(`--no-deliver and --${named[0] ?? "announce"} exclude each other`, "name one of them");
    return { mode: "none" };
  }
  if (named.length === 0 && !invocation.has("announce")) return undefined;
  const text = (flag: string, name: string): Wire => (invocation.has(flag) ? { [name]: invocation.text(flag) } : {});
  return {
    mode: "announce",
    ...text("channel", "channel"),
    ...text("to", "to"),
    ...text("account", "accountId"),
    ...text("thread-id", "threadId"),
  };
}

function policyOf(invocation: Invocation): Wire {
  const [policy, overlap, retries] = [invocation.text("missed"), invocation.text("overlap"), invocation.number("retries")];
  if (invocation.has("missed-window") && policy === undefined)
    throw usage("--missed-window has no effect without --missed", "name the policy too: once or all");
  return {
    ...(policy !== undefined && {
      missed: { policy, ...(invocation.has("missed-window") && { windowMs: requireDuration(invocation, "missed-window") }) },
    }),
    ...(overlap !== undefined && { overlap }),
    ...(retries !== undefined && { maxRetries: retries }),
  };
}

/** Everything that add and edit have in common. */
function fieldsOf(invocation: Invocation, before?: JobView): Wire {
  const schedule = scheduleOf(invocation);
  const payload = payloadOf(invocation, before?.payload);
  const delivery = deliveryOf(invocation);
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const text = (flag: string, name: string): Wire => (invocation.has(flag) ? { [name]: invocation.text(flag) } : {});
  return {
    ...text("name", "name"),
    ...text("description", "description"),
    ...text("display-name", "displayName"),
    ...text("wake", "wakeMode"),
    ...text("session", "sessionTarget"),
    ...(agentId !== undefined && { agentId }),
    ...(schedule && { schedule }),
    ...(payload && { payload }),
    ...(delivery && { delivery }),
    ...policyOf(invocation),
    ...(invocation.has("delete-after-run") && { deleteAfterRun: true }),
  };
}

/** `openclaw cron add [name]` */
export const cronAdd: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const fields = fieldsOf(invocation);
  const name = invocation.arg(0) || fields["name"];
  if (!name) throw usage("a name is required", 'openclaw cron add "Morning report" --cron "0 9 * * 1-5" --message "..."');
  if (!fields["schedule"]) throw usage("it is not clear when the job is due", "add --at, --every or --cron");
  const payload = fields["payload"] as Wire | undefined;
  if (!payload || (payload["kind"] === "agentTurn" && payload["message"] === undefined))
    throw usage("it is not clear what the job does", "add --message or --system-event");
  const sessionTarget = fields["sessionTarget"] ?? (payload["kind"] === "systemEvent" ? "main" : "isolated");
  const job = await callGateway<JobView>(invocation, ADMIN, "cron.add", {
    wakeMode: "now",
    ...fields,
    name,
    sessionTarget,
    ...(invocation.has("disabled") && { enabled: false }),
  });
  out.result(job, () => {
    out.line(sanitizeLine(`Added ${shortId(job.id)} ${job.name}`));
    showPreview(invocation, job);
  });
};

/** `openclaw cron edit <id>` */
export const cronEdit: CommandHandler = async (invocation) => {
  if (invocation.has("enable") && invocation.has("disable")) throw usage("--enable and --disable exclude each other", "name one of them");
  const before = await callGateway<JobView>(invocation, ["operator.read"], "cron.get", { id: invocation.arg(0) });
  const patch = {
    ...fieldsOf(invocation, before),
    ...(invocation.has("clear-agent") && { agentId: null }),
    ...(invocation.has("keep-after-run") && { deleteAfterRun: false }),
    ...(invocation.has("enable") && { enabled: true }),
    ...(invocation.has("disable") && { enabled: false }),
  };
  if (Object.keys(patch).length === 0) throw usage("nothing was named that changes", "openclaw cron edit --help lists what can be changed");
  await update(invocation, before.id, patch, "Changed");
};

async function update(invocation: Invocation, id: string, patch: Wire, done: string): Promise<void> {
  const { out } = invocation;
  const job = await callGateway<JobView>(invocation, ADMIN, "cron.update", { id, patch });
  out.result(job, () => {
    out.line(sanitizeLine(`${done} ${shortId(job.id)} ${job.name}`));
    showPreview(invocation, job);
  });
}

/** `openclaw cron enable <id>` */
export const cronEnable: CommandHandler = (invocation) => update(invocation, invocation.arg(0), { enabled: true }, "Enabled");

/** `openclaw cron disable <id>` */
export const cronDisable: CommandHandler = (invocation) => update(invocation, invocation.arg(0), { enabled: false }, "Disabled");

/** `openclaw cron rm <id>` */
export const cronRemove: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const job = await callGateway<JobView>(invocation, ["operator.read"], "cron.get", { id: invocation.arg(0) });
  await invocation.confirm(`Remove the job ${sanitizeLine(job.name)}?`);
  const answer = await callGateway<Wire>(invocation, ADMIN, "cron.remove", { id: job.id });
  out.result(answer, () => out.line(sanitizeLine(`Removed ${shortId(job.id)} ${job.name}`)));
};
