import { hostname } from "node:os";
import { join } from "node:path";
import { ClientError } from "../client/errors.ts";
import type { Credentials } from "../client/client.ts";
import { sleep } from "../core/async.ts";
import { foregroundClock } from "../core/clock.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { ensureDirectorySync, writeFileAtomicSync } from "../core/files.ts";
import { asNumber, asString, fieldsOf, tryParseJson } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { readHostRules } from "../nodes/host/allowlist.ts";
import { KeptAnswers } from "../nodes/host/answers.ts";
import { SharedFiles } from "../nodes/host/files.ts";
import { NodeHost } from "../nodes/host/host.ts";
import { GroupWatcher } from "../tools/group-watcher.ts";
import type { CommandHandler } from "./command.ts";
import { toCliError } from "./connect.ts";
import { openDevice, saveToken, type SavedDevice } from "./device-file.ts";
import { givenPin, resolveTarget, toGatewayUrl, type GatewayTarget } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { NODE_STATE_FILE, nodeDirectory, type NodeState } from "./node-rules.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** How long an approval that is missing is waited for before it is asked for again. */
const APPROVAL_POLL_MS = 3_000;

/** Where a setup code leads, and the one-time credential in it. */
type SetupCode = { url: string; token: Secret };

/** `openclaw node run` */
export const nodeRun: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const directory = nodeDirectory(invocation);
  ensureDirectorySync(directory);
  const code = readCode(invocation);
  const target = targetOf(invocation, code);
  const device = openDevice(directory);
  const files = await openFiles(invocation);
  const reporter = new StateReporter(invocation, directory, target.url);
  const nodeHost = new NodeHost({
    connection: connectionOf(invocation, target, device),
    credentials: () => credentialsOf(directory, target),
    directory,
    commands: commandsOf(invocation),
    files,
    answers: new KeptAnswers(directory, host.now),
    programs: programOptions(invocation, directory),
    clock: foregroundClock,
    log: lineLog(invocation),
    onState: (state) => reporter.changed(state),
    onDeviceToken: (token) => saveToken(directory, target.url, token),
  });
  reporter.commands = nodeHost.commands;
  out.note(`This machine offers ${nodeHost.commands.join(", ")} to ${target.url}.`);
  const { problem } = readHostRules(directory);
  if (problem !== null) out.note(`Nothing runs here: exec-approvals.json cannot be used, ${problem}.`);
  await runUntilStopped(nodeHost, { invocation, target, code });
};

type RunContext = { invocation: Invocation; target: GatewayTarget; code: SetupCode | null };

/** A missing approval is waited for, and reported once with what to do. */
async function runUntilStopped(nodeHost: NodeHost, { invocation, target }: RunContext): Promise<void> {
  const { out, host } = invocation;
  let isSaid = false;
  while (!host.signal.aborted) {
    try {
      await nodeHost.run(host.signal);
    } catch (err) {
      if (!(err instanceof ClientError) || err.kind !== "pairing") throw toCliError(err, target, invocation);
      const requestId = asString(err.details["requestId"]);
      if (!isSaid) out.note(`The gateway asks a person first. There: openclaw devices approve ${sanitizeLine(requestId).slice(0, 12)}`);
      isSaid = true;
      await sleep(foregroundClock, APPROVAL_POLL_MS, host.signal);
    }
  }
}

/** `oc-pair://<code>` or the code: base64url of the address and the one-time credential. */
function readCode(invocation: Invocation): SetupCode | null {
  const text = invocation.text("pair");
  if (text === undefined) return null;
  const code = text.replace(/^oc-pair:\/\//, "").replace(/^[?#]*(?:code=)?/, "");
  const { url, bootstrapToken, expiresAtMs } = fieldsOf(tryParseJson(Buffer.from(code, "base64url").toString("utf8")));
  if (asString(url) === "" || asString(bootstrapToken) === "")
    throw new CliError("The setup code cannot be read", {
      why: "it is not a code of a gateway.",
      fix: "Make one where the gateway runs: openclaw devices join-code",
      exit: EXIT.usage,
    });
  if ((asNumber(expiresAtMs) ?? Infinity) < invocation.host.now())
    throw new CliError("The setup code has expired", {
      why: "a code is valid for ten minutes.",
      fix: "Make a new one: openclaw devices join-code",
    });
  return { url: toGatewayUrl(asString(url), "--pair"), token: new Secret(asString(bootstrapToken)) };
}

function targetOf(invocation: Invocation, code: SetupCode | null): GatewayTarget {
  const named = invocation.text("host");
  const port = invocation.number("port");
  if (named === undefined && port === undefined && code !== null)
    return {
      url: code.url,
      urlFrom: "--pair",
      isLocal: false,
      tlsFingerprint: givenPin(invocation),
      ssh: null,
      headers: null,
      credentials: { bootstrapToken: code.token },
      identity: null,
      credentialFrom: "the code",
    };
  if (named === undefined && port === undefined) return resolveTarget(invocation);
  const scheme = invocation.has("tls") ? "wss" : "ws";
  const path = (invocation.text("context-path") ?? "").replace(/^\/*/, "/").replace(/\/$/, "");
  const url = `${toGatewayUrl(`${scheme}://${named ?? "127.0.0.1"}:${port ?? 18_789}`, "--host").replace(/\/$/, "")}${path}`;
  const token = invocation.text("token") ?? (invocation.host.env["OPENCLAW_GATEWAY_TOKEN"] || undefined);
  const credentials = code ? { bootstrapToken: code.token } : token === undefined ? {} : { token: new Secret(token) };
  return {
    url,
    urlFrom: "--host",
    isLocal: false,
    tlsFingerprint: givenPin(invocation),
    ssh: null,
    headers: null,
    credentials,
    identity: null,
    credentialFrom: code ? "the code" : token === undefined ? null : "the token",
  };
}

function connectionOf(
  invocation: Invocation,
  target: GatewayTarget,
  device: SavedDevice,
): ConstructorParameters<typeof NodeHost>[0]["connection"] {
  return {
    url: target.url,
    device: device.identity,
    ...(target.identity && { identity: target.identity }),
    ...(target.tlsFingerprint !== null && { tlsFingerprint: target.tlsFingerprint }),
    ...(target.headers && { headers: target.headers }),
    client: {
      id: "node-host",
      mode: "node",
      displayName: invocation.text("display-name") ?? hostname(),
      deviceFamily: familyOf(process.platform),
    },
  };
}

/** The device's own token goes before the shared one: it can be revoked alone. A code is used once, for the first token. */
function credentialsOf(directory: string, { url, credentials }: GatewayTarget): Credentials {
  const saved = openDevice(directory).tokens.get(url);
  return saved ? { token: saved } : credentials;
}

const familyOf = (platform: NodeJS.Platform): string => (platform === "darwin" ? "Mac" : platform === "win32" ? "Windows" : "Linux");

const commandsOf = (invocation: Invocation): readonly string[] | null => {
  const named = invocation.list("commands").flatMap((each) => each.split(","));
  return named.length === 0 ? null : named.map((each) => each.trim()).filter((each) => each !== "");
};

async function openFiles(invocation: Invocation): Promise<SharedFiles> {
  try {
    return await SharedFiles.open(invocation.list("files"));
  } catch (err) {
    throw new CliError("A directory of --files cannot be used", { why: `${reasonOf(err)}.`, exit: EXIT.usage, cause: err });
  }
}

function programOptions(invocation: Invocation, directory: string): ConstructorParameters<typeof NodeHost>[0]["programs"] {
  const { env } = invocation.host;
  return {
    rules: () => readHostRules(directory),
    env: toCommandEnv(env, env["TMPDIR"] || "/tmp"),
    home: env["HOME"] || "/",
    watcher: new GroupWatcher({ clock: foregroundClock, marker: `node-host-${process.pid}` }),
    clock: foregroundClock,
    log: lineLog(invocation),
  };
}

/** Lines of the log as notes of the command. */
function lineLog({ out }: Invocation): Log {
  const line = (message: string, fields?: object): void =>
    out.note(
      `${message}${
        fields
          ? ` ${Object.entries(fields)
              .map(([name, value]) => `${name}=${String(value)}`)
              .join(" ")}`
          : ""
      }`,
    );
  const log: Log = { debug: () => {}, info: line, warn: line, error: line, child: () => log };
  return log;
}

/** Says each change of the connection once, and keeps it for `openclaw node status`. */
class StateReporter {
  commands: readonly string[] = [];
  readonly #invocation: Invocation;
  readonly #directory: string;
  readonly #url: string;
  #said: string | null = null;

  constructor(invocation: Invocation, directory: string, url: string) {
    this.#invocation = invocation;
    this.#directory = directory;
    this.#url = url;
  }

  changed({ connected, reason, retryInMs }: { connected: boolean; reason: string | null; retryInMs: number | null }): void {
    const { out, host } = this.#invocation;
    const state: NodeState = { pid: process.pid, url: this.#url, connected, reason, at: host.now(), commands: this.commands };
    writeFileAtomicSync(join(this.#directory, NODE_STATE_FILE), `${JSON.stringify(state)}\n`);
    const text = connected
      ? `Connected to ${this.#url}.`
      : `Not connected: ${reason}. It tries again${retryInMs === null ? "" : ` in ${Math.ceil(retryInMs / 1_000)} s`}.`;
    const kind = connected ? "up" : (reason ?? "down");
    if (this.#said !== kind) out.note(text);
    this.#said = kind;
  }
}
