import type { ToolName } from "../agents/runtime.ts";
import type { RoomTools } from "../routing/account-policy.ts";
import { conversationOf } from "./outbound.ts";
import type { Payload } from "./submission.ts";

/** What a message may cause. Fixed when the message is admitted, from the server's own knowledge of its sender. */
export type Grant = {
  tools: readonly ToolName[];
  /** The policies of the rooms that it is from. Each of them has to allow a tool of an MCP server. */
  rooms: readonly RoomTools[];
  /** The sender is an owner: a client with operator.write, or a person in `commands.ownerAllowFrom`. */
  owner: boolean;
  /** The channel and account that the message came through; part of the system prompt. */
  surface: string;
  /** Where the answer is delivered; null where only the session's clients see it. */
  conversation: string | null;
};

type GrantSource = Pick<Payload, "tools" | "roomTools" | "provenance" | "target">;

type GrantField<T> = {
  of: (source: GrantSource) => T;
  isSame: (a: T, b: T) => boolean;
  /** What two messages may both cause. */
  intersect: (a: T, b: T) => T;
};

const isEqual = (a: unknown, b: unknown): boolean => a === b;

const isSameRoom = (a: RoomTools, b: RoomTools): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Everything that decides about authority. A field that is missing here does not compile. */
const GRANT_FIELDS: { readonly [K in keyof Grant]: GrantField<Grant[K]> } = {
  tools: {
    of: ({ tools }) => [...new Set(tools)],
    isSame: (a, b) => a.length === b.length && a.every((tool) => b.includes(tool)),
    intersect: (a, b) => a.filter((tool) => b.includes(tool)),
  },
  rooms: {
    of: ({ roomTools }) => (roomTools ? [roomTools] : []),
    isSame: (a, b) => a.length === b.length && a.every((room) => b.some((other) => isSameRoom(room, other))),
    intersect: (a, b) => [...a, ...b.filter((room) => !a.some((other) => isSameRoom(room, other)))],
  },
  owner: { of: ({ provenance }) => provenance.senderIsOwner, isSame: isEqual, intersect: (a, b) => a && b },
  surface: {
    of: ({ provenance }) => `${provenance.channel}|${provenance.account ?? ""}`,
    isSame: isEqual,
    intersect: (a, b) => (a === b ? a : ""),
  },
  conversation: {
    of: ({ target }) => (target === null ? null : conversationOf(target)),
    isSame: isEqual,
    intersect: (a, b) => (a === b ? a : null),
  },
};

/** The grant of a message that may cause nothing. */
export const NO_GRANT: Grant = { tools: [], rooms: [], owner: false, surface: "", conversation: null };

/** The grant of a stored message. A payload that cannot be read grants nothing. */
export function grantOf(payload: GrantSource | null): Grant {
  if (payload === null) return NO_GRANT;
  const { tools, rooms, owner, surface, conversation } = GRANT_FIELDS;
  return {
    tools: tools.of(payload),
    rooms: rooms.of(payload),
    owner: owner.of(payload),
    surface: surface.of(payload),
    conversation: conversation.of(payload),
  };
}

const names = Object.keys(GRANT_FIELDS) as (keyof Grant)[];

/** Only messages with the same grant are read by the model in one turn. */
export const isSameGrant = (a: Grant, b: Grant): boolean => names.every((name) => isSameField(name, a, b));

const isSameField = <K extends keyof Grant>(name: K, a: Grant, b: Grant): boolean => GRANT_FIELDS[name].isSame(a[name], b[name]);

/** What a turn may cause that has read the messages of all these grants: nothing that one of them does not allow. */
export function intersectGrants(grants: readonly Grant[]): Grant {
  const [first, ...others] = grants;
  if (!first) return NO_GRANT;
  return others.reduce(
    (left, right): Grant => ({
      tools: GRANT_FIELDS.tools.intersect(left.tools, right.tools),
      rooms: GRANT_FIELDS.rooms.intersect(left.rooms, right.rooms),
      owner: GRANT_FIELDS.owner.intersect(left.owner, right.owner),
      surface: GRANT_FIELDS.surface.intersect(left.surface, right.surface),
      conversation: GRANT_FIELDS.conversation.intersect(left.conversation, right.conversation),
    }),
    first,
  );
}
