import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { test } from "node:test";
import { externalHosts, localHost } from "./addresses.ts";

const card = (address: string, family: "IPv4" | "IPv6", internal = false): NetworkInterfaceInfo =>
  ({ address, family, internal }) as NetworkInterfaceInfo;
const CARDS = {
  lo: [card("127.0.0.1", "IPv4", true), card("::1", "IPv6", true)],
  eth0: [card("192.168.1.5", "IPv4"), card("2001:db8::5", "IPv6"), card("fe80::1", "IPv6")],
};

test("the addresses that are printed are those that were bound", () => {
  const cases: [bound: string[], own: string, outer: string[]][] = [
    [["127.0.0.1", "::1"], "127.0.0.1", []],
    [["::1"], "[::1]", []],
    [["0.0.0.0", "::1"], "127.0.0.1", ["192.168.1.5"]],
    [["::"], "[::1]", ["192.168.1.5", "[2001:db8::5]"]],
    [["127.0.0.5"], "127.0.0.5", []],
    [["192.168.1.5", "127.0.0.1", "::1"], "127.0.0.1", ["192.168.1.5"]],
    [["2001:db8::5"], "[2001:db8::5]", ["[2001:db8::5]"]],
    [["100.64.0.1", "::1"], "[::1]", ["100.64.0.1"]],
  ];
  for (const [bound, own, outer] of cases) {
    assert.equal(localHost(bound), own, bound.join());
    assert.deepEqual(externalHosts(bound, CARDS), outer, bound.join());
    assert.doesNotThrow(() => new URL(`http://${own}:18789/`));
  }
});
