import assert from "node:assert/strict";
import { test } from "node:test";
import { toFieldMessage, toFieldLabel, toSetupProblem, withoutCommands } from "./setup-problem.ts";
import type { ChannelCard } from "./channel-card.ts";

const field = (key: string, secret = true): ChannelCard["fields"][number] => ({ key, help: "", secret, required: true });
const telegram: ChannelCard = { id: "telegram", label: "Telegram", login: false, fields: [field("botToken")] };
const slack: ChannelCard = { id: "slack", label: "Slack", login: false, fields: [field("botToken"), field("appToken")] };
const irc: ChannelCard = {
  id: "irc",
  label: "IRC",
  login: false,
  fields: [field("nick", false), { ...field("channels", false), required: false }],
};

test("keys read as words", () => {
  assert.deepEqual(["botToken", "transport.url", "nickserv.password", "tls"].map(toFieldLabel), [
    "Bot token",
    "Transport URL",
    "Nickserv password",
    "TLS",
  ]);
});

test("a problem of a value is shown under its field, in a sentence", () => {
  assert.equal(toFieldMessage("Bot token", "is not a bot token: those look like 1:A"), "That isn't a bot token. Bot tokens look like 1:A.");
  assert.equal(toFieldMessage("Nick", "is missing"), "Enter the nick.");
  assert.equal(toFieldMessage("Port", "must be a whole number from 1 to 65535"), "Must be a whole number from 1 to 65535.");
  const issues = [
    { path: "channels[1]", message: '"room" is not a channel name' },
    { path: "flood.burst", message: "must be a whole number" },
  ];
  const problem = toSetupProblem(
    { fix: "Set channels.irc.channels.", details: { code: "ACCOUNT_INCOMPLETE", issues } },
    "the account is not complete",
    irc,
  );
  assert.equal(problem.fields["channels"], '"room" is not a channel name.');
  assert.equal(problem.text, "Flood burst: Must be a whole number.");
});

test("a refused token is reported under its field", () => {
  const refused = {
    fix: "Ask @BotFather for a new token and set channels.telegram.botToken, then: openclaw channels start telegram",
    details: { code: "CREDENTIAL_REFUSED" },
  };
  assert.deepEqual(toSetupProblem(refused, "Telegram refuses it: Telegram does not accept the bot token", telegram), {
    text: null,
    fix: "Ask @BotFather for a new token.",
    fields: { botToken: "Telegram rejected this token." },
  });
  const app = { fix: null, details: { code: "CREDENTIAL_REFUSED", key: "appToken" } };
  assert.deepEqual(toSetupProblem(app, "Slack refuses it: Slack does not open a socket: invalid_auth", slack).fields, {
    appToken: "Slack rejected this app token (invalid_auth).",
  });
  assert.equal(
    toSetupProblem({ fix: null, details: { code: "CREDENTIAL_REFUSED" } }, "IRC rejected this account: the nick is taken", irc).text,
    "IRC refused the connection: the nick is taken.",
  );
});

test("a platform that is away is not the fault of a field", () => {
  const away = { fix: "Check the network of this machine and the address, then try again.", details: { code: "PLATFORM_UNREACHABLE" } };
  const problem = toSetupProblem(away, "Can't reach Telegram: connect ECONNREFUSED 127.0.0.1:1", telegram);
  assert.equal(problem.text, "Can't reach Telegram (connection refused at 127.0.0.1:1).");
  assert.match(problem.fix!, /^Check the network/);
});

test("commands and keys of the configuration are left out of a fix", () => {
  assert.equal(
    withoutCommands(
      "Create an app-level token with the scope connections:write, enable Socket Mode (api.slack.com/apps), set channels.slack.appToken, then: openclaw channels start slack",
    ),
    "Create an app-level token with the scope connections:write, enable Socket Mode (api.slack.com/apps).",
  );
  assert.equal(withoutCommands("openclaw channels add toy"), null);
  assert.equal(withoutCommands("Set channels.irc.nick."), null);
  assert.equal(withoutCommands("Choose another channels.irc.nick."), null);
});
