import { satisfies } from "../auth/scopes.ts";
import type { AccountStatus } from "../channels/account-types.ts";
import { GatewayError, missingScope, reasonOf } from "../core/errors.ts";
import type { AccountId, ChannelId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { LoopReading } from "../core/health.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import { emptyBacklog, type AccountBacklog } from "../store/account-backlog.ts";
import type { PairingRequest, Pairings } from "../store/pairing.ts";
import { groupByChannel, toAccountRow, toChannelRow } from "./channel-rows.ts";

export type ChannelsDeps = {
  now: () => number;
  host: {
    status(): readonly AccountStatus[];
    start(channel: ChannelId, account: AccountId): void;
    stop(channel: ChannelId, account: AccountId): Promise<void>;
  };
  /** What waits for each account; accounts that nothing waits for may be left out. */
  backlogs: () => readonly AccountBacklog[];
  /** Name of a channel for people; undefined for one that does not exist. */
  labelOf: (channel: string) => string | undefined;
  /** The account that is meant when none is named. */
  defaultAccountOf: (channel: string) => string;
  loop: { read(): LoopReading };
  pairings: Pairings;
  write: <T>(change: () => T) => Promise<T>;
  /** Someone may answer commands as the owner (`commands.ownerAllowFrom` names someone). */
  ownerConfigured: () => boolean;
  /** Asks the platform about the credential of a configured account; resolves to the bot's name, rejects with a reason without secrets. */
  probe: (channel: string, account: string, signal: AbortSignal) => Promise<{ name: string }>;
  /** Tells a sender of a direct conversation that they may talk now. */
  notifyApproved: (request: PairingRequest) => Promise<"sent" | "unsupported" | "failed">;
};

type Status = { channelAccounts: Record<string, Record<string, unknown>[]> } & Record<string, unknown>;
type AccountParams = MethodParams<"channels.start">;

/** channels.*: the accounts of chat platforms, and who may write to the agent through them. */
export function channelsMethods(deps: ChannelsDeps) {
  return {
    "channels.status": {
      scope: "operator.read",
      run: async (params, caller) => {
        const status = statusOf(deps, params.channel);
        return params.probe ? await probeAccounts(deps, status, params.timeoutMs ?? LIMITS.channelVerifyMs, caller.signal) : status;
      },
    },
    "channels.start": {
      scope: "operator.admin",
      run: (params) => {
        const accounts = accountsOf(deps, params);
        for (const each of accounts) deps.host.start(each.channel, each.account);
        return { ...toAnswer(params, accounts), started: true };
      },
    },
    "channels.stop": {
      scope: "operator.admin",
      run: async (params) => {
        const accounts = accountsOf(deps, params);
        await Promise.all(accounts.map((each) => deps.host.stop(each.channel, each.account)));
        return { ...toAnswer(params, accounts), stopped: true };
      },
    },
    "channels.pairing.list": {
      scope: "operator.pairing",
      run: (params) => listPairings(deps, params),
    },
    "channels.pairing.approve": {
      scope: "dynamic",
      run: (params, caller) => approve(deps, params, caller),
    },
    "channels.pairing.dismiss": {
      scope: "operator.pairing",
      run: async (params) => {
        const request = await deps.write(() => deps.pairings.dismiss(params.channel, params.accountId, params.requestId));
        if (!request) throw pairingRequestNotFound(params);
        return { requestId: request.code, senderId: request.sender };
      },
    },
  } satisfies MethodTable;
}

/** The status with what each platform says of the credential at this moment; accounts that are switched off are not asked about. */
async function probeAccounts(deps: ChannelsDeps, status: Status, timeoutMs: number, signal: AbortSignal): Promise<Status> {
  const whole = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const ask = async (channel: string, row: Record<string, unknown>): Promise<Record<string, unknown>> => {
    if (row["enabled"] === false) return row;
    const startedAt = deps.now();
    const probe = await deps.probe(channel, String(row["accountId"]), whole).then(
      ({ name }) => ({ ok: true, name }),
      (err: unknown) => ({ ok: false, error: reasonOf(err) }),
    );
    return { ...row, lastProbeAt: deps.now(), probe: { ...probe, elapsedMs: deps.now() - startedAt } };
  };
  const asked = Object.entries(status.channelAccounts).map(async ([id, rows]) => [id, await Promise.all(rows.map((row) => ask(id, row)))]);
  return { ...status, channelAccounts: Object.fromEntries(await Promise.all(asked)) as Status["channelAccounts"] };
}

function statusOf(deps: ChannelsDeps, only: string | undefined): Status {
  const groups = groupByChannel(deps.host.status().filter((each) => only === undefined || each.channel === only));
  const ids = [...groups.keys()];
  const loads = new Map(deps.backlogs().map((load) => [JSON.stringify([load.channel, load.account]), load]));
  const loadOf = ({ channel, account }: AccountStatus): AccountBacklog =>
    loads.get(JSON.stringify([channel, account])) ?? emptyBacklog(channel, account);
  const label = (id: string): string => deps.labelOf(id) ?? id;
  const perChannel = <T>(value: (id: string) => T): Record<string, T> => Object.fromEntries(ids.map((id) => [id, value(id)]));
  return {
    ts: deps.now(),
    channelOrder: ids,
    channelLabels: perChannel(label),
    channelDetailLabels: perChannel(label),
    channelSystemImages: {},
    channelMeta: ids.map((id) => ({ id, label: label(id), detailLabel: label(id) })),
    channels: perChannel((id) => toChannelRow(groups.get(id)!)),
    channelAccounts: perChannel((id) => groups.get(id)!.map((each) => toAccountRow(each, loadOf(each)))),
    channelDefaultAccountId: perChannel((id) => deps.defaultAccountOf(id)),
    eventLoop: deps.loop.read(),
  };
}

/** The accounts that a request means: the named one, or all of the channel. */
function accountsOf(deps: ChannelsDeps, { channel, accountId }: AccountParams): readonly AccountStatus[] {
  const accounts = deps.host.status().filter((each) => each.channel === channel);
  const meant = accountId ? accounts.filter((each) => each.account === accountId) : accounts;
  if (meant.length > 0) return meant;
  const known = accounts.map((each) => each.account).join(", ");
  throw new GatewayError(
    "NOT_FOUND",
    accountId && known ? `${channel} has no account "${accountId}"` : `channel "${channel}" is not configured`,
    {
      fix: known ? `Its accounts: ${known}.` : "`openclaw channels add` configures one.",
    },
  );
}

const toAnswer = ({ channel }: AccountParams, accounts: readonly AccountStatus[]): Record<string, unknown> => ({
  ok: true,
  channel,
  accountId: accounts[0]!.account,
  accountIds: accounts.map((each) => each.account),
});

function listPairings(deps: ChannelsDeps, filter: { channel?: string; accountId?: string }): Record<string, unknown> {
  const { channel, accountId } = filter;
  const label = (id: string): string => deps.labelOf(id) ?? id;
  const accounts = deps.host
    .status()
    .filter((each) => (channel === undefined || each.channel === channel) && (accountId === undefined || each.account === accountId));
  return {
    accounts: accounts.map((each) => ({
      channel: each.channel,
      channelLabel: label(each.channel),
      accountId: each.account,
      notifySupported: true,
    })),
    requests: deps.pairings.pending({ channel, account: accountId }).map((request) => toRequestRow(request, label)),
    commandOwnerConfigured: deps.ownerConfigured(),
    limits: { pendingPerAccount: LIMITS.pairingPendingPerAccount, ttlMs: LIMITS.pairingTtlMs },
  };
}

function toRequestRow(request: PairingRequest, label: (id: string) => string): Record<string, unknown> {
  const createdAt = new Date(request.createdAt).toISOString();
  return {
    requestId: request.code,
    channel: request.channel,
    channelLabel: label(request.channel),
    accountId: request.account,
    senderId: request.sender,
    senderLabel: request.name || request.sender,
    createdAt,
    // What a sender writes while waiting is not looked at, so the request is also when they were last seen.
    lastSeenAt: createdAt,
    expiresAt: new Date(request.expiresAt).toISOString(),
    notifySupported: true,
  };
}

/** The one method whose scope depends on its params: making someone the owner of commands is for administrators. */
async function approve(
  deps: ChannelsDeps,
  params: MethodParams<"channels.pairing.approve">,
  caller: Caller,
): Promise<Record<string, unknown>> {
  requireScope(caller, params.bootstrapCommandOwner ? "operator.admin" : "operator.pairing");
  const request = await deps.write(() => deps.pairings.approve(params.channel, params.accountId, params.requestId));
  if (!request) throw pairingRequestNotFound(params);
  return {
    requestId: request.code,
    senderId: request.sender,
    notification: params.notify ? await deps.notifyApproved(request) : "not-requested",
    commandOwnerBootstrap: !params.bootstrapCommandOwner ? "not-requested" : deps.ownerConfigured() ? "already-configured" : "unavailable",
  };
}

function requireScope(caller: Caller, scope: string): void {
  if (satisfies(caller.scopes, scope)) return;
  throw missingScope(scope);
}

const pairingRequestNotFound = ({ channel, accountId }: MethodParams<"channels.pairing.dismiss">): GatewayError =>
  new GatewayError("NOT_FOUND", `no such pairing request waits at ${channel}/${accountId}`, {
    fix: "It may have expired. `openclaw pairing list` shows those that wait.",
  });
