import type { Channel, CredentialVault } from "../channels/channel.ts";
import type { AccountStatus } from "../channels/account-types.ts";
import { parseAccount, verifyAccount, withoutSecrets } from "../channels/verify.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type AccountId, type ChannelId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import { createLogins, type LoginAnswer } from "./channel-login.ts";

/** A key of an account that a person has to give. */
export type AccountField = {
  key: string;
  help: string;
  secret: boolean;
  required: boolean;
  kind?: "number" | "boolean" | "enum" | "array";
  /** The values of a choice. */
  options?: readonly string[];
};

export type ChannelSetupDeps = {
  channelIds: readonly string[];
  load: (channel: string) => Promise<Channel | null>;
  /** The account with `change` put over what is configured, secrets resolved. Null: the account is not configured. */
  accountConfig: (channel: Channel, account: string | undefined, change?: Readonly<Record<string, unknown>>) => unknown;
  /** What the configuration's schema says about the keys at the top of a channel's block, and about those of `deeper`. */
  describe: (channel: string, deeper: readonly string[]) => readonly Omit<AccountField, "required">[];
  defaultAccountOf: (channel: string) => string;
  vault: (channel: string, account: string) => CredentialVault;
  host: {
    status(): readonly AccountStatus[];
    start(channel: ChannelId, account: AccountId): void;
    stop(channel: ChannelId, account: AccountId): Promise<void>;
  };
  log: Log;
};

/** A client that waits longer than this asks again; a request never outlives its connection's patience. */
const WAIT_MS = 25_000;

/** Connecting and disconnecting channels: catalog, credential check, login and logout. */
export function channelSetupMethods(deps: ChannelSetupDeps) {
  const logins = createLogins({
    onDone: (key) => {
      const [channel, account] = JSON.parse(key) as [ChannelId, AccountId];
      if (isRunning(deps, channel, account)) deps.host.start(channel, account);
    },
  });
  return {
    "channels.catalog": {
      scope: "operator.read",
      run: async () => ({ channels: await Promise.all(deps.channelIds.map((id) => toCatalogEntry(deps, id))) }),
    },
    "channels.verify": {
      scope: "operator.admin",
      run: async (params, caller) => {
        const channel = await requireChannel(deps, params.channel);
        const raw = requireAccountConfig(deps, channel, params.accountId, params.config ?? {});
        const { name } = await verifyAccount(channel, raw, caller.signal);
        return {
          ok: true,
          channel: channel.id,
          accountId: params.accountId ?? deps.defaultAccountOf(channel.id),
          name: withoutSecrets(name, raw),
        };
      },
    },
    "channels.logout": { scope: "operator.admin", run: (params) => logout(deps, params, (key) => logins.cancel(key)) },
    "web.login.start": {
      scope: "operator.admin",
      run: async (params): Promise<LoginAnswer> => {
        const { channel, account } = await loginTarget(deps, params);
        const raw = requireAccountConfig(deps, channel, account);
        return await logins.start(
          {
            channel,
            account: parseAccount(channel, raw),
            vault: deps.vault(channel.id, account),
            key: keyOf(channel.id, account),
            force: params.force === true,
          },
          Math.min(params.timeoutMs ?? WAIT_MS, WAIT_MS),
        );
      },
    },
    "web.login.wait": {
      scope: "operator.admin",
      waits: true,
      run: async (params): Promise<LoginAnswer> => {
        const { channel, account } = await loginTarget(deps, params);
        return await logins.wait(keyOf(channel.id, account), params.currentQrDataUrl, Math.min(params.timeoutMs ?? WAIT_MS, WAIT_MS));
      },
    },
  } satisfies MethodTable;
}

const keyOf = (channel: string, account: string): string => JSON.stringify([channel, account]);

function isRunning(deps: ChannelSetupDeps, channel: string, account: string): boolean {
  return deps.host.status().some((each) => each.channel === channel && each.account === account);
}

async function requireChannel(deps: ChannelSetupDeps, id: string): Promise<Channel> {
  const channel = await deps.load(id);
  if (channel) return channel;
  throw new GatewayError("NOT_FOUND", `there is no channel ${JSON.stringify(id.slice(0, 40))}`, {
    fix: `There are: ${deps.channelIds.join(", ")}.`,
  });
}

function requireAccountConfig(
  deps: ChannelSetupDeps,
  channel: Channel,
  account: string | undefined,
  change?: Record<string, unknown>,
): unknown {
  const raw = deps.accountConfig(channel, account, change);
  if (raw !== null) return raw;
  throw new GatewayError("NOT_FOUND", `${channel.id} has no account "${account ?? deps.defaultAccountOf(channel.id)}"`, {
    fix: `openclaw channels add ${channel.id}`,
  });
}

async function toCatalogEntry(deps: ChannelSetupDeps, id: string): Promise<Record<string, unknown>> {
  const channel = await requireChannel(deps, id);
  const parsed = channel.parse({});
  const needed = new Set("issues" in parsed ? parsed.issues.map((issue) => issue.path) : []);
  const setup = channel.setup ?? [];
  const isAsked = ({ key, secret }: Pick<AccountField, "key" | "secret">): boolean =>
    channel.setup === undefined ? secret : setup.includes(key);
  const fields = deps.describe(id, setup);
  const known = new Set(fields.map((field) => field.key));
  const unnamed = [...needed].filter((key) => !known.has(key) && /^\w+$/.test(key)).map((key) => ({ key, help: "", secret: false }));
  return {
    id,
    label: channel.label,
    login: channel.login !== undefined,
    abilities: channel.capabilities,
    ...(channel.guide === undefined ? {} : { guide: channel.guide }),
    fields: [...fields, ...unnamed]
      .map((field): AccountField => ({ ...field, required: needed.has(field.key) }))
      .filter((field) => field.required || isAsked(field))
      .toSorted((a, b) => Number(b.required) - Number(a.required) || setup.indexOf(a.key) - setup.indexOf(b.key)),
  };
}

/** The channel that is meant: the named one, or the only configured one that has a login. */
async function loginTarget(
  deps: ChannelSetupDeps,
  params: Pick<MethodParams<"web.login.start">, "channel" | "accountId">,
): Promise<{ channel: Channel; account: string }> {
  const named = params.channel;
  const configuredIds = [...new Set(deps.host.status().map((each) => each.channel as string))];
  const candidates = await Promise.all((named === undefined ? configuredIds : [named]).map((id) => requireChannel(deps, id)));
  const able = named === undefined ? candidates.filter((channel) => channel.login) : candidates;
  const [channel] = able;
  if (!channel || able.length > 1) {
    throw detailError(
      "LOGIN_NOT_SUPPORTED",
      able.length > 1 ? "several channels have a login; name one" : "no configured channel has a login",
      {
        fix: "`openclaw channels list` shows the channels.",
      },
    );
  }
  return { channel, account: params.accountId ?? deps.defaultAccountOf(channel.id) };
}

async function logout(
  deps: ChannelSetupDeps,
  params: MethodParams<"channels.logout">,
  cancel: (key: string) => void,
): Promise<Record<string, unknown>> {
  const channel = await requireChannel(deps, params.channel);
  const account = params.accountId ?? deps.defaultAccountOf(channel.id);
  const raw = requireAccountConfig(deps, channel, account);
  cancel(keyOf(channel.id, account));
  if (isRunning(deps, channel.id, account)) await deps.host.stop(channel.id, asId<AccountId>(account));
  const vault = deps.vault(channel.id, account);
  let cause: string | null = null;
  try {
    const parsed = channel.parse(raw);
    if (channel.logout && "account" in parsed) await channel.logout(parsed.account, vault, AbortSignal.timeout(LIMITS.channelLogoutMs));
  } catch (err) {
    // A logout removes the credentials here even when the platform cannot be reached.
    cause = withoutSecrets(reasonOf(err), raw);
    deps.log.warn("the platform did not end its session", { channel: channel.id, account, cause });
  }
  await vault.clear();
  return {
    ok: true,
    channel: channel.id,
    accountId: account,
    loggedOut: true,
    cleared: true,
    ...(cause === null ? {} : { platformSession: "unknown", cause }),
  };
}
