import type { ChannelCapabilities, Link, OutboundPart, SendResult, ReplyTarget } from "../channels/channel.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type MessageId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";

type ActionParams = Readonly<Record<string, unknown>>;

/** What an action may use of the channel and of the gateway. */
export type ActionContext = {
  link: Link | null;
  abilities: ChannelCapabilities | null;
  /** Throws when the channel does not exist or the text names no recipient. */
  target: (to: string, thread: string | undefined) => ReplyTarget;
  /** Says something through the outbox. */
  send: (target: ReplyTarget, message: string, params: ActionParams) => Promise<unknown>;
  split: (target: ReplyTarget, text: string) => readonly string[];
  key: string;
};

type Action = {
  /** Names in `params` that have an effect. */
  reads: readonly string[];
  /** Whether the channel has it at all. */
  available: (can: ChannelCapabilities | null, link: Link | null) => boolean;
  run: (params: ActionParams, context: ActionContext) => Promise<unknown>;
};

const invalid = (message: string): GatewayError => new GatewayError("INVALID_REQUEST", message);

function requireText(params: ActionParams, ...names: readonly string[]): string {
  for (const name of names) {
    const value = params[name];
    if (typeof value === "string" && value.trim() !== "") return value;
    if (typeof value === "number") return String(value);
  }
  throw invalid(`params.${names[0]} is missing`);
}

const optional = (params: ActionParams, name: string): string | undefined =>
  typeof params[name] === "string" || typeof params[name] === "number" ? String(params[name]) : undefined;

const targetOf = (params: ActionParams, context: ActionContext): ReplyTarget =>
  context.target(requireText(params, "to", "target"), optional(params, "threadId"));
const messageOf = (params: ActionParams): MessageId => asId<MessageId>(requireText(params, "messageId", "message_id"));

/** The connection and one of its functions; UNAVAILABLE while there is none. */
function requireLinkFunction<K extends keyof Link>(context: ActionContext, name: K): NonNullable<Link[K]> {
  const { link } = context;
  if (!link) throw new GatewayError("UNAVAILABLE", "the account is not connected", { fix: "`openclaw channels status` says why." });
  const found = link[name];
  if (!found) throw new GatewayError("UNAVAILABLE", "the connection cannot do this at the moment");
  return (found as (...args: never[]) => unknown).bind(link) as NonNullable<Link[K]>;
}

/** An action whose function the platform answers by succeeding or throwing. */
async function toOkResult(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (err) {
    if (err instanceof GatewayError) throw err;
    throw detailError("ACTION_FAILED", `the platform did not do it: ${reasonOf(err)}`);
  }
  return { ok: true };
}

async function toSendResult(work: Promise<SendResult>): Promise<unknown> {
  let result: SendResult;
  try {
    result = await work;
  } catch (err) {
    throw detailError("OUTBOUND_DELIVERY_UNKNOWN", `it is not known whether the platform did it: ${reasonOf(err)}`);
  }
  if (result.state === "sent") return { ok: true, messageId: result.ids[0] ?? null, messageIds: result.ids };
  if (result.notFound) throw new GatewayError("NOT_FOUND", `the message is not there any more: ${result.reason}`);
  throw detailError("OUTBOUND_DELIVERY_FAILED", `not done: ${result.reason}`, {
    retryable: result.retryable,
    ...(result.retryAfterMs === undefined ? {} : { retryAfterMs: result.retryAfterMs }),
  });
}

const deadline = (): AbortSignal => AbortSignal.timeout(LIMITS.channelApiMs);

async function edit(params: ActionParams, context: ActionContext): Promise<unknown> {
  const target = targetOf(params, context);
  const pieces = context.split(target, requireText(params, "message", "text"));
  if (pieces.length !== 1) throw invalid("the new text is longer than one message of this channel");
  const part: OutboundPart = { key: context.key, target, text: pieces[0]! };
  return await toSendResult(requireLinkFunction(context, "edit")(messageOf(params), part, deadline()));
}

async function openThread(params: ActionParams, context: ActionContext): Promise<unknown> {
  const target = targetOf(params, context);
  const at = optional(params, "messageId");
  const work = requireLinkFunction(context, "openThread")(
    target,
    requireText(params, "threadName", "name"),
    at === undefined ? undefined : asId<MessageId>(at),
  );
  let threadId: string | undefined;
  await toOkResult(work.then((id) => (threadId = id)));
  const message = optional(params, "message");
  if (message?.trim()) await context.send({ ...target, thread: threadId! }, message, params);
  return { ok: true, threadId };
}

async function poll(params: ActionParams, context: ActionContext): Promise<unknown> {
  const target = targetOf(params, context);
  const given = params["pollOption"] ?? params["options"];
  const options = (Array.isArray(given) ? given : []).map(String).filter((option) => option.trim() !== "");
  if (options.length < 2) throw invalid("a poll needs at least two options");
  const max = Number(params["maxSelections"] ?? 1);
  // Platforms know one answer or any number of them.
  if (max > 1 && max < options.length)
    throw detailError("PARAM_NOT_SERVED", `a poll of ${options.length} options takes 1 selection or all of them, not ${max}`, {
      details: { method: "poll", param: "maxSelections" },
      fix: `Set maxSelections to 1 or to ${options.length}.`,
    });
  const multiple = params["pollMulti"] === true || max > 1;
  return await toSendResult(
    requireLinkFunction(context, "poll")(target, { question: requireText(params, "pollQuestion", "question"), options, multiple }),
  );
}

const pin =
  (on: boolean) =>
  (params: ActionParams, context: ActionContext): Promise<unknown> =>
    toOkResult(requireLinkFunction(context, "pin")(targetOf(params, context), messageOf(params), on));

const has =
  (name: keyof Link, ability: (can: ChannelCapabilities) => boolean = () => false) =>
  (can: ChannelCapabilities | null, link: Link | null): boolean =>
    link ? link[name] !== undefined : can !== null && ability(can);

/** Where something is done; every action reads these. */
const TARGET_PARAMS = ["to", "target", "accountId", "threadId"];
const MESSAGE_PARAMS = ["messageId", "message_id"];
const FILE_PARAMS = ["media", "mediaUrl", "path", "filePath", "mediaUrls", "buffer", "filename", "contentType"];
/** What the official command line sends with every action: its own settings, and names that the request has already. */
const CLIENT_PARAMS: ReadonlySet<string> = new Set(["action", "channel", "json", "verbose", "__sessionKey", "__agentId"]);

const ACTIONS: Readonly<Record<string, Action>> = {
  send: {
    reads: [...TARGET_PARAMS, ...FILE_PARAMS, "message", "replyTo", "replyToId"],
    available: () => true,
    run: (params, context) => {
      const replyTo = optional(params, "replyTo") ?? optional(params, "replyToId");
      const target = targetOf(params, context);
      const to = replyTo ? { ...target, replyTo: asId<MessageId>(replyTo) } : target;
      return context.send(to, optional(params, "message") ?? "", params);
    },
  },
  reply: {
    reads: [...TARGET_PARAMS, ...FILE_PARAMS, ...MESSAGE_PARAMS, "replyTo", "message"],
    available: () => true,
    run: (params, context) =>
      context.send(
        { ...targetOf(params, context), replyTo: asId<MessageId>(requireText(params, "messageId", "replyTo")) },
        requireText(params, "message"),
        params,
      ),
  },
  edit: { reads: [...TARGET_PARAMS, ...MESSAGE_PARAMS, "message", "text"], available: has("edit", (can) => can.edit), run: edit },
  delete: {
    reads: [...TARGET_PARAMS, ...MESSAGE_PARAMS],
    available: has("remove"),
    run: (params, context) => toOkResult(requireLinkFunction(context, "remove")(targetOf(params, context), messageOf(params))),
  },
  react: {
    reads: [...TARGET_PARAMS, ...MESSAGE_PARAMS, "emoji", "remove"],
    available: has("react", (can) => can.reactions),
    run: (params, context) =>
      toOkResult(
        requireLinkFunction(context, "react")(
          targetOf(params, context),
          messageOf(params),
          requireText(params, "emoji"),
          params["remove"] !== true,
        ),
      ),
  },
  pin: { reads: [...TARGET_PARAMS, ...MESSAGE_PARAMS], available: has("pin"), run: pin(true) },
  unpin: { reads: [...TARGET_PARAMS, ...MESSAGE_PARAMS], available: has("pin"), run: pin(false) },
  "thread-create": {
    reads: [...TARGET_PARAMS, ...FILE_PARAMS, "messageId", "threadName", "name", "message"],
    available: has("openThread"),
    run: openThread,
  },
  "thread-reply": {
    reads: [...TARGET_PARAMS, ...FILE_PARAMS, "message"],
    available: has("openThread"),
    run: (params, context) =>
      context.send({ ...targetOf(params, context), thread: requireText(params, "threadId") }, requireText(params, "message"), params),
  },
  poll: {
    reads: [...TARGET_PARAMS, "pollQuestion", "question", "pollOption", "options", "maxSelections", "pollMulti"],
    available: has("poll", (can) => can.polls),
    run: poll,
  },
};

/** Refuses a param by its name when it would have no effect. What is off or empty asks for nothing. */
function refuseUnusedParams(action: string, { reads }: Action, params: ActionParams): void {
  const unread = Object.keys(params).find((name) => !reads.includes(name) && !CLIENT_PARAMS.has(name) && !isOff(params[name]));
  if (unread === undefined) return;
  throw detailError("PARAM_NOT_SERVED", `params.${unread.slice(0, 60)} has no effect on the action ${action}`, {
    details: { method: "message.action", param: `params.${unread.slice(0, 60)}` },
    fix: `Leave it out; ${action} reads ${reads.join(", ")}.`,
  });
}

const isOff = (value: unknown): boolean =>
  value === false || value === null || value === undefined || value === "" || (Array.isArray(value) && value.length === 0);

/** Runs one action. ACTION_NOT_SUPPORTED, with the actions that there are, for what the channel does not have. */
export async function runAction(channel: string, action: string, params: ActionParams, context: ActionContext): Promise<unknown> {
  const found = Object.hasOwn(ACTIONS, action) ? ACTIONS[action]! : undefined;
  if (found?.available(context.abilities, context.link)) {
    refuseUnusedParams(action, found, params);
    return await found.run(params, context);
  }
  const there = Object.keys(ACTIONS).filter((name) => ACTIONS[name]!.available(context.abilities, context.link));
  throw detailError(
    "ACTION_NOT_SUPPORTED",
    `the action ${JSON.stringify(action.slice(0, 40))} is not available on ${channel.slice(0, 40)}`,
    {
      details: { actions: there },
      fix: `Available: ${there.join(", ")}.`,
    },
  );
}
