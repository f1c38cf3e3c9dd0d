import assert from "node:assert/strict";
import { test } from "node:test";
import { fingerprintOf, Repeats, similarityOf } from "./repeats.ts";

const NOTICE = "The build 4711 of the branch main has failed at 10:15, please look at it";

test("texts that differ in numbers, case and one word of many are nearly the same, others are not", () => {
  const first = fingerprintOf(NOTICE)!;
  const similar = (text: string): number => similarityOf(first, fingerprintOf(text)!);
  assert.equal(similar("the BUILD 4712 of the branch main has failed at 11:20,  please look at it"), 1);
  assert.ok(similar("The build 4713 of the branch main has failed at 12:00, please look at this") >= 0.8);
  assert.ok(similar("The build of my house has cost more than what we agreed on, please look at it") < 0.8);
  assert.ok(similar("Was steht morgen in meinem Kalender?") < 0.1);
});

test("short answers of people are not compared", () => {
  for (const text of ["ok", "Ok!", "yes", "go on please", "ja, mach das", "", "👍👍👍👍👍👍"])
    assert.equal(fingerprintOf(text), null, text);
});

test("repeats are counted over an hour, also when several texts take turns", () => {
  const repeats = new Repeats();
  const texts = Array.from(
    { length: 8 },
    (_, index) => `${"abcdefgh"[index]!.repeat(4)} asks again for what ${"hgfedcba"[index]!.repeat(5)} has said`,
  );
  const samples = texts.map((text) => fingerprintOf(text)!);
  for (let round = 0; round < 5; round++) for (const sample of samples) repeats.add(sample, round * 1_000, 10);
  for (const sample of samples) assert.equal(repeats.count(sample, 5_000), 5);
  assert.equal(repeats.count(samples[0]!, 3_600_000 + 2_500), 2);
  assert.equal(repeats.count(fingerprintOf(NOTICE)!, 5_000), 0);
});

test("what is remembered is bounded, however many texts come", () => {
  const repeats = new Repeats();
  for (let index = 0; index < 10_000; index++) {
    const word = index.toString(26).replaceAll(/\d/g, (digit) => "qrstuvwxyz"[Number(digit)]!);
    repeats.add(fingerprintOf(`${word}a ${word}b ${word}c ${word}d ${word}e ${word}f`)!, index, 3);
  }
  const same = fingerprintOf(NOTICE)!;
  for (let index = 0; index < 1_000; index++) repeats.add(same, 20_000 + index, 3);
  assert.equal(repeats.count(same, 21_000), 3);
});

test("a text of megabytes costs no more than its beginning", () => {
  const long = `${NOTICE} `.repeat(200_000);
  assert.ok(fingerprintOf(long)!.length <= 32);
  assert.equal(fingerprintOf("a".repeat(5_000_000)), null);
});
