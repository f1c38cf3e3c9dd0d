import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { silentLog } from "../../core/log.ts";
import type { ServiceFacts } from "./service.ts";
import { zoneFile, zoneLabel, type ZoneFacts } from "./zone.ts";
import { ZoneWriter } from "./zone-writer.ts";

const FACTS: ServiceFacts = {
  displayName: 'Café "2.Stock"',
  hostLabel: "desk",
  port: 18_789,
  tlsFingerprint: "ab".repeat(32),
  isReachable: true,
  tailnetHost: "desk.tail1.ts.net",
  cliPath: "/opt/open claw",
  sshPort: 22,
};
const ZONE: ZoneFacts = { domain: "openclaw.internal", facts: FACTS, ipv4: "100.64.0.7", ipv6: "fd7a:115c:a1e0::7", isFull: false };
const NOW = Date.parse("2026-12-01T10:00:00Z");
const serialOf = (text: string | null): number => Number(/hostmaster (\d+)/.exec(text ?? "")?.[1]);
const home = mkdtempSync(join(tmpdir(), "zone-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

test("a zone has the records of the service, and keeps what only the local network or mode full is for", () => {
  const text = zoneFile(ZONE, null, NOW)!;
  assert.deepEqual(text.split("\n").slice(1), [
    "$ORIGIN openclaw.internal.",
    "$TTL 60",
    "@ IN SOA ns1 hostmaster 2026120100 7200 3600 1209600 60",
    "@ IN NS ns1",
    "ns1 IN A 100.64.0.7",
    "desk IN A 100.64.0.7",
    "desk IN AAAA fd7a:115c:a1e0::7",
    "_services._dns-sd._udp IN PTR _openclaw-gw._tcp",
    "_openclaw-gw._tcp IN PTR Caf\\195\\169\\032\\0342\\046Stock\\034\\032\\040OpenClaw\\041._openclaw-gw._tcp",
    "Caf\\195\\169\\032\\0342\\046Stock\\034\\032\\040OpenClaw\\041._openclaw-gw._tcp IN SRV 0 0 18789 desk",
    `Caf\\195\\169\\032\\0342\\046Stock\\034\\032\\040OpenClaw\\041._openclaw-gw._tcp IN TXT "role=gateway" "gatewayPort=18789" "transport=gateway" "displayName=Caf\\195\\169 \\0342.Stock\\034" "gatewayTls=1" "gatewayTlsSha256=${"ab".repeat(32)}" "gatewayDirectReachable=1" "tailnetDns=desk.tail1.ts.net"`,
    "",
  ]);
  const full = zoneFile({ ...ZONE, isFull: true, ipv6: null }, null, NOW)!;
  assert.match(full, /"cliPath=\/opt\/open claw" "sshPort=22"/);
  assert.doesNotMatch(full, /lanHost|AAAA/);
});

test("the serial moves with every change and with nothing else, also when the clock goes back", () => {
  const first = zoneFile(ZONE, null, NOW)!;
  assert.equal(zoneFile(ZONE, first, NOW + 86_400_000), null, "the same content is not written again");
  const second = zoneFile({ ...ZONE, ipv4: "100.64.0.8" }, first, NOW)!;
  assert.equal(serialOf(second), serialOf(first) + 1);
  const back = zoneFile(ZONE, second, NOW - 30 * 86_400_000)!;
  assert.equal(serialOf(back), serialOf(second) + 1);
  assert.equal(serialOf(zoneFile({ ...ZONE, isFull: true }, back, NOW + 86_400_000)), 2_026_120_200);
  assert.equal(serialOf(zoneFile(ZONE, "a file of someone else", NOW)), 2_026_120_100);
});

const CHECKZONE = ["/usr/bin/named-checkzone", "/usr/sbin/named-checkzone"].find((path) => existsSync(path));

test(
  "named-checkzone accepts zones of every odd name, and reads the records as they are",
  { skip: !CHECKZONE && "no bind9-utils here" },
  () => {
    const path = join(home, "zone.db");
    for (const displayName of ["desk", 'a "b" \\ c', "ünï.cödé", "x".repeat(80), "; $INCLUDE /etc/passwd", "(", "tab\there\nline"]) {
      writeFileSync(path, zoneFile({ ...ZONE, facts: { ...FACTS, displayName }, isFull: true }, null, NOW)!);
      const checked = spawnSync(CHECKZONE!, ["-D", "openclaw.internal", path], { encoding: "utf8" });
      assert.equal(checked.status, 0, `${displayName}: ${checked.stdout}${checked.stderr}`);
      assert.equal(checked.stdout.match(/\sSRV\s+0 0 18789 desk\.openclaw\.internal\./g)?.length, 1, checked.stdout);
    }
  },
);

test("what is not a letter, a digit or a dash of a label is escaped byte by byte", () => {
  assert.equal(zoneLabel("a-b_c9"), "a-b_c9");
  assert.equal(zoneLabel('."\\;\n'), "\\046\\034\\092\\059\\010");
});

test("the file is written when the machine has an address, follows its changes, and goes away with the setting", async () => {
  const clock = new FakeClock();
  const path = join(home, "dns", "openclaw.internal.db");
  const states: string[] = [];
  let facts: ZoneFacts | null = null;
  const health = {
    report: (part: string, state: string, cause?: string) => void states.push(`${part} ${state} ${cause ?? ""}`),
    forget: () => void states.push("forgotten"),
  };
  const writer = new ZoneWriter({ path, zone: () => facts, clock, log: silentLog, health: health as never });
  writer.start();
  assert.equal(existsSync(path), false);
  assert.match(states.at(-1)!, /discovery-zone degraded this machine has no IPv4 address of a tailnet/);
  facts = ZONE;
  await clock.advanceSettled(60_000);
  const first = readFileSync(path, "utf8");
  assert.match(states.at(-1)!, /ready/);
  facts = { ...ZONE, ipv4: "100.64.0.9" };
  writer.update();
  assert.match(readFileSync(path, "utf8"), /ns1 IN A 100\.64\.0\.9/);
  assert.notEqual(serialOf(readFileSync(path, "utf8")), serialOf(first));
  writer.stop(false);
  assert.ok(existsSync(path), "a stopped gateway comes back at the same place");
  writer.stop(true);
  assert.equal(existsSync(path), false);
  await clock.advanceSettled(120_000);
  assert.equal(existsSync(path), false);
});
