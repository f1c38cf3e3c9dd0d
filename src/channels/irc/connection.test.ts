import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { IrcConnection, IRC_TIMINGS } from "./connection.ts";

/** A socket of which the other side is this test. With `blocked` it takes nothing. */
class FakeSocket extends EventEmitter {
  readonly lines: string[] = [];
  blocked = false;
  destroyed = false;
  writable = true;
  readonly #paused = false;

  write(text: string, done?: () => void): boolean {
    this.lines.push(text.trimEnd());
    if (!this.blocked) done?.();
    return true;
  }

  isPaused(): boolean {
    return this.#paused;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

function open(clock: FakeClock, flood = { burst: 2, intervalMs: 1_000 }) {
  const socket = new FakeSocket();
  const failures: unknown[] = [];
  const connection = new IrcConnection(socket as unknown as Socket, {
    flood,
    timings: IRC_TIMINGS,
    clock,
    onLine: () => undefined,
    onRead: () => undefined,
    onUnreadable: () => undefined,
    fail: (err) => failures.push(err),
  });
  const sent = (): readonly string[] => socket.lines.filter((line) => !line.startsWith("PING"));
  return { socket, connection, failures, sent };
}
const HOUR = 3_600_000;
const lines = ["1", "2", "3", "4", "5"];

for (const jump of [HOUR, -HOUR]) {
  const way = jump > 0 ? "forward" : "back";
  test(`a clock that is set an hour ${way} changes nothing about the flood limit`, () => {
    const clock = new FakeClock();
    const { connection, sent } = open(clock);
    connection.send(lines);
    assert.deepEqual(sent(), ["1", "2"]);
    clock.jump(jump);
    clock.advance(1_000);
    assert.deepEqual(sent(), ["1", "2", "3"]);
    clock.jump(jump);
    clock.advance(2_000);
    assert.deepEqual(sent(), lines);
  });

  test(`a clock that is set an hour ${way} neither ends a live connection nor keeps a dead one`, () => {
    const clock = new FakeClock();
    const { connection, socket } = open(clock);
    clock.jump(jump);
    clock.advance(IRC_TIMINGS.quietMs - 1);
    assert.equal(connection.open, true);
    socket.emit("data", Buffer.from("PING :x\r\n"));
    clock.jump(jump);
    clock.advance(IRC_TIMINGS.quietMs + IRC_TIMINGS.pongMs + 1);
    assert.equal(connection.open, false);
  });
}

test("a server that takes nothing of what is sent loses its connection", () => {
  const clock = new FakeClock();
  const { connection, socket } = open(clock);
  socket.blocked = true;
  connection.send(["hello"]);
  clock.advance(IRC_TIMINGS.pongMs);
  // It goes on to talk: that it reads nothing is the fault.
  socket.emit("data", Buffer.from("PING :x\r\n"));
  assert.equal(connection.open, false);
});

test("what a line makes our code throw goes no further than its line", () => {
  const clock = new FakeClock();
  const socket = new FakeSocket();
  const skipped: string[] = [];
  const seen: string[] = [];
  const connection = new IrcConnection(socket as unknown as Socket, {
    flood: { burst: 1, intervalMs: 1 },
    timings: IRC_TIMINGS,
    clock,
    onLine(line) {
      if (line.command === "BOMB") throw new SyntaxError("a bug");
      seen.push(line.command);
    },
    onRead: () => undefined,
    onUnreadable: (text) => skipped.push(text),
    fail: (err) => assert.fail(String(err)),
  });
  socket.emit("data", Buffer.from("NOTICE a\r\nBOMB :x\r\nNOTICE b\r\n"));
  assert.deepEqual([seen, skipped, connection.open], [["NOTICE", "NOTICE"], ["BOMB :x"], true]);
});
