import assert from "node:assert/strict";
import { test } from "node:test";
import { takeLinkCode } from "./credentials.ts";
import { toSignedText } from "../../src/client/signed-text.ts";
import { toBase64Url } from "./device-identity.ts";

test("the signed text is version 3, field by field", () => {
  const text = toSignedText("ab12", {
    clientId: "webchat-ui",
    clientMode: "webchat",
    role: "operator",
    scopes: ["operator.write", "operator.read"],
    signedAt: 1795346192207,
    token: "secret",
    nonce: "n-1",
    platform: " Linux x86_64 ",
  });
  assert.equal(text, "v3|ab12|webchat-ui|webchat|operator|operator.write,operator.read|1795346192207|secret|n-1|linux x86_64|");
});

test("base64url has no padding and no marks that a URL would change", () => {
  assert.equal(toBase64Url(new Uint8Array([251, 255, 254, 1])), "-__-AQ");
});

const take = (hash: string): [string | null, string[]] => {
  const written: string[] = [];
  const location = { hash, pathname: "/gw/", search: "?a=1" } as Location;
  const history = { replaceState: (_state: unknown, _title: string, url: string) => written.push(url) } as unknown as History;
  return [takeLinkCode(location, history), written];
};

test("a link code is taken out of the address bar, whatever it looks like", () => {
  assert.deepEqual(take("#k=7Q4M-2XKD"), ["7Q4M-2XKD", ["/gw/?a=1"]]);
  assert.deepEqual(take("#k=<script>"), [null, ["/gw/?a=1"]]);
  assert.deepEqual(take("#s=agent"), [null, []]);
  assert.deepEqual(take(""), [null, []]);
});
