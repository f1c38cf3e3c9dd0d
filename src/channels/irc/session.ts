import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { VERSION } from "../../core/version.ts";
import { TerminalError } from "../channel.ts";
import type { IrcAccount } from "./config.ts";
import type { IrcConnection, IrcTimings } from "./connection.ts";
import { parseCtcp } from "./inbound.ts";
import { sanitizeParam, casefold, isTarget, parsePrefix, type IrcLine } from "./message-line.ts";

const REQUESTED_CAPS = ["server-time", "message-tags", "account-tag", "echo-message"];
/** Bytes of `nick!user@host` when the server has not shown us ours: the longest user and host that servers use. */
const UNKNOWN_HOST_BYTES = 1 + 11 + 1 + 63;
const REJOIN_MAX_MS = 300_000;
/** One answer to CTCP requests per this time, from all senders: answering each would let any sender make the bot flood. */
const CTCP_MS = 5_000;

export type IrcSessionHooks = {
  /** Registered: messages can be sent. */
  onRegistered(): void;
  /** All rooms are joined (null), or not, and why. */
  onChannelsChanged(cause: string | null): void;
  onMessage(line: IrcLine): void;
  /** The server refused something addressed to `target`, or a command of that name. */
  onErrorReply(target: string, code: string, text: string): void;
};

type IrcSessionDeps = {
  account: IrcAccount;
  connection: IrcConnection;
  timings: IrcTimings;
  clock: Clock;
  log: Log;
  hooks: IrcSessionHooks;
};

/** What the server knows of us: registration, capabilities, our nick and our rooms. Lives as long as its connection. */
export class IrcSession {
  nick: string;
  casemapping = "rfc1459";
  chanTypes = "#&";
  statusMarks = "@+";
  readonly caps = new Set<string>();
  readonly #deps: IrcSessionDeps;
  readonly #offered = new Set<string>();
  readonly #joined = new Set<string>();
  /** The look-up that waits for an answer; look-ups are made one at a time. */
  #lookup: { command: "USERHOST" | "WHOIS"; nick: string; settle: (holder: string | null) => void } | null = null;
  /** Answers to USERHOST that came too late to be waited for: each is one that belongs to no later question. */
  #lateReplies = 0;
  /** Commands that the server does not know. */
  readonly #unsupportedCommands = new Set<string>();
  #registered = false;
  #nickTries = 0;
  #ownHostBytes = UNKNOWN_HOST_BYTES;
  #rejoins = 0;
  #rejoinTimer: (() => void) | null = null;
  #joinTimer: (() => void) | null = null;
  #nickTimer: (() => void) | null = null;
  #joinProblem: string | null = null;
  #ctcpAt = -Infinity;

  constructor(deps: IrcSessionDeps) {
    this.#deps = deps;
    this.nick = deps.account.nick;
  }

  /** Starts registration. `onRegistered` reports success; failure ends the connection with its cause. */
  begin(): void {
    const { account, connection, timings, clock } = this.#deps;
    connection.sendNow("CAP LS 302");
    if (account.password) connection.sendNow(`PASS :${account.password.reveal()}`);
    connection.sendNow(`NICK ${account.nick}`);
    connection.sendNow(`USER ${account.username} 0 * :${sanitizeParam(account.realname)}`);
    clock.after(timings.connectMs, () => {
      if (!this.#registered) connection.close(new Error("the server did not finish the registration in time"));
    });
  }

  end(): void {
    this.#rejoinTimer?.();
    this.#nickTimer?.();
    this.#joinTimer?.();
    this.#lookup?.settle(null);
  }

  casefold(name: string): string {
    return casefold(name, this.casemapping);
  }

  isJoined(room: string): boolean {
    return this.#joined.has(this.casefold(room));
  }

  isConfigured(room: string): boolean {
    return this.#deps.account.channels.some((name) => this.casefold(name) === this.casefold(room));
  }

  /** Bytes that the server will put before our messages. */
  get prefixBytes(): number {
    return Buffer.byteLength(this.nick) + this.#ownHostBytes;
  }

  /** `user@host` of the current holder of a nick; empty if the nick is free, null if the server does not say. */
  async findNickHolder(nick: string): Promise<string | null> {
    return (await this.#queryHolder("USERHOST", nick)) ?? (await this.#queryHolder("WHOIS", nick));
  }

  /** One look-up. Null when the server refuses the command, does not know it, or does not answer in time. */
  async #queryHolder(command: "USERHOST" | "WHOIS", nick: string): Promise<string | null> {
    const { connection, clock, timings, log } = this.#deps;
    if (this.#unsupportedCommands.has(command) || !connection.open) return null;
    const { promise, resolve } = Promise.withResolvers<string | null>();
    if (!connection.send([`${command} ${nick}`])) return null;
    this.#lookup = { command, nick, settle: resolve };
    const cancel = clock.after(timings.answerMs, () => {
      log.warn("the server did not answer a look-up in time", { command });
      if (command === "USERHOST") this.#lateReplies++;
      resolve(null);
    });
    const holder = await promise;
    cancel();
    this.#lookup = null;
    return holder;
  }

  handle(line: IrcLine): void {
    const handler = HANDLERS[line.command];
    if (handler) handler(this, line);
    else if (/^[45]\d\d$/.test(line.command)) this.onErrorReply(line);
  }

  onMessage(line: IrcLine): void {
    const ctcp = parseCtcp(line.params[1] ?? "");
    if (ctcp && ctcp.command !== "ACTION") this.#answerCtcp(parsePrefix(line.prefix).nick, ctcp);
    else this.#deps.hooks.onMessage(line);
  }

  #answerCtcp(nick: string, { command, rest }: { command: string; rest: string }): void {
    const { clock, connection } = this.#deps;
    const answer = command === "VERSION" ? `OpenClaw Gateway ${VERSION}` : command === "PING" ? sanitizeParam(rest).slice(0, 100) : null;
    if (answer === null || !isTarget(nick) || clock.monotonic() - this.#ctcpAt < CTCP_MS) return;
    this.#ctcpAt = clock.monotonic();
    connection.send([`NOTICE ${nick} :\u0001${command} ${answer}\u0001`]);
  }

  onPing(token: string): void {
    this.#deps.connection.sendNow(`PONG :${token}`);
  }

  onPong(line: IrcLine): void {
    this.#deps.connection.onPong(line.params.at(-1) ?? "");
  }

  onCap(line: IrcLine): void {
    const { connection, account } = this.#deps;
    const [, verb = "", third = "", fourth] = line.params;
    const names = (fourth ?? third).split(" ").filter(Boolean);
    if (verb === "LS") {
      for (const name of names) this.#offered.add(name.split("=")[0]!);
      if (third === "*" && fourth !== undefined) return;
      if (account.sasl && !this.#offered.has("sasl")) return connection.close(new Error("the server does not offer SASL at this moment"));
      const wanted = [...REQUESTED_CAPS, ...(account.sasl ? ["sasl"] : [])].filter((name) => this.#offered.has(name));
      connection.sendNow(wanted.length > 0 ? `CAP REQ :${wanted.join(" ")}` : "CAP END");
    } else if (verb === "ACK") {
      for (const name of names) this.caps.add(name);
      connection.sendNow(this.caps.has("sasl") ? "AUTHENTICATE PLAIN" : "CAP END");
    } else if (verb === "NAK") {
      if (account.sasl) connection.close(new Error("the server refused SASL"));
      else connection.sendNow("CAP END");
    }
  }

  onAuthenticate(): void {
    const { account, connection } = this.#deps;
    if (!account.sasl) return;
    const { user, password } = account.sasl;
    const response = Buffer.from(`${user}\0${user}\0${password.reveal()}`).toString("base64");
    for (let at = 0; at < response.length; at += 400) connection.sendNow(`AUTHENTICATE ${response.slice(at, at + 400)}`);
    if (response.length % 400 === 0) connection.sendNow("AUTHENTICATE +");
  }

  onSaslSuccess(): void {
    this.#deps.connection.sendNow("CAP END");
  }

  failTerminally(message: string, fix: string): void {
    this.#deps.connection.close(new TerminalError(message, fix));
  }

  /** ERROR: the server's last words. Some of them mean that coming back would only make it worse. */
  onServerError(text: string): void {
    const { connection } = this.#deps;
    const said = `the server said: ${text.slice(0, 300)}`;
    if (/bad (server )?password|password (incorrect|mismatch)|access denied/i.test(text))
      this.failTerminally(said, "Check channels.irc.password.");
    else if (/[kgz]-?lined|\bbanned\b|not welcome/i.test(text))
      this.failTerminally(said, "Ask the operators of the network; then start the account again.");
    else connection.close(new Error(said));
  }

  onNickRejected(line: IrcLine): void {
    const { account, connection } = this.#deps;
    if (this.#registered) return; // the nick that we wanted back is still taken
    if (line.command === "432")
      return this.failTerminally(`the server does not accept the nick "${account.nick}"`, "Choose another channels.irc.nick.");
    this.#nickTries++;
    if (this.#nickTries > 6) return connection.close(new Error(`the nick "${account.nick}" and its substitutes are in use`));
    // The nick itself may be at the server's maximum length, so the substitutes become shorter.
    const suffix = this.#nickTries < 3 ? "_".repeat(this.#nickTries) : String(this.#nickTries);
    this.nick = `${account.nick.slice(0, Math.max(1, 9 - suffix.length, account.nick.length - this.#nickTries))}${suffix}`;
    connection.sendNow(`NICK ${this.nick}`);
  }

  onWelcome(line: IrcLine): void {
    this.nick = line.params[0] ?? this.nick;
  }

  onISupport(line: IrcLine): void {
    for (const item of line.params.slice(1)) {
      const [key, value = ""] = item.split("=", 2);
      if (key === "CASEMAPPING") this.casemapping = value.toLowerCase();
      else if (key === "CHANTYPES" && value) this.chanTypes = value;
      else if (key === "STATUSMSG") this.statusMarks = value;
    }
  }

  onRegistered(): void {
    if (this.#registered) return;
    this.#registered = true;
    this.#deps.hooks.onRegistered();
    this.#identify();
    this.#scheduleNickRetry();
    this.#join();
    if (this.#deps.account.channels.length === 0) this.#reportChannels();
  }

  #identify(): void {
    const { account, connection } = this.#deps;
    const { nickserv } = account;
    if (!nickserv || !isTarget(nickserv.service) || this.casefold(this.nick) !== this.casefold(account.nick)) return;
    const password = nickserv.password.reveal();
    if (nickserv.registerEmail)
      connection.sendNow(`PRIVMSG ${nickserv.service} :REGISTER ${password} ${sanitizeParam(nickserv.registerEmail)}`);
    connection.sendNow(`PRIVMSG ${nickserv.service} :IDENTIFY ${password}`);
  }

  #scheduleNickRetry(): void {
    const { account, connection, clock, timings } = this.#deps;
    if (this.casefold(this.nick) === this.casefold(account.nick) || this.#nickTimer) return;
    this.#nickTimer = clock.after(timings.nickRetryMs, () => {
      this.#nickTimer = null;
      connection.send([`NICK ${account.nick}`]);
      this.#scheduleNickRetry();
    });
  }

  /** Someone, perhaps we, changed the nick or left: our own name may be free again. */
  onNickChange(line: IrcLine): void {
    const { nick } = parsePrefix(line.prefix);
    const { account, connection } = this.#deps;
    if (line.command === "NICK" && this.casefold(nick) === this.casefold(this.nick)) {
      this.nick = line.params[0] ?? this.nick;
      this.#identify();
      this.#scheduleNickRetry();
    } else if (this.casefold(nick) === this.casefold(account.nick)) connection.send([`NICK ${account.nick}`]);
  }

  #join(): void {
    const { account, connection, clock, timings } = this.#deps;
    const missing = account.channels.filter((room) => !this.isJoined(room));
    if (missing.length === 0) return;
    connection.send(missing.map((room) => `JOIN ${[room, account.keys.get(room.toLowerCase())?.reveal()].filter(Boolean).join(" ")}`));
    this.#joinTimer?.();
    this.#joinTimer = clock.after(timings.answerMs, () => {
      this.#joinTimer = null;
      if (account.channels.some((room) => !this.isJoined(room)) && !this.#rejoinTimer)
        this.#scheduleRejoin("the server has not answered to JOIN");
    });
  }

  onJoin(line: IrcLine): void {
    if (this.casefold(parsePrefix(line.prefix).nick) !== this.casefold(this.nick)) return;
    const at = line.prefix.indexOf("!");
    if (at > 0) this.#ownHostBytes = Buffer.byteLength(line.prefix.slice(at));
    this.#joined.add(this.casefold(line.params[0] ?? ""));
    this.#joinProblem = null;
    this.#reportChannels();
  }

  /** We are out of a room: kicked, or parted by a services command. */
  onPart(room: string, nick: string, why: string): void {
    if (this.casefold(nick) !== this.casefold(this.nick)) return;
    this.#joined.delete(this.casefold(room));
    if (this.isConfigured(room)) this.#scheduleRejoin(`${room}: ${why}`);
  }

  #scheduleRejoin(problem: string): void {
    const { clock, timings, log } = this.#deps;
    this.#joinProblem = problem;
    log.warn("not in a room", { problem });
    this.#reportChannels();
    if (this.#rejoinTimer) return;
    this.#rejoinTimer = clock.after(Math.min(REJOIN_MAX_MS, timings.rejoinMs * 2 ** Math.min(this.#rejoins++, 10)), () => {
      this.#rejoinTimer = null;
      this.#join();
    });
  }

  #reportChannels(): void {
    const missing = this.#deps.account.channels.filter((room) => !this.isJoined(room));
    if (missing.length === 0) this.#deps.hooks.onChannelsChanged(null);
    else if (this.#joinProblem) this.#deps.hooks.onChannelsChanged(`not in ${missing.join(", ")} (${this.#joinProblem})`);
  }

  /** `302`: `nick=+user@host`, or nothing if the nick is free. */
  onUserhostReply(line: IrcLine): void {
    const reply = (line.params.at(-1) ?? "").trim();
    const found = /^([^=*]+)\*?=[+-](\S+)$/.exec(reply);
    const asked = this.#lookup?.command === "USERHOST" ? this.#lookup : null;
    if (asked && found && this.casefold(found[1]!) === this.casefold(asked.nick)) return asked.settle(found[2]!);
    if (this.#lateReplies > 0) this.#lateReplies--;
    else if (reply === "") asked?.settle("");
  }

  /** `311`: who a nick is, and `318`: the end of that answer. */
  onWhoisReply(line: IrcLine): void {
    const [, nick = "", user = "", host = ""] = line.params;
    if (this.#lookup?.command !== "WHOIS" || this.casefold(nick) !== this.casefold(this.#lookup.nick)) return;
    this.#lookup.settle(line.command === "311" ? `${user}@${host}` : "");
  }

  /** `421` (unknown), `461` (parameters) and `263` (later) name the command that they refuse. */
  onCommandRejected(line: IrcLine): void {
    const command = (line.params[1] ?? "").toUpperCase();
    const text = line.params.at(-1) ?? "";
    if (line.command === "421") this.#unsupportedCommands.add(command);
    if (this.#lookup?.command === command) this.#lookup.settle(null);
    if (command === "JOIN") this.#scheduleRejoin(`JOIN: ${text}`);
    if (command === "PING") this.#deps.connection.onPingRefused();
    // The end of the registration is waited for without it.
    if (command === "CAP" || command === "AUTHENTICATE") this.#failRegistration(command, text);
    this.onErrorReply(line);
  }

  #failRegistration(command: string, text: string): void {
    if (this.#registered || !this.#deps.account.sasl) return;
    this.#deps.connection.close(new Error(`the server refused ${command}, which the SASL login needs: ${text}`));
  }

  onHostChange(line: IrcLine): void {
    const host = line.params[1] ?? "";
    this.#ownHostBytes = Math.max(UNKNOWN_HOST_BYTES, Buffer.byteLength(host) + 13);
  }

  onErrorReply(line: IrcLine): void {
    const target = line.params[1] ?? "";
    const text = line.params.at(-1) ?? "";
    if (JOIN_FAILURES.has(line.command) && this.isConfigured(target) && !this.isJoined(target)) this.#scheduleRejoin(`${target}: ${text}`);
    this.#deps.hooks.onErrorReply(target, line.command, text);
  }
}

const JOIN_FAILURES: ReadonlySet<string> = new Set(["403", "405", "437", "471", "473", "474", "475", "476", "477"]);

const CHECK_SASL = "Check channels.irc.sasl.username and channels.irc.sasl.password.";

const HANDLERS: Readonly<Record<string, (session: IrcSession, line: IrcLine) => void>> = {
  PING: (session, line) => session.onPing(line.params.at(-1) ?? ""),
  PONG: (session, line) => session.onPong(line),
  CAP: (session, line) => session.onCap(line),
  AUTHENTICATE: (session, line) => line.params[0] === "+" && session.onAuthenticate(),
  "001": (session, line) => session.onWelcome(line),
  "005": (session, line) => session.onISupport(line),
  "263": (session, line) => session.onCommandRejected(line),
  "302": (session, line) => session.onUserhostReply(line),
  "311": (session, line) => session.onWhoisReply(line),
  "318": (session, line) => session.onWhoisReply(line),
  "376": (session) => session.onRegistered(),
  "396": (session, line) => session.onHostChange(line),
  "421": (session, line) => session.onCommandRejected(line),
  "422": (session) => session.onRegistered(),
  "432": (session, line) => session.onNickRejected(line),
  "433": (session, line) => session.onNickRejected(line),
  "436": (session, line) => session.onNickRejected(line),
  "437": (session, line) =>
    session.chanTypes.includes(line.params[1]?.[0] ?? " ") ? session.onErrorReply(line) : session.onNickRejected(line),
  "461": (session, line) => session.onCommandRejected(line),
  "464": (session) => session.failTerminally("the server refused the password", "Check channels.irc.password."),
  "465": (session, line) =>
    session.failTerminally(`banned from the server: ${line.params.at(-1) ?? ""}`, "Ask the operators of the network."),
  "903": (session) => session.onSaslSuccess(),
  "904": (session) => session.failTerminally("the server refused the SASL login", CHECK_SASL),
  "905": (session) => session.failTerminally("the SASL login is too long for the server", CHECK_SASL),
  "908": (session) => session.failTerminally("the server does not accept SASL PLAIN", "Use channels.irc.nickserv instead."),
  ERROR: (session, line) => session.onServerError(line.params.at(-1) ?? ""),
  PRIVMSG: (session, line) => session.onMessage(line),
  NICK: (session, line) => session.onNickChange(line),
  QUIT: (session, line) => session.onNickChange(line),
  JOIN: (session, line) => session.onJoin(line),
  PART: (session, line) => session.onPart(line.params[0] ?? "", parsePrefix(line.prefix).nick, "left"),
  KICK: (session, line) => session.onPart(line.params[0] ?? "", line.params[1] ?? "", `kicked: ${line.params[2] ?? ""}`),
};
