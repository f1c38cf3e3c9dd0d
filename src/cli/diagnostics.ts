import { existsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { arch, platform, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { configWithoutSecrets, redactText } from "../config/redact.ts";
import { expandPath } from "../config/paths.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { openRegularFileSync, readAtMostSync, syncDirectory } from "../core/files.ts";
import { fieldsOf, tryParseJson } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import { VERSION } from "../core/version.ts";
import { ZipWriter } from "../core/zip.ts";
import type { CommandHandler } from "./command.ts";
import { connectGateway } from "./connect.ts";
import { doctorReport } from "./doctor.ts";
import { configOf, pathsOf, tokenPath } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { searchLogFiles } from "./log-search.ts";
import { sanitizeLine } from "./terminal-text.ts";

const LOG_LINES = 5_000;
const TOKEN_BYTES = 4_096;
/** Shorter values would hide words that have nothing to do with them. */
const SECRET_CHARS = 6;
/** Ids of people and rooms in session keys and targets. */
const PEER = /(:(?:direct|group|channel|dm|thread|topic):)[^\s"',:\\]+/g;

/** `openclaw gateway diagnostics export` */
export const diagnosticsExport: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const given = invocation.text("output");
  const stamp = new Date(host.now()).toISOString().replaceAll(/[:.]/g, "-");
  const output =
    given === undefined ? join(host.cwd, `openclaw-diagnostics-${stamp}.zip`) : expandPath(given, host.env["HOME"] || "/", host.cwd);
  if (existsSync(output))
    throw new CliError(`${sanitizeLine(output)} exists`, {
      why: "an export replaces no file.",
      fix: "choose another name with --output",
      exit: EXIT.usage,
    });
  const files = await collect(invocation);
  const hide = hiderOf(invocation);
  const temporary = `${output}.tmp`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      const zip = new ZipWriter(handle);
      const names = [...files.keys(), "manifest.json"];
      const manifest = JSON.stringify({ schemaVersion: 1, createdAt: host.now(), version: VERSION, files: names }, null, 2);
      for (const [name, text] of [...files, ["manifest.json", manifest] as const])
        await zip.add(name, [Buffer.from(hide(text))], { changedAt: host.now() });
      await zip.finish();
      await handle.sync();
    } finally {
      await handle.close();
    }
    const { rename } = await import("node:fs/promises");
    await rename(temporary, output);
    await syncDirectory(dirname(output));
  } finally {
    await rm(temporary, { force: true });
  }
  out.result({ ok: true, file: output, files: [...files.keys()] }, () => {
    out.line(`${out.paint("green", "✓")} ${sanitizeLine(output)}`);
    out.note("Credentials and ids of people are taken out, and no messages are in it. Look through it before you send it.");
  });
};

const json = (value: unknown): string => JSON.stringify(value, null, 2);

async function collect(invocation: Invocation): Promise<Map<string, string>> {
  const { raw, path, source, issues } = configOf(invocation);
  const answers = await askGateway(invocation);
  const report = await doctorReport(invocation);
  const lines = await readLog(invocation);
  const machine = {
    version: VERSION,
    node: process.version,
    platform: `${platform()} ${release()} ${arch()}`,
    memoryBytes: totalmem(),
    variables: Object.keys(invocation.host.env)
      .filter((name) => /^(?:OPENCLAW_|OTEL_|NODE_|HTTPS?_PROXY|NO_PROXY|TZ$)/.test(name))
      .toSorted(),
    config: { path, source, issues: issues.map(({ severity, path: at, line, message }) => ({ severity, path: at, line, message })) },
  };
  return new Map([
    ["summary.md", summary(report, answers)],
    ["diagnostics.json", json(machine)],
    ["config/sanitized.json", raw === null ? "{}" : (redactText(raw) ?? "{}")],
    ["status/gateway-status.json", json(answers.status)],
    ["health/gateway-health.json", json(answers.health)],
    ["doctor.json", json(report)],
    ["logs/openclaw-sanitized.jsonl", lines.map((line) => `${line}\n`).join("")],
  ]);
}

type Answers = { status: unknown; health: unknown };

async function askGateway(invocation: Invocation): Promise<Answers> {
  try {
    const { client } = await connectGateway(invocation, { scopes: ["operator.read"] });
    try {
      const [status, health] = await Promise.all([client.request<Record<string, unknown>>("status", {}), client.request("health")]);
      // What people said to the gateway is not part of it.
      const { queuedSystemEvents: _, sessions: __, ...rest } = status;
      return { status: rest, health };
    } finally {
      await client.close();
    }
  } catch (err) {
    if (!(err instanceof CliError)) throw err;
    const problem = { error: err.message, why: err.why };
    return { status: problem, health: problem };
  }
}

async function readLog(invocation: Invocation): Promise<string[]> {
  const { config } = configOf(invocation);
  const file = config.logging.file ?? join(pathsOf(invocation).gateway, "logs", "gateway.log");
  return existsSync(file) ? await searchLogFiles(file, LOG_LINES, () => true) : [];
}

type Report = Awaited<ReturnType<typeof doctorReport>>;

function summary({ findings }: Report, { status }: Answers): string {
  const { runtimeVersion } = status as { runtimeVersion?: string };
  const bad = findings.flatMap((each) =>
    each.severity === "ok" ? [] : [`- ${each.severity}: ${each.title}. ${each.why} Fix: ${each.fix}`],
  );
  return [
    `# Diagnostics of openclaw-gateway ${VERSION}`,
    "",
    runtimeVersion === undefined ? "The gateway did not answer." : `The running gateway is version ${runtimeVersion}.`,
    "",
    bad.length === 0 ? "openclaw doctor found nothing." : bad.join("\n"),
    "",
  ].join("\n");
}

/** Keys of the configuration whose entries are people, in whatever form; and keys that may name a person or room beside other words. */
const PEOPLE = /(?:from|owners?|users|senders?)$/i;
const TARGETS = /(?:^to|peer|target|reviewers|approvers)$/i;
/** Keys of channels whose entries are named by rooms and people. */
const ROOMS = /^(?:groups|rooms|dms|direct|guilds|topics|users|people)$/i;
/** Fields of log lines that name a person. */
const SENDERS = /("(?:sender|senderId|senderName|from|person)":)"(?:[^"\\]|\\.)*"/g;
const ANY = /./;
/** What no word of a sentence has. */
const ID = /[\d@!]/;
/** Shorter ones would hide words that have nothing to do with them. */
const ID_CHARS = 4;

/** Ids of people and rooms that the configuration names, such as those of `allowFrom`. `form`: of the texts that count. Pure. */
function peopleIn(value: unknown, form: RegExp | null = null): string[] {
  if (typeof value === "string" || typeof value === "number") return form === null ? [] : toIds(String(value), form);
  if (Array.isArray(value)) return value.flatMap((each) => peopleIn(each, form));
  return Object.entries(fieldsOf(value)).flatMap(([key, each]) => [
    ...(ROOMS.test(key) ? Object.keys(fieldsOf(each)).flatMap((name) => toIds(name, ID)) : []),
    ...peopleIn(each, PEOPLE.test(key) ? ANY : TARGETS.test(key) ? ID : form),
  ]);
}

/** An entry may have its channel before it. */
const toIds = (entry: string, form: RegExp): string[] =>
  [entry, entry.slice(entry.indexOf(":") + 1)].filter((id) => id.length >= ID_CHARS && form.test(id));

/** Takes every known credential, and the ids of people, out of a text. */
function hiderOf(invocation: Invocation): (text: string) => string {
  const secrets = new Set<string>();
  const walk = (value: unknown): void => {
    if (value instanceof Secret) secrets.add(value.reveal());
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(walk);
  };
  walk(configOf(invocation).config);
  for (const [name, value] of Object.entries(invocation.host.env)) if (value && /KEY|TOKEN|SECRET|PASSW/i.test(name)) secrets.add(value);
  const token = readToken(tokenPath(pathsOf(invocation)));
  if (token !== null) secrets.add(token);
  const { raw } = configOf(invocation);
  const people = peopleIn(tryParseJson((raw === null ? null : configWithoutSecrets(raw)) ?? ""));
  const hidden = [
    ...[...secrets].filter((secret) => secret.length >= SECRET_CHARS).map((text) => ({ text, instead: "[secret]" })),
    ...[...new Set(people)].map((text) => ({ text, instead: "[id]" })),
  ].toSorted((a, b) => b.text.length - a.text.length);
  return (text) => {
    let clean = text;
    for (const each of hidden)
      for (const form of [each.text, JSON.stringify(each.text).slice(1, -1)]) clean = clean.replaceAll(form, each.instead);
    return clean.replaceAll(PEER, "$1[id]").replaceAll(SENDERS, '$1"[id]"');
  };
}

function readToken(path: string): string | null {
  try {
    return readAtMostSync(openRegularFileSync(path), TOKEN_BYTES).toString().trim();
  } catch {
    return null; // None was made, or it belongs to another user.
  }
}
