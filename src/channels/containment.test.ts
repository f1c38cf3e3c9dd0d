// Group: wire
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { CHANNEL_TARGETS } from "../../test/fuzz/channel-targets.ts";
import { openTestHost } from "../../test/channel-kit/test-host.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { until } from "../../test/until.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import type { Channel, ChannelContext } from "./channel.ts";
import { containedClock, containListeners, failOwner, runWithOwner, runWithoutOwner } from "./containment.ts";

// What is not contained ends the process, and with it the test file: the runner reports an uncaught exception as a failure.

test("what a timer, a listener or its promise throws goes to the account", async () => {
  const failures: string[] = [];
  const fail = (err: unknown): void => void failures.push((err as Error).message);
  const clock = new FakeClock();
  const contained = containedClock(clock, fail);
  contained.after(5, () => {
    throw new Error("timer");
  });
  clock.advance(5);
  const emitter = containListeners(new EventEmitter(), fail);
  emitter.on("data", () => {
    throw new Error("listener");
  });
  emitter.once("once", async () => Promise.reject(new Error("promise")));
  emitter.emit("data");
  emitter.emit("once");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(failures, ["timer", "listener", "promise"]);
  assert.equal(contained.now(), clock.now());
});

test("an error that nothing has caught belongs to the account whose code has thrown it, and to none in the gateway's own code", () => {
  const failures: unknown[] = [];
  runWithOwner(
    (err) => failures.push(err),
    () => {
      assert.equal(failOwner("mine"), true);
      runWithoutOwner(() => assert.equal(failOwner("the gateway's"), false));
    },
  );
  assert.equal(failOwner("unknown"), false);
  assert.deepEqual(failures, ["mine"]);
});

/** A clock on which a callback of a timer fails, once, when it asks for the time or sets the next timer. */
function faulty(strike: () => boolean): Clock {
  let inTimer = false;
  const checked = <T>(value: T): T => {
    if (inTimer && strike()) throw new Error("a timer of the channel failed");
    return value;
  };
  return {
    now: () => checked(systemClock.now()),
    monotonic: () => checked(systemClock.monotonic()),
    after: (delayMs, fn) => {
      checked(null);
      return systemClock.after(delayMs, () => {
        inTimer = true;
        try {
          fn();
        } finally {
          inTimer = false;
        }
      });
    },
  };
}

for (const [name, open] of Object.entries(CHANNEL_TARGETS)) {
  test(`${name}: a callback that throws ends its connection and nothing else`, async (t) => {
    const broken = { alive: false, timer: false, failures: 0 };
    const target = await open(
      faulty(() => {
        const now = broken.timer;
        broken.timer = false;
        return now;
      }),
    );
    const { run, handleWebhook: receive } = target.channel;
    const sabotaged = (host: ChannelContext): ChannelContext => ({
      ...host,
      reportActivity() {
        if (!broken.alive) return host.reportActivity();
        broken.alive = false;
        throw new Error("what reads the socket failed");
      },
      fail(err) {
        broken.failures++;
        host.fail(err);
      },
    });
    const channel: Channel = {
      ...target.channel,
      run: (account, host, live, signal) => run(account, sabotaged(host), live, signal),
      ...(receive && { handleWebhook: (account, request, host) => receive(account, request, sabotaged(host)) }),
    };
    const testHost = await openTestHost(channel, target.config);
    t.after(async () => {
      await testHost.close();
      await target.close();
    });
    await testHost.state("ready");
    broken.alive = true;
    await Promise.resolve(target.say("first", testHost)).catch((err: unknown) => assert.match(String(err), /what reads the socket failed/));
    await testHost.until(() => !broken.alive, "the callback that throws");
    broken.timer = true;
    await testHost.state("ready");
    const arrived = (): boolean => testHost.events.some((event) => event.text.includes("again"));
    let said = 0;
    // Platforms without message history may lose what is sent while the account reconnects.
    await until("a message after it", async () => {
      if (arrived()) return true;
      await testHost.state("ready");
      await target.say(`again ${said++}`, testHost);
      return arrived();
    });
    assert.ok(arrived(), "the account goes on");
    assert.notEqual(testHost.host.status()[0]!.state, "terminal");
  });
}

test("a decoder that throws skips its line, which is kept as unreadable", async (t) => {
  const { createIrcChannel } = await import("./irc/index.ts");
  const { decodeIrcMessage } = await import("./irc/inbound.ts");
  const target = await CHANNEL_TARGETS["irc"]!(systemClock);
  const irc = createIrcChannel({
    decode(line, facts) {
      if (line.params[1]?.includes("bomb")) throw new SyntaxError("Invalid escape");
      return decodeIrcMessage(line, facts);
    },
  });
  const testHost = await openTestHost(irc as Channel, target.config);
  t.after(async () => {
    await testHost.close();
    await target.close();
  });
  await testHost.state("ready");
  await target.say("a bomb", testHost);
  await target.say("after it", testHost);
  await testHost.until(() => testHost.events.length === 1, "the next message");
  const kept = testHost.others.find((event) => event.kind === "unreadable");
  assert.ok(kept?.kind === "unreadable" && /Invalid escape/.test(kept.cause));
  const again = irc.redecode!(kept.raw, 0);
  assert.ok(again?.kind === "message" && again.text === "a bomb" && again.eventId === kept.eventId);
  assert.equal(testHost.host.status()[0]!.reconnects, 0, "the connection is kept");
});
