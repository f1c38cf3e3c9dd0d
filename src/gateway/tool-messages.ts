import { createHash } from "node:crypto";
import type { ReplyTarget } from "../channels/channel.ts";
import { asArray, asObject, asString } from "../core/json.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { actAt, type SendDeps } from "../methods/send.ts";
import type { Inbox } from "../store/inbox.ts";
import type { Outbox } from "../store/outbox.ts";
import type { Sessions } from "../store/sessions.ts";
import type { ApprovalDesk } from "../tools/commands/gate.ts";
import type { MessageAnswer, MessageRequest, ChannelMessages } from "../tools/message/messages.ts";
import type { ToolCaller } from "../tools/tool.ts";
import { conversationOf } from "../turns/outbound.ts";
import { isSendDenied } from "../turns/permissions.ts";
import type { Payload } from "../turns/submission.ts";
import { messageReach } from "./tool-permits.ts";
import type { RunningConfig } from "./running-config.ts";

type ToolMessagesDeps = {
  running: Pick<RunningConfig, "agents">;
  sessions: Pick<Sessions, "get" | "lastTarget">;
  inbox: Pick<Inbox, "byRun">;
  outbox: Pick<Outbox, "isSent">;
  desk: Pick<ApprovalDesk, "ask" | "use">;
};

const DEFAULT_MESSAGE_ACTIONS = ["react", "reply"];

/**
 * What agents do on channels with the tool `message`. The tools are built before the turns and their delivery, which need them; `bind` adds
 * these.
 */
export class ToolMessages implements ChannelMessages {
  readonly #deps: ToolMessagesDeps;
  #send: SendDeps | null = null;

  constructor(deps: ToolMessagesDeps) {
    this.#deps = deps;
  }

  bind(send: SendDeps): void {
    this.#send = send;
  }

  async act(request: MessageRequest, caller: ToolCaller, signal: AbortSignal): Promise<MessageAnswer> {
    const { action, params, where, key } = request;
    const send = this.#send;
    if (send === null) throw new GatewayError("UNAVAILABLE", "the gateway is still starting");
    if (isSendDenied(this.#deps.sessions.get(caller.sessionKey)))
      throw new GatewayError("INVALID_REQUEST", `the session ${caller.sessionKey} sends nothing to channels (sendPolicy "deny")`);
    const reach = messageReach(this.#deps.running, caller);
    const names = action === "delete" ? ["delete", "unsend"] : [action];
    if (reach.actions !== null && !reach.actions.allowed.some((allowed) => names.includes(allowed)))
      throw new GatewayError("INVALID_REQUEST", `the action ${action} is not among those of ${reach.actions.key}`);
    const own = this.#ownTarget(caller);
    const target = this.#target(send, own, where);
    if (this.#checkReach(reach, own, target) === "asked") await this.#requireAgreement(request, { target, caller, signal });
    if (action === "delete" && caller.surface === "channel") this.#checkOwnMessage(target, asString(params["messageId"]));
    const isOwn = own !== null && conversationOf(own) === conversationOf(target);
    const replied = isOwn && DEFAULT_MESSAGE_ACTIONS.includes(action) && own.replyTo !== undefined ? { messageId: own.replyTo } : {};
    const answer = await actAt(send, withoutReply(target), { action, params: { ...replied, ...params }, key, agentId: caller.agentId });
    return toAnswer(answer);
  }

  /** Where the messages of this turn are from; for an operator, where the session last was on a channel. */
  #ownTarget({ runId, sessionKey, surface }: ToolCaller): ReplyTarget | null {
    const target = runId === null ? null : (this.#deps.inbox.byRun<Payload>(runId)?.payload?.target ?? null);
    if (target !== null || surface === "channel") return target;
    return this.#deps.sessions.lastTarget<ReplyTarget>(sessionKey);
  }

  #target(send: SendDeps, own: ReplyTarget | null, { channel, target, accountId, threadId }: MessageRequest["where"]): ReplyTarget {
    if (target !== undefined) {
      const named = channel ?? own?.channel ?? this.#onlyChannel(send);
      return send.toTarget(named, accountId ?? (named === own?.channel ? own.account : undefined), target, threadId);
    }
    if (own === null)
      throw new GatewayError("INVALID_REQUEST", "this conversation is not on a channel", { fix: "Name a channel and a target." });
    if ((channel !== undefined && channel !== own.channel) || (accountId !== undefined && accountId !== own.account))
      throw new GatewayError("INVALID_REQUEST", "a channel or an account is named, and no room or person", { fix: "Name a target too." });
    return threadId === undefined ? own : { ...own, thread: threadId };
  }

  #onlyChannel(send: SendDeps): string {
    const channel = send.onlyChannel();
    if (channel !== null) return channel;
    throw new GatewayError("INVALID_REQUEST", "it is not clear which channel is meant", { fix: "Name a channel too." });
  }

  #checkReach(reach: ReturnType<typeof messageReach>, own: ReplyTarget | null, target: ReplyTarget): "open" | "asked" {
    if (own !== null && conversationOf(own) === conversationOf(target)) return "open";
    const isWithin = own?.channel === target.channel;
    const { access, rule } = isWithin ? reach.withinProvider : reach.acrossProviders;
    if (access !== "closed") return access;
    throw new GatewayError("FORBIDDEN", `another conversation is not reached from here: ${rule}`, {
      fix: "Leave channel and target out to write in this one.",
    });
  }

  /** A person sees what is sent, and to whom: text that the agent has read may be what asks for it. Throws when no one agrees. */
  async #requireAgreement({ action, params, callId }: MessageRequest, { target, caller, signal }: Asked): Promise<void> {
    const { desk, running } = this.#deps;
    const command = toCommandText(action, params, target);
    const answer = await desk.ask(
      {
        caller,
        callId,
        command,
        cwd: running.agents.settings(caller.agentId).workspace,
        host: "gateway",
        resolvedPath: null,
        warnings: ["It writes to another conversation than this one."],
        patterns: [],
        digest: createHash("sha256").update(command).digest("hex"),
        binding: null,
      },
      signal,
    );
    if (!answer.allowed) throw new GatewayError("FORBIDDEN", answer.note);
    if (!(await desk.use(answer.id))) throw new GatewayError("FORBIDDEN", "the approval was used before");
  }

  /** People on channels take back only what the agent has sent. */
  #checkOwnMessage(target: ReplyTarget, messageId: string): void {
    if (messageId === "" || this.#deps.outbox.isSent(conversationOf(target), messageId)) return;
    throw detailError("ACTION_FAILED", `the message ${messageId.slice(0, 40)} is not known as one that was sent from here`);
  }
}

type Asked = { target: ReplyTarget; caller: ToolCaller; signal: AbortSignal };

/** What is asked about, in the form of the command that does the same. Pure. */
function toCommandText(action: string, params: MessageRequest["params"], { channel, account, chat, thread }: ReplyTarget): string {
  const where = { channel, account, to: chat.id, ...(thread !== undefined && { thread }) };
  const words = Object.entries({ ...where, ...params }).map(([name, value]) => `--${name} ${JSON.stringify(value)}`);
  return `openclaw message ${action} ${words.join(" ")}`;
}

/** A message of its own, not the answer to the message of the turn. */
function withoutReply({ replyTo: _replyTo, via: _via, ...target }: ReplyTarget): ReplyTarget {
  return target;
}

function toAnswer(answer: unknown): MessageAnswer {
  const { status, messageId, messageIds, threadId } = asObject(answer) ?? {};
  const id = asString(messageId) || asString(asArray(messageIds)[0]);
  return { isQueued: status === "queued", messageId: id || null, threadId: asString(threadId) || null };
}
