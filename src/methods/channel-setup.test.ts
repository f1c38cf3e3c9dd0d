import assert from "node:assert/strict";
import { test } from "node:test";
import { NotSentError } from "../channels/api.ts";
import { TerminalError, type Channel, type LoginStep, type CredentialVault } from "../channels/channel.ts";
import type { AccountStatus } from "../channels/account-types.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type ChannelId, type ConnId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import type { Caller } from "../protocol/method.ts";
import { channel as irc } from "../channels/irc/index.ts";
import { channelIds, loadChannel } from "../channels/registry.ts";
import { channelKeys } from "../config/channel-keys.ts";
import { channelSetupMethods } from "./channel-setup.ts";

const caller: Caller = {
  conn: asId<ConnId>("c1"),
  role: "operator",
  scopes: new Set(["operator.admin"]),
  client: { id: "cli", mode: "cli", version: "1" },
  caps: new Set(),
  device: null,
  signal: new AbortController().signal,
  accept: () => {},
};

type Account = { token: string };
type Parts = Partial<Pick<Channel<Account>, "verify" | "login" | "logout">>;

function rig(parts: Parts = {}) {
  const did: string[] = [];
  const kept = new Map<string, Uint8Array>();
  const vault: CredentialVault = {
    read: async (key) => kept.get(key) ?? null,
    write: async (key, value) => void kept.set(key, value),
    clear: async () => {
      did.push("clear");
      kept.clear();
    },
  };
  const channel: Channel<Account> = {
    ...(irc as unknown as Channel<Account>),
    id: asId<ChannelId>("toy"),
    label: "Toy",
    parse: (raw) => {
      const token = (raw as { token?: unknown }).token;
      return token instanceof Secret
        ? { account: { token: token.reveal() } }
        : { issues: [{ path: "token", message: "is missing", fix: "Set it." }] };
    },
    verify: async () => ({ name: "toybot" }),
    ...parts,
  };
  const status = { channel: "toy", account: "default", state: "ready" } as unknown as AccountStatus;
  const methods = channelSetupMethods({
    channelIds: ["toy"],
    load: async (id) => (id === "toy" ? (channel as unknown as Channel) : null),
    accountConfig: (_, account, change) =>
      account === "missing" ? null : { token: new Secret(String(change?.["token"] ?? "saved-token")) },
    describe: () => [
      { key: "token", help: "The token.", secret: true },
      { key: "name", help: "A note.", secret: false },
    ],
    defaultAccountOf: () => "default",
    vault: () => vault,
    host: {
      status: () => [status],
      start: (id, account: AccountId) => void did.push(`start ${id}/${account}`),
      stop: async (id, account) => void did.push(`stop ${id}/${account}`),
    },
    log: silentLog,
  });
  return { methods, did, kept };
}

const fails = (err: Error): Parts => ({ verify: async () => Promise.reject(err) });

const code = (wanted: string, text: RegExp) => (err: unknown) => {
  assert.ok(err instanceof GatewayError);
  assert.equal(err.details?.["code"], wanted);
  assert.match(`${err.message} ${err.fix}`, text);
  assert.doesNotMatch(`${err.message} ${err.fix}`, /s3cr3t/);
  return true;
};

test("the catalog names each channel with the keys that a person has to give, needed ones first", async () => {
  const { channels } = await rig().methods["channels.catalog"].run();
  const [toy] = channels as { id: string; label: string; login: boolean; fields: unknown }[];
  assert.deepEqual(
    [toy!.id, toy!.label, toy!.login, toy!.fields],
    ["toy", "Toy", false, [{ key: "token", help: "The token.", secret: true, required: true }]],
  );
});

const load = async (id: string) => (await loadChannel(asId<ChannelId>(id))) as Channel;

test("a form has what a channel asks for, each with its kind, and no second key for one thing", async () => {
  const catalog = channelSetupMethods({ ...({} as Parameters<typeof channelSetupMethods>[0]), channelIds, load, describe: channelKeys });
  type Card = { id: string; guide?: { text: string }; fields: { key: string; kind?: string; options?: string[]; required: boolean }[] };
  const { channels } = (await catalog["channels.catalog"].run()) as { channels: Card[] };
  const fieldsOf = (id: string) => channels.find((one) => one.id === id)!.fields.map(({ key, kind }) => [key, kind]);
  assert.deepEqual(fieldsOf("telegram"), [["botToken", undefined]]);
  assert.deepEqual(fieldsOf("irc").slice(0, 5), [
    ["host", undefined],
    ["nick", undefined],
    ["port", "number"],
    ["tls", "boolean"],
    ["channels", "array"],
  ]);
  const kind = channels.find((one) => one.id === "signal")!.fields.find((field) => field.key === "transport.kind");
  assert.deepEqual([kind?.kind, kind?.options], ["enum", ["managed-native", "external-native", "container"]]);
  for (const { id, guide } of channels) assert.ok(guide?.text.endsWith("."), id);
});

test("a refused value is named by its key", async () => {
  const parts = fails(new TerminalError("no such token", "Ask for a new one.", "token"));
  await assert.rejects(
    rig(parts).methods["channels.verify"].run({ channel: "toy", config: { token: "s3cr3t-token" } }, caller),
    (err) => err instanceof GatewayError && err.details?.["key"] === "token",
  );
});

test("a good credential answers with the bot's name; a bad one says whose fault it is, without the secret", async () => {
  const config = { token: "s3cr3t-token" };
  const verify = (parts: Parts) => rig(parts).methods["channels.verify"].run({ channel: "toy", config }, caller);
  assert.deepEqual(await verify({}), { ok: true, channel: "toy", accountId: "default", name: "toybot" });
  await assert.rejects(
    verify(fails(new TerminalError("s3cr3t-token is not a token", "Ask for a new one."))),
    code("CREDENTIAL_REFUSED", /Toy rejected this account: \[secret\] is not a token Ask for a new one/),
  );
  await assert.rejects(
    verify(fails(new NotSentError("getaddrinfo ENOTFOUND"))),
    code("PLATFORM_UNREACHABLE", /ENOTFOUND Check the network/),
  );
  await assert.rejects(
    verify(fails(Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" }))),
    code("PLATFORM_UNREACHABLE", /ECONNREFUSED 127\.0\.0\.1:1 Check the network/),
  );
  await assert.rejects(
    rig().methods["channels.verify"].run({ channel: "none" }, caller),
    (err) => err instanceof GatewayError && err.code === "NOT_FOUND",
  );
  await assert.rejects(
    rig().methods["channels.verify"].run({ channel: "toy", accountId: "missing" }, caller),
    (err) => err instanceof GatewayError && err.code === "NOT_FOUND" && err.fix === "openclaw channels add toy",
  );
});

test("a logout stops the account, ends the platform's session and clears the vault, also when the platform is away", async () => {
  const order: string[] = [];
  const r = rig({ logout: async (account) => void order.push(`logout ${account.token}`) });
  r.kept.set("identity", new Uint8Array([1]));
  assert.equal((await r.methods["channels.logout"].run({ channel: "toy" }))["loggedOut"], true);
  assert.deepEqual([r.did, order, r.kept.size], [["stop toy/default", "clear"], ["logout saved-token"], 0]);
  const away = rig({ logout: async () => Promise.reject(new Error("no route; saved-token")) });
  const answer = await away.methods["channels.logout"].run({ channel: "toy" });
  assert.deepEqual([answer["cleared"], answer["platformSession"], answer["cause"]], [true, "unknown", "no route; [secret]"]);
});

test("a login shows its code, then the next one, and starts the account when it is done", async () => {
  const steps = Promise.withResolvers<(step: LoginStep) => void>();
  const done = Promise.withResolvers<{ name: string }>();
  const r = rig({
    login: async (_, vault, show) => {
      steps.resolve(show);
      show({ kind: "qr", text: "first", expiresAt: 5 });
      const result = await done.promise;
      await vault.write("identity", new Uint8Array([7]));
      return result;
    },
  });
  const first = await r.methods["web.login.start"].run({});
  assert.match(String(first["qrDataUrl"]), /^data:image\/png;base64,/);
  assert.equal(first["qrText"], "first");
  const waiting = r.methods["web.login.wait"].run({ currentQrDataUrl: String(first["qrDataUrl"]) });
  (await steps.promise)({ kind: "qr", text: "second", expiresAt: 6 });
  assert.equal((await waiting)["qrText"], "second");
  const end = r.methods["web.login.wait"].run({});
  done.resolve({ name: "toybot" });
  assert.deepEqual(await end, { connected: true, message: "Signed in as toybot.", name: "toybot" });
  assert.deepEqual([r.did, [...r.kept.keys()]], [["start toy/default"], ["identity"]]);
  await assert.rejects(r.methods["web.login.wait"].run({}), code("LOGIN_NOT_STARTED", /Begin one/));
});

test("a channel without a login says so", async () => {
  await assert.rejects(rig().methods["web.login.start"].run({ channel: "toy" }), code("LOGIN_NOT_SUPPORTED", /no interactive login/));
});
