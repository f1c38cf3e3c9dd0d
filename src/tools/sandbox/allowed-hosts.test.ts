import assert from "node:assert/strict";
import { test } from "node:test";
import { networkInterfaces } from "node:os";
import { allowedAddresses, parseEntry } from "./allowed-hosts.ts";

const PUBLIC = "93.184.215.14";
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "registry.example": [PUBLIC],
  "a.packages.example": [PUBLIC],
  "packages.example": [PUBLIC],
  "inside.example": ["10.9.8.7"],
  "mixed.example": [PUBLIC, "10.9.8.7"],
  "rebound.example": ["127.0.0.1"],
  "metadata.example": ["169.254.169.254"],
  "none.example": [],
};
const HOSTS = [
  ...Object.keys(NAMES),
  "*.packages.example",
  "git.example:22",
  PUBLIC,
  "10.9.8.7:5432",
  "127.0.0.1",
  "[::1]:443",
  "[fd00::7]:443",
];
const resolve = (host: string): Promise<readonly string[]> => Promise.resolve(NAMES[host] ?? [PUBLIC]);
const ask = (host: string, port = 443, { hosts = HOSTS, allowPrivateNetwork = false } = {}): Promise<readonly string[]> =>
  allowedAddresses({ host, port }, { hosts, allowPrivateNetwork }, resolve);

test("an entry is a name or an address, with a port or for the web", () => {
  assert.deepEqual(parseEntry("Example.ORG."), { host: "example.org", ports: [80, 443] });
  assert.deepEqual(parseEntry("*.example.org:8443"), { host: "*.example.org", ports: [8443] });
  assert.deepEqual(parseEntry("[fd00::7]:443"), { host: "fd00::7", ports: [443] });
  assert.deepEqual(parseEntry("10.0.0.7"), { host: "10.0.0.7", ports: [80, 443] });
});

test("a listed host is reached on its ports only", async () => {
  assert.deepEqual(await ask("registry.example"), [PUBLIC]);
  assert.deepEqual(await ask("REGISTRY.example.", 80), [PUBLIC]);
  assert.deepEqual(await ask("b.packages.example"), [PUBLIC]);
  assert.deepEqual(await ask("git.example", 22), [PUBLIC]);
  assert.deepEqual(await ask(PUBLIC), [PUBLIC]);
  await assert.rejects(ask("registry.example", 22), /not listed with the port 22/);
  await assert.rejects(ask("git.example", 443), /not listed with the port 443/);
});

test("what is not listed is refused, however much it is like what is", async () => {
  for (const host of [
    "other.example",
    "registry.example.evil.example",
    "evilregistry.example",
    "registry",
    "93.184.215.15",
    "localhost",
    "",
  ])
    await assert.rejects(ask(host), /is not listed/, host);
  await assert.rejects(ask("x.example", 443, { hosts: [] }), /is not listed/);
});

test("a listed name with an address that is not public is refused, unless private networks are allowed", async () => {
  for (const host of ["inside.example", "mixed.example", "rebound.example", "metadata.example"])
    await assert.rejects(ask(host), /not on the public internet/, host);
  await assert.rejects(ask("10.9.8.7", 5_432), /not on the public internet/);
  await assert.rejects(ask("none.example"), /no address/);
  const open = { allowPrivateNetwork: true };
  assert.deepEqual(await ask("inside.example", 443, open), ["10.9.8.7"]);
  assert.deepEqual(await ask("mixed.example", 443, open), [PUBLIC, "10.9.8.7"]);
  assert.deepEqual(await ask("10.9.8.7", 5_432, open), ["10.9.8.7"]);
  assert.deepEqual(await ask("[fd00::7]", 443, open), ["fd00::7"]);
});

test("this machine and services of its link are never reached, whatever is listed and allowed", async () => {
  const own = Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []);
  const hosts = [
    ...own.map((each) => (each.includes(":") ? `[${each.replace(/%.*/, "")}]` : each)),
    "127.0.0.1",
    "[::1]",
    "0.0.0.0",
    "169.254.169.254",
    "[::ffff:127.0.0.1]",
    "rebound.example",
    "metadata.example",
  ];
  for (const host of hosts) await assert.rejects(ask(host, 443, { hosts, allowPrivateNetwork: true }), /not on the public internet/, host);
});
