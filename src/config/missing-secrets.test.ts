import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "./load.ts";
import { missingSecrets } from "./missing-secrets.ts";

test("only credentials that are set and could not be read are named", () => {
  const { issues } = checkConfigValue(
    {
      gateway: { port: "x", auth: { token: "${NOT_THERE}", passwordFile: "/does/not/exist" } },
      models: { providers: { "my.gw": { baseUrl: "http://127.0.0.1:1", apiKey: { source: "exec", provider: "p", id: "k" } } } },
      channels: { irc: { host: "h", nick: "n", password: "${THERE}" } },
    },
    { THERE: "yes" },
  );
  assert.deepEqual(missingSecrets(issues), ["gateway.auth.token", "gateway.auth.passwordFile", 'models.providers["my.gw"].apiKey']);
});
