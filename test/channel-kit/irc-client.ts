import { connect, type Socket } from "node:net";

export type IrcClientMessage = { from: string; prefix: string; command: string; to: string; text: string };

/** A person on IRC, as a script: says lines, and waits for lines of others. */
export class IrcClient {
  readonly nick: string;
  readonly lines: string[] = [];
  readonly #socket: Socket;
  readonly #waiting = new Set<() => void>();
  #buffer = "";

  private constructor(nick: string, socket: Socket) {
    this.nick = nick;
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.#read(chunk));
    socket.on("error", () => socket.destroy());
  }

  /** Connects, registers and joins. */
  static async join(port: number, nick: string, rooms: readonly string[] = [], password?: string): Promise<IrcClient> {
    const peer = new IrcClient(nick, connect(port, "127.0.0.1"));
    if (password !== undefined) peer.raw(`PASS ${password}`);
    peer.raw(`NICK ${nick}`);
    peer.raw(`USER ${nick} 0 * :${nick}`);
    await peer.line(/ (376|422) /);
    for (const room of rooms) {
      peer.raw(`JOIN ${room}`);
      await peer.line(new RegExp(` 366 ${nick} ${room} `, "i"));
    }
    return peer;
  }

  raw(line: string): void {
    this.#socket.write(`${line}\r\n`);
  }

  say(to: string, text: string): void {
    this.raw(`PRIVMSG ${to} :${text}`);
  }

  /** All messages so far. */
  said(command = "PRIVMSG"): readonly IrcClientMessage[] {
    return this.lines.flatMap((line) => {
      const found = /^(?:@\S+ )?:(([^ !]+)\S*) ([A-Z]+) (\S+) :?(.*)$/.exec(line);
      return found && found[3] === command ? [{ prefix: found[1]!, from: found[2]!, command, to: found[4]!, text: found[5]! }] : [];
    });
  }

  /** The first line, past or future, that matches. */
  async line(pattern: RegExp): Promise<string> {
    await this.until(() => this.lines.some((line) => pattern.test(line)), `a line like ${pattern}`);
    return this.lines.find((line) => pattern.test(line))!;
  }

  /** Waits until `ready` holds; looks again at each line that arrives. */
  until(ready: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`${this.nick} waited in vain for ${what}; it read:\n${this.lines.slice(-15).join("\n")}`));
      }, timeoutMs);
      const look = (): void => {
        if (!ready()) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    const lines = (this.#buffer + chunk).split(/\r?\n/);
    this.#buffer = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("PING")) this.raw(line.replace("PING", "PONG"));
      this.lines.push(line);
    }
    for (const look of this.#waiting) look();
  }
}
