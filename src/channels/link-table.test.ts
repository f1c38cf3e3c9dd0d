import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link } from "./channel.ts";
import { LinkTable } from "./link-table.ts";

test("a link is found for its own account only, and until it is replaced or gone", () => {
  const links = new LinkTable();
  assert.equal(links.get("irc", "a"), null);
  const first: Link = { send: () => Promise.reject(new Error("unused")) };
  const second: Link = { ...first };
  links.set("irc", "a", first);
  assert.equal(links.get("irc", "a"), first);
  for (const [channel, account] of [
    ["irc", "b"],
    ["slack", "a"],
    ["irc|a", ""],
  ] as const)
    assert.equal(links.get(channel, account), null);
  links.set("irc", "a", second);
  assert.equal(links.get("irc", "a"), second);
  links.set("irc", "a", null);
  assert.equal(links.get("irc", "a"), null);
});
