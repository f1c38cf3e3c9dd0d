import { createInterface, type Interface } from "node:readline";
import { ClientError } from "../client/errors.ts";
import { keepConnected } from "../client/reconnect.ts";
import { EXIT } from "../core/errors.ts";
import { ChatConversation } from "./chat-conversation.ts";
import type { CommandHandler } from "./command.ts";
import { toCliError, toClientOptions } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { resolveTarget } from "./gateway-target.ts";
import { sanitizeLine, formatDuration } from "./terminal-text.ts";

/** `openclaw chat`: lines in, replies out, until the input ends, /quit, or a second Ctrl-C. */
export const chat: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const target = resolveTarget(invocation);
  requireKnownAgent(invocation, invocation.text("agent"));
  const leave = new AbortController();
  const onAbort = (): void => leave.abort();
  host.signal.addEventListener("abort", onAbort, { once: true });
  const conversation = new ChatConversation(invocation);
  const options = await toClientOptions(invocation, target, {
    scopes: ["operator.read", "operator.write", "operator.approvals"],
    caps: ["tool-events"],
  });
  let talk: Promise<number> | null = null;
  try {
    const held = keepConnected(
      options,
      {
        onConnected: async (client) => {
          await conversation.attach(client);
          talk ??= converse(invocation, conversation, leave);
        },
        onDisconnected: (err, retryInMs) => {
          // Without a first connection there is no conversation to resume.
          if (talk === null) throw err;
          conversation.detach();
          out.note(`(${sanitizeLine(err.message)}; retrying in ${formatDuration(retryInMs)})`);
        },
      },
      leave.signal,
    );
    await held;
    return (await (talk as Promise<number> | null)) ?? EXIT.ok;
  } catch (err) {
    leave.abort();
    throw err instanceof ClientError ? toCliError(err, target, invocation) : err;
  } finally {
    host.signal.removeEventListener("abort", onAbort);
  }
};

/** Reads lines and sends them, one turn after the other; a line with a slash overtakes. */
async function converse(invocation: Invocation, conversation: ChatConversation, leave: AbortController): Promise<number> {
  const { out, host } = invocation;
  const interactive = host.stdin.isTTY === true && out.interactive && !out.json;
  const lines = createInterface({
    input: host.stdin,
    ...(interactive && { output: process.stdout, prompt: `${out.paint("cyan", "›")} ` }),
    terminal: interactive,
  });
  const onInterrupt = (): void => {
    if (conversation.busy) void conversation.stop();
    else lines.close();
  };
  lines.on("SIGINT", onInterrupt);
  leave.signal.addEventListener("abort", () => lines.close(), { once: true });
  if (interactive)
    out.note(`Session ${sanitizeLine(conversation.sessionKey)}. /help lists commands; Ctrl-C stops a reply, a second Ctrl-C exits.`);
  let failed = false;
  try {
    failed = await readLines(lines, conversation, { opening: invocation.args.join(" ").trim(), interactive });
  } finally {
    lines.close();
    leave.abort();
  }
  return failed ? conversation.failureExit : EXIT.ok;
}

/**
 * Sends `opening`, then each line. Resolves at the end of the input, to whether a turn failed. The lines are listened to from the
 * start: an input that ends during the first turn (`</dev/null`) would end unnoticed.
 */
function readLines(
  lines: Interface,
  conversation: ChatConversation,
  { opening, interactive }: { opening: string; interactive: boolean },
): Promise<boolean> {
  let failed = false;
  const say = async (text: string): Promise<void> => {
    if (!(await conversation.send(text))) failed = true;
    if (interactive) lines.prompt();
  };
  return new Promise((resolve, reject) => {
    let queue = opening ? say(opening) : Promise.resolve();
    queue.catch(reject);
    lines.on("line", (line) => {
      const text = line.trim();
      if (text === "/quit" || text === "/exit") return lines.close();
      if (text === "") return interactive ? lines.prompt() : undefined;
      if (text.startsWith("/") && conversation.busy) return void conversation.send(text).catch(reject);
      queue = queue.then(() => say(text));
      queue.catch(reject);
    });
    lines.on("close", () => void queue.then(() => resolve(failed), reject));
    if (interactive && !opening) lines.prompt();
  });
}
