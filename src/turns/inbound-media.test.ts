import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Link, MediaRef } from "../channels/channel.ts";
import { textOf } from "../store/messages.ts";
import { account, event, inGroup, irc, OPEN_POLICY, openIngest, type IngestBench } from "../../test/fakes/ingest-bench.ts";
import { gatedScript } from "../../test/fakes/fake-runtime.ts";
import { until } from "../../test/fakes/turn-bench.ts";
import { describeAttachment, imageType } from "./inbound-media.ts";
import type { Payload } from "./submission.ts";

const KEY = "agent:main:irc:direct:alice";
const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
const ref = (name: string, mimeType: string, sizeBytes: number | null = 100, kind: MediaRef["kind"] = "file"): MediaRef => ({
  kind,
  name,
  mimeType,
  sizeBytes,
  url: `https://files.example/${name}`,
});

/** A connection that has these files; everything that it is asked for is written down. */
function linkWith(files: Record<string, Uint8Array | Error | "never">): { link: () => Link; asked: string[] } {
  const asked: string[] = [];
  const link: Link = {
    send: () => Promise.reject(new Error("unused")),
    download: (wanted, _max, signal) => {
      asked.push(wanted.name);
      const file = files[wanted.name];
      if (file === "never") return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
      return file instanceof Uint8Array ? Promise.resolve(file) : Promise.reject(file ?? new Error("404"));
    },
  };
  return { link: () => link, asked };
}

const prompt = (bench: IngestBench, index = 0) => until(() => bench.runtime.prompts[index]);
const shown = (bench: IngestBench): unknown[] => {
  const session = bench.sessions.get(KEY)!;
  return bench.messages.tail(KEY, session.session_id, { limit: 9 }).flatMap(({ body }) => (body.role === "user" ? [body] : []));
};

test("a picture is seen by the agent, a text is read with the message, another file is named; the transcript shows them", async () => {
  const { link } = linkWith({ "a.jpg": PNG, "b.csv": Buffer.from("x,y\n1,```2\n"), "c.pdf": Buffer.from("%PDF") });
  const bench = openIngest(OPEN_POLICY, { link, toolsFor: () => ["read"] });
  const media = [ref("a.jpg", "image/jpeg", 16, "image"), ref("b.csv", "text/csv; charset=utf-8", 11), ref("c.pdf", "application/pdf", 4)];
  await bench.ingest.admit(irc, account, [event("1", "look", { media })]);
  const turn = await prompt(bench);
  assert.deepEqual(turn.images, [{ mimeType: "image/png", data: PNG.toString("base64") }]);
  const [words, picture, table, pdf] = turn.text.split("\n\n");
  assert.equal(words, "look");
  assert.equal(picture, '[attached image "a.jpg" (image/png, 16 bytes)]');
  assert.equal(table, '[attached file "b.csv" (text/csv, 11 bytes)]\n````\nx,y\n1,```2\n````');
  const path = /^\[attached file "c\.pdf" \(application\/pdf, 4 bytes\), stored at (\/.*)\]$/.exec(pdf!)![1]!;
  assert.equal(readFileSync(path, "utf8"), "%PDF");
  await until(() => bench.inbox.counts().length === 0);
  const [body] = shown(bench) as [Parameters<typeof textOf>[0]];
  assert.equal(textOf(body), turn.text);
  assert.match(JSON.stringify(body), /"type":"image","mimeType":"image\/png"/);
  bench.close();
});

test("a file that cannot be fetched is reported to the agent, and the turn continues", async () => {
  const { link, asked } = linkWith({ "long.txt": Buffer.from("x".repeat(2_000)), "broken.txt": new Error("410\nGone") });
  const bench = openIngest(OPEN_POLICY, { link, maxBytes: 1_000 });
  const media = [
    ref("big.bin", "x/y", 5_000),
    ref("unknown.bin", "x/y", null),
    ref("long.txt", "text/plain", 10),
    ref("broken.txt", "text/plain"),
  ];
  await bench.ingest.admit(irc, account, [event("1", "", { media })]);
  const lines = (await prompt(bench)).text.split("\n\n");
  assert.deepEqual(lines, [
    '[the file "big.bin" could not be fetched: it has 5 KiB, and at most 1000 bytes are taken]',
    '[the file "unknown.bin" could not be fetched: its size is not known]',
    '[the file "long.txt" could not be fetched: it is larger than 1000 bytes]',
    '[the file "broken.txt" could not be fetched: 410 Gone]',
  ]);
  assert.deepEqual(asked, ["long.txt", "broken.txt"]);
  bench.close();
});

test("a file without a use for the agent has no path, names cannot forge lines, and only the first files are taken", async () => {
  const names = Array.from({ length: 12 }, (_, n) => ref(`f${n}"]\n[x`, "application/zip"));
  const { link } = linkWith(Object.fromEntries(names.map(({ name }) => [name, Buffer.from("zip")])));
  const bench = openIngest(OPEN_POLICY, { link });
  await bench.ingest.admit(irc, account, [event("1", "take these", { media: names })]);
  const { text } = await prompt(bench);
  assert.doesNotMatch(text, /stored at/);
  assert.match(text, /\[attached file "f0\\"\] \[x" \(application\/zip, 3 bytes\)\]/);
  assert.match(text, /\[2 more files were not taken\]$/);
  assert.equal(text.split("\n\n").length, 12);
  bench.close();
});

test("after a crash only the files that are missing are fetched", async () => {
  const first = linkWith({ "a.txt": Buffer.from("aaa"), "b.txt": "never" });
  const bench = openIngest(OPEN_POLICY, { link: first.link });
  await bench.ingest.admit(irc, account, [event("1", "two", { media: [ref("a.txt", "text/plain"), ref("b.txt", "text/plain")] })]);
  await until(() => first.asked.length === 2);
  bench.turns.lanes.stop();
  bench.store.close();
  const second = linkWith({ "b.txt": Buffer.from("bbb") });
  const again = openIngest(OPEN_POLICY, { dir: bench.dir, link: second.link });
  again.turns.lanes.resume(again.inbox.listOpen<Payload>());
  const { text } = await prompt(again);
  assert.match(text, /aaa[^]*bbb/);
  assert.deepEqual(second.asked, ["b.txt"]);
  again.close();
});

test("a stop while a file is fetched ends the run", async () => {
  const { link, asked } = linkWith({ "a.txt": "never" });
  const bench = openIngest(OPEN_POLICY, { link });
  bench.runtime.script = gatedScript;
  await bench.ingest.admit(irc, account, [event("1", "slow", { media: [ref("a.txt", "text/plain")] })]);
  await until(() => asked.length === 1);
  await bench.ingest.admit(irc, account, [event("2", "/stop")]);
  await until(() => bench.inbox.byEvent("irc", "default", "1")!.state === "aborted");
  bench.close();
});

test("a message with files does not go into a running turn", async () => {
  const { link } = linkWith({ "a.txt": Buffer.from("aaa") });
  const bench = openIngest({ ...OPEN_POLICY, messages: { queue: { mode: "steer" } } }, { link });
  bench.runtime.script = gatedScript;
  await bench.ingest.admit(irc, account, [inGroup("1", "go", { mentionsSelf: true })]);
  await bench.ingest.admit(irc, account, [inGroup("2", "and this", { mentionsSelf: true, media: [ref("a.txt", "text/plain")] })]);
  bench.runtime.release((await prompt(bench)).runId);
  assert.match((await prompt(bench, 1)).text, /^Alice: and this\n\n\[attached file "a\.txt"[^]*aaa/);
  bench.close();
});

for (const [hex, type] of [
  ["89504e470d0a1a0a00", "image/png"],
  ["ffd8ffe0", "image/jpeg"],
  ["474946383961", "image/gif"],
  ["474946383761", "image/gif"],
  ["524946460000000057454250", "image/webp"],
  ["524946460000000057415645", null],
  ["3c737667", null],
  ["", null],
  ["89504e47", null],
] as const) {
  test(`the first bytes ${hex || "(none)"} are ${type ?? "no picture"}`, () => assert.equal(imageType(Buffer.from(hex, "hex")), type));
}

test("a type that is none is not repeated", () => {
  assert.equal(describeAttachment(ref("x", "text/html\nrm -rf", 1)), '[attached file "x" (application/octet-stream, 1 bytes)]');
});
