import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { VERSION } from "../../core/version.ts";
import { TerminalError } from "../channel.ts";
import type { IrcAccount } from "./config.ts";
import type { Connection, Timings } from "./connection.ts";
import { parseCtcp } from "./inbound.ts";
import { cleanParam, foldName, isTarget, parsePrefix, type Line } from "./line.ts";

const WANTED_CAPS = ["server-time", "message-tags", "account-tag", "echo-message"];
/** Bytes of `nick!user@host` when the server has not shown us ours: the longest user and host that servers use. */
const UNKNOWN_HOST_BYTES = 1 + 11 + 1 + 63;
const REJOIN_LAST_MS = 300_000;
/** One answer to CTCP requests per this time, whoever asks: answering each would let strangers make us flood. */
const CTCP_MS = 5_000;

export type SessionHooks = {
  /** Registered: messages can be sent. */
  onRegistered(): void;
  /** All rooms are joined (null), or not, and why. */
  onRooms(cause: string | null): void;
  onMessage(line: Line): void;
  /** The server refused something addressed to `target`, or a command of that name. */
  onRefusal(target: string, code: string, text: string): void;
};

type SessionDeps = { account: IrcAccount; connection: Connection; timings: Timings; clock: Clock; log: Log; hooks: SessionHooks };

/** What the server knows of us: registration, capabilities, our nick and our rooms. Lives as long as its connection. */
export class Session {
  nick: string;
  casemapping = "rfc1459";
  chanTypes = "#&";
  statusMarks = "@+";
  readonly caps = new Set<string>();
  readonly #deps: SessionDeps;
  readonly #offered = new Set<string>();
  readonly #joined = new Set<string>();
  /** The look-up that waits for an answer; look-ups are made one at a time. */
  #lookup: { command: "USERHOST" | "WHOIS"; nick: string; settle: (holder: string | null) => void } | null = null;
  /** Answers to USERHOST that came too late to be waited for: each is one that belongs to no later question. */
  #lateAnswers = 0;
  /** Commands that the server does not know. */
  readonly #unknown = new Set<string>();
  #registered = false;
  #nickTries = 0;
  #ownHostBytes = UNKNOWN_HOST_BYTES;
  #rejoins = 0;
  #rejoinTimer: (() => void) | null = null;
  #joinTimer: (() => void) | null = null;
  #nickTimer: (() => void) | null = null;
  #roomProblem: string | null = null;
  #ctcpAt = -Infinity;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.nick = deps.account.nick;
  }

  /** Begins to register. Success is told by `onRegistered`, failure ends the connection with its cause. */
  begin(): void {
    const { account, connection, timings, clock } = this.#deps;
    connection.urgent("CAP LS 302");
    if (account.password) connection.urgent(`PASS :${account.password.reveal()}`);
    connection.urgent(`NICK ${account.nick}`);
    connection.urgent(`USER ${account.username} 0 * :${cleanParam(account.realname)}`);
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

  fold(name: string): string {
    return foldName(name, this.casemapping);
  }

  isJoined(room: string): boolean {
    return this.#joined.has(this.fold(room));
  }

  isConfigured(room: string): boolean {
    return this.#deps.account.channels.some((name) => this.fold(name) === this.fold(room));
  }

  /** Bytes that the server will put before our messages. */
  get prefixBytes(): number {
    return Buffer.byteLength(this.nick) + this.#ownHostBytes;
  }

  /** `user@host` of who holds a nick at this moment; the empty text when nobody does, null when the server does not say. */
  async holderOf(nick: string): Promise<string | null> {
    return (await this.#ask("USERHOST", nick)) ?? (await this.#ask("WHOIS", nick));
  }

  /** One look-up. Null when the server refuses the command, does not know it, or does not answer in time. */
  async #ask(command: "USERHOST" | "WHOIS", nick: string): Promise<string | null> {
    const { connection, clock, timings, log } = this.#deps;
    if (this.#unknown.has(command) || !connection.open) return null;
    const { promise, resolve } = Promise.withResolvers<string | null>();
    if (!connection.send([`${command} ${nick}`])) return null;
    this.#lookup = { command, nick, settle: resolve };
    const cancel = clock.after(timings.answerMs, () => {
      log.warn("the server did not answer a look-up in time", { command });
      if (command === "USERHOST") this.#lateAnswers++;
      resolve(null);
    });
    const holder = await promise;
    cancel();
    this.#lookup = null;
    return holder;
  }

  handle(line: Line): void {
    const handler = HANDLERS[line.command];
    if (handler) handler(this, line);
    else if (/^[45]\d\d$/.test(line.command)) this.refused(line);
  }

  message(line: Line): void {
    const ctcp = parseCtcp(line.params[1] ?? "");
    if (ctcp && ctcp.command !== "ACTION") this.#answerCtcp(parsePrefix(line.prefix).nick, ctcp);
    else this.#deps.hooks.onMessage(line);
  }

  #answerCtcp(nick: string, { command, rest }: { command: string; rest: string }): void {
    const { clock, connection } = this.#deps;
    const answer = command === "VERSION" ? `OpenClaw Gateway ${VERSION}` : command === "PING" ? cleanParam(rest).slice(0, 100) : null;
    if (answer === null || !isTarget(nick) || clock.monotonic() - this.#ctcpAt < CTCP_MS) return;
    this.#ctcpAt = clock.monotonic();
    connection.send([`NOTICE ${nick} :\u0001${command} ${answer}\u0001`]);
  }

  ping(token: string): void {
    this.#deps.connection.urgent(`PONG :${token}`);
  }

  pong(line: Line): void {
    this.#deps.connection.pong(line.params.at(-1) ?? "");
  }

  capabilities(line: Line): void {
    const { connection, account } = this.#deps;
    const [, verb = "", third = "", fourth] = line.params;
    const names = (fourth ?? third).split(" ").filter(Boolean);
    if (verb === "LS") {
      for (const name of names) this.#offered.add(name.split("=")[0]!);
      if (third === "*" && fourth !== undefined) return;
      if (account.sasl && !this.#offered.has("sasl")) return connection.close(new Error("the server does not offer SASL at this moment"));
      const wanted = [...WANTED_CAPS, ...(account.sasl ? ["sasl"] : [])].filter((name) => this.#offered.has(name));
      connection.urgent(wanted.length > 0 ? `CAP REQ :${wanted.join(" ")}` : "CAP END");
    } else if (verb === "ACK") {
      for (const name of names) this.caps.add(name);
      connection.urgent(this.caps.has("sasl") ? "AUTHENTICATE PLAIN" : "CAP END");
    } else if (verb === "NAK") {
      if (account.sasl) connection.close(new Error("the server refused SASL"));
      else connection.urgent("CAP END");
    }
  }

  authenticate(): void {
    const { account, connection } = this.#deps;
    if (!account.sasl) return;
    const { user, password } = account.sasl;
    const response = Buffer.from(`${user}\0${user}\0${password.reveal()}`).toString("base64");
    for (let at = 0; at < response.length; at += 400) connection.urgent(`AUTHENTICATE ${response.slice(at, at + 400)}`);
    if (response.length % 400 === 0) connection.urgent("AUTHENTICATE +");
  }

  authenticated(): void {
    this.#deps.connection.urgent("CAP END");
  }

  terminal(message: string, fix: string): void {
    this.#deps.connection.close(new TerminalError(message, fix));
  }

  /** ERROR: the server's last words. Some of them mean that coming back would only make it worse. */
  lastWords(text: string): void {
    const { connection } = this.#deps;
    const said = `the server said: ${text.slice(0, 300)}`;
    if (/bad (server )?password|password (incorrect|mismatch)|access denied/i.test(text))
      this.terminal(said, "Check channels.irc.password.");
    else if (/[kgz]-?lined|\bbanned\b|not welcome/i.test(text))
      this.terminal(said, "Ask the operators of the network; then start the account again.");
    else connection.close(new Error(said));
  }

  nickRefused(line: Line): void {
    const { account, connection } = this.#deps;
    if (this.#registered) return; // the nick that we wanted back is still taken
    if (line.command === "432")
      return this.terminal(`the server does not accept the nick "${account.nick}"`, "Choose another channels.irc.nick.");
    this.#nickTries++;
    if (this.#nickTries > 6) return connection.close(new Error(`the nick "${account.nick}" and its substitutes are in use`));
    // The nick itself may be at the server's maximum length, so the substitutes become shorter.
    const suffix = this.#nickTries < 3 ? "_".repeat(this.#nickTries) : String(this.#nickTries);
    this.nick = `${account.nick.slice(0, Math.max(1, 9 - suffix.length, account.nick.length - this.#nickTries))}${suffix}`;
    connection.urgent(`NICK ${this.nick}`);
  }

  welcome(line: Line): void {
    this.nick = line.params[0] ?? this.nick;
  }

  supports(line: Line): void {
    for (const item of line.params.slice(1)) {
      const [key, value = ""] = item.split("=", 2);
      if (key === "CASEMAPPING") this.casemapping = value.toLowerCase();
      else if (key === "CHANTYPES" && value) this.chanTypes = value;
      else if (key === "STATUSMSG") this.statusMarks = value;
    }
  }

  registered(): void {
    if (this.#registered) return;
    this.#registered = true;
    this.#deps.hooks.onRegistered();
    this.#identify();
    this.#wantNick();
    this.#join();
    if (this.#deps.account.channels.length === 0) this.#reportRooms();
  }

  #identify(): void {
    const { account, connection } = this.#deps;
    const { nickserv } = account;
    if (!nickserv || !isTarget(nickserv.service) || this.fold(this.nick) !== this.fold(account.nick)) return;
    const password = nickserv.password.reveal();
    if (nickserv.registerEmail)
      connection.urgent(`PRIVMSG ${nickserv.service} :REGISTER ${password} ${cleanParam(nickserv.registerEmail)}`);
    connection.urgent(`PRIVMSG ${nickserv.service} :IDENTIFY ${password}`);
  }

  #wantNick(): void {
    const { account, connection, clock, timings } = this.#deps;
    if (this.fold(this.nick) === this.fold(account.nick) || this.#nickTimer) return;
    this.#nickTimer = clock.after(timings.nickRetryMs, () => {
      this.#nickTimer = null;
      connection.send([`NICK ${account.nick}`]);
      this.#wantNick();
    });
  }

  /** Somebody, perhaps we, changed the nick or left: our own name may be free again. */
  nickChanged(line: Line): void {
    const { nick } = parsePrefix(line.prefix);
    const { account, connection } = this.#deps;
    if (line.command === "NICK" && this.fold(nick) === this.fold(this.nick)) {
      this.nick = line.params[0] ?? this.nick;
      this.#identify();
      this.#wantNick();
    } else if (this.fold(nick) === this.fold(account.nick)) connection.send([`NICK ${account.nick}`]);
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
        this.#rejoinLater("the server has not answered to JOIN");
    });
  }

  joined(line: Line): void {
    if (this.fold(parsePrefix(line.prefix).nick) !== this.fold(this.nick)) return;
    const at = line.prefix.indexOf("!");
    if (at > 0) this.#ownHostBytes = Buffer.byteLength(line.prefix.slice(at));
    this.#joined.add(this.fold(line.params[0] ?? ""));
    this.#roomProblem = null;
    this.#reportRooms();
  }

  /** We are out of a room: kicked, or parted by a services command. */
  left(room: string, nick: string, why: string): void {
    if (this.fold(nick) !== this.fold(this.nick)) return;
    this.#joined.delete(this.fold(room));
    if (this.isConfigured(room)) this.#rejoinLater(`${room}: ${why}`);
  }

  #rejoinLater(problem: string): void {
    const { clock, timings, log } = this.#deps;
    this.#roomProblem = problem;
    log.warn("not in a room", { problem });
    this.#reportRooms();
    if (this.#rejoinTimer) return;
    this.#rejoinTimer = clock.after(Math.min(REJOIN_LAST_MS, timings.rejoinMs * 2 ** Math.min(this.#rejoins++, 10)), () => {
      this.#rejoinTimer = null;
      this.#join();
    });
  }

  #reportRooms(): void {
    const missing = this.#deps.account.channels.filter((room) => !this.isJoined(room));
    if (missing.length === 0) this.#deps.hooks.onRooms(null);
    else if (this.#roomProblem) this.#deps.hooks.onRooms(`not in ${missing.join(", ")} (${this.#roomProblem})`);
  }

  /** `302`: `nick=+user@host`, or nothing when nobody has the nick. */
  userhost(line: Line): void {
    const reply = (line.params.at(-1) ?? "").trim();
    const found = /^([^=*]+)\*?=[+-](\S+)$/.exec(reply);
    const asked = this.#lookup?.command === "USERHOST" ? this.#lookup : null;
    if (asked && found && this.fold(found[1]!) === this.fold(asked.nick)) return asked.settle(found[2]!);
    if (this.#lateAnswers > 0) this.#lateAnswers--;
    else if (reply === "") asked?.settle("");
  }

  /** `311`: who a nick is, and `318`: the end of that answer. */
  whois(line: Line): void {
    const [, nick = "", user = "", host = ""] = line.params;
    if (this.#lookup?.command !== "WHOIS" || this.fold(nick) !== this.fold(this.#lookup.nick)) return;
    this.#lookup.settle(line.command === "311" ? `${user}@${host}` : "");
  }

  /** `421` (unknown), `461` (parameters) and `263` (later) name the command that they refuse. */
  commandRefused(line: Line): void {
    const command = (line.params[1] ?? "").toUpperCase();
    const text = line.params.at(-1) ?? "";
    if (line.command === "421") this.#unknown.add(command);
    if (this.#lookup?.command === command) this.#lookup.settle(null);
    if (command === "JOIN") this.#rejoinLater(`JOIN: ${text}`);
    if (command === "PING") this.#deps.connection.refusedPing();
    // The end of the registration is waited for without it.
    if (command === "CAP" || command === "AUTHENTICATE") this.#refusedAtStart(command, text);
    this.refused(line);
  }

  #refusedAtStart(command: string, text: string): void {
    if (this.#registered || !this.#deps.account.sasl) return;
    this.#deps.connection.close(new Error(`the server refused ${command}, which the SASL login needs: ${text}`));
  }

  hostChanged(line: Line): void {
    const host = line.params[1] ?? "";
    this.#ownHostBytes = Math.max(UNKNOWN_HOST_BYTES, Buffer.byteLength(host) + 13);
  }

  refused(line: Line): void {
    const target = line.params[1] ?? "";
    const text = line.params.at(-1) ?? "";
    if (JOIN_FAILURES.has(line.command) && this.isConfigured(target) && !this.isJoined(target)) this.#rejoinLater(`${target}: ${text}`);
    this.#deps.hooks.onRefusal(target, line.command, text);
  }
}

const JOIN_FAILURES: ReadonlySet<string> = new Set(["403", "405", "437", "471", "473", "474", "475", "476", "477"]);

const CHECK_SASL = "Check channels.irc.sasl.username and channels.irc.sasl.password.";

const HANDLERS: Readonly<Record<string, (session: Session, line: Line) => void>> = {
  PING: (session, line) => session.ping(line.params.at(-1) ?? ""),
  PONG: (session, line) => session.pong(line),
  CAP: (session, line) => session.capabilities(line),
  AUTHENTICATE: (session, line) => line.params[0] === "+" && session.authenticate(),
  "001": (session, line) => session.welcome(line),
  "005": (session, line) => session.supports(line),
  "263": (session, line) => session.commandRefused(line),
  "302": (session, line) => session.userhost(line),
  "311": (session, line) => session.whois(line),
  "318": (session, line) => session.whois(line),
  "376": (session) => session.registered(),
  "396": (session, line) => session.hostChanged(line),
  "421": (session, line) => session.commandRefused(line),
  "422": (session) => session.registered(),
  "432": (session, line) => session.nickRefused(line),
  "433": (session, line) => session.nickRefused(line),
  "436": (session, line) => session.nickRefused(line),
  "437": (session, line) => (session.chanTypes.includes(line.params[1]?.[0] ?? " ") ? session.refused(line) : session.nickRefused(line)),
  "461": (session, line) => session.commandRefused(line),
  "464": (session) => session.terminal("the server refused the password", "Check channels.irc.password."),
  "465": (session, line) => session.terminal(`banned from the server: ${line.params.at(-1) ?? ""}`, "Ask the operators of the network."),
  "903": (session) => session.authenticated(),
  "904": (session) => session.terminal("the server refused the SASL login", CHECK_SASL),
  "905": (session) => session.terminal("the SASL login is too long for the server", CHECK_SASL),
  "908": (session) => session.terminal("the server does not accept SASL PLAIN", "Use channels.irc.nickserv instead."),
  ERROR: (session, line) => session.lastWords(line.params.at(-1) ?? ""),
  PRIVMSG: (session, line) => session.message(line),
  NICK: (session, line) => session.nickChanged(line),
  QUIT: (session, line) => session.nickChanged(line),
  JOIN: (session, line) => session.joined(line),
  PART: (session, line) => session.left(line.params[0] ?? "", parsePrefix(line.prefix).nick, "left"),
  KICK: (session, line) => session.left(line.params[0] ?? "", line.params[1] ?? "", `kicked: ${line.params[2] ?? ""}`),
};
