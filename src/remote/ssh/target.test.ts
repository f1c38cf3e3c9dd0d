import assert from "node:assert/strict";
import { test } from "node:test";
import { sshFailure } from "./failure.ts";
import { formatSshTarget, parseSshTarget, sshArguments } from "./target.ts";

test("places for ssh are read, and what ssh could take for an option is not", () => {
  assert.deepEqual(parseSshTarget("ann@host.example"), { destination: "ann@host.example", port: null });
  assert.deepEqual(parseSshTarget("ann@host:2222"), { destination: "ann@host", port: 2222 });
  assert.deepEqual(parseSshTarget("alias"), { destination: "alias", port: null });
  assert.deepEqual(parseSshTarget("ann@[2001:db8::1]:22"), { destination: "ann@2001:db8::1", port: 22 });
  const refused = [
    "",
    "-oProxyCommand=x",
    "-l@host",
    "ann@-host",
    "ann@ho st",
    "ann@host\n",
    "ann@host:0",
    "ann@host:70000",
    "a@b@c",
    "host:",
    "$(x)@h",
    "ann@h;x",
  ];
  for (const text of refused) assert.equal(parseSshTarget(text), null, JSON.stringify(text));
  assert.equal(formatSshTarget({ destination: "ann@host", port: 2222 }), "ann@host:2222");
});

test("ssh never asks, forwards nothing but the tunnel, and gets the target behind the end of the options", () => {
  const options = {
    target: { destination: "ann@host", port: 2222 },
    identity: "/keys/id",
    hostKeyPolicy: "strict",
    remotePort: 18_789,
  } as const;
  const args = sshArguments(options, "/run/x/gateway.sock");
  assert.deepEqual(args.slice(-2), ["--", "ann@host"]);
  assert.equal(args[args.indexOf("-L") + 1], "/run/x/gateway.sock:127.0.0.1:18789");
  assert.equal(args[args.indexOf("-p") + 1], "2222");
  for (const option of [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ExitOnForwardFailure=yes",
    "ServerAliveInterval=15",
    "ForwardAgent=no",
  ])
    assert.ok(args.includes(option), option);
  assert.ok(!sshArguments({ ...options, hostKeyPolicy: "openssh" }, "/s").includes("StrictHostKeyChecking=yes"));
});

test("what ssh says becomes a reason with the command that helps, and only some are worth another attempt", () => {
  const target = { destination: "ann@host", port: 2222 };
  const changed = sshFailure("@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@\nHost key verification failed.\n", target, 255);
  assert.equal(changed.isFinal, true);
  assert.match(changed.fix, /ssh-keygen -R '\[host\]:2222'/);
  assert.match(sshFailure("Host key verification failed.", target, 255).reason, /not known yet/);
  assert.equal(sshFailure("ann@host: Permission denied (publickey).", target, 255).isFinal, true);
  for (const text of [
    "ssh: connect to host host port 2222: Connection refused",
    "Connection timed out",
    "Could not resolve hostname host",
    "",
    "odd",
  ])
    assert.equal(sshFailure(text, target, 255).isFinal, false, text);
  assert.equal(sshFailure("", target, 255).reason, "ssh ended with code 255");
});
