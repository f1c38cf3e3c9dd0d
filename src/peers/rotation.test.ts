import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, idOf, linked, type Loss, type Side } from "../../test/peer-bench.ts";
import { settled, until } from "../../test/until.ts";
import { createDevice } from "../client/device.ts";
import { helloText, rotateText, seal, signText, verifyText, type Packet } from "./envelope.ts";
import { fingerprintOf, linkToken } from "./keys.ts";
import { PEER_LIMITS } from "./limits.ts";
import { requestIdOf } from "./remote-turn.ts";

const received = (side: Side): string[] => [...side.runs.values()].map(({ submission }) => submission.text);
const reportOf = (side: Side) => side.service.reports()[0]!;
const never = new AbortController().signal;

async function exchangeLetter(home: Side, office: Side, text: string): Promise<void> {
  await home.ask("office", text, text);
  await until(`${text} there`, () => received(office).includes(text));
  for (const [runId, run] of office.runs) if (run.outcome === null) office.answer(runId, `re: ${run.submission.text}`);
  assert.equal((await home.service.waitFor(requestIdOf(text), never))?.text, `re: ${text}`);
}

const admission = (side: Side, keyId: string, meant: string) =>
  side.service.admit({ keyId, publicKey: "", token: linkToken(meant), address: "" });

test("a link gets a new key while it is up: both keys count for a while, then only the new one", async (t) => {
  const { clock, home, office } = await linked(t);
  connect(home, office);
  await exchangeLetter(home, office, "before");
  const old = idOf(home);
  const { state, fingerprint } = await home.service.rotate("office");
  assert.equal(state, "rotated");
  assert.notEqual(idOf(home), old);
  assert.deepEqual([reportOf(home).ownFingerprint, reportOf(home).pendingFingerprint], [fingerprint, null]);
  assert.equal(reportOf(office).fingerprint, fingerprint);
  assert.equal(reportOf(office).previousFingerprint, fingerprintOf(old));
  await exchangeLetter(home, office, "over the old connection");

  assert.deepEqual(await admission(office, old, office.identity.id), { name: "home" });
  assert.deepEqual(await admission(office, idOf(home), office.identity.id), { name: "home" });
  const { publicKey, signature } = home.service.hello("nonce", office.identity.id);
  assert.ok(verifyText(publicKey, helloText("nonce", office.identity.id, idOf(home)), signature), "it shows the new key");
  await clock.advanceSettled(PEER_LIMITS.drainMs + 1);
  assert.equal(office.service.isLinked("home", old), false);
  assert.equal(reportOf(office).previousFingerprint, null);
  const refused = await admission(office, old, office.identity.id);
  assert.equal("refused" in refused && refused.refused.kind, "unknown");
  connect(home, office);
  await exchangeLetter(home, office, "after");
  // And once more, from the other side.
  assert.equal((await office.service.rotate("home")).state, "rotated");
  await exchangeLetter(home, office, "and again");
  assert.equal(home.keyFiles.size, 1, "no private key stays that is not used");
});

test("the key before is not accepted any longer because the clock went back", async (t) => {
  const { clock, home, office } = await linked(t);
  connect(home, office);
  const old = idOf(home);
  await home.service.rotate("office");
  await exchangeLetter(home, office, "with the new key");
  assert.equal(office.service.isLinked("home", old), true);
  clock.jump(-86_400_000);
  await clock.advanceSettled(PEER_LIMITS.drainMs + 1);
  assert.equal(office.service.isLinked("home", old), false);
});

test("a damaged key file costs its own link only", async (t) => {
  const { home, office } = await linked(t);
  connect(home, office);
  await home.service.rotate("office");
  home.damage();
  await home.restart();
  assert.equal(
    reportOf(home).ownFingerprint,
    fingerprintOf(home.identity.id),
    "the key of the gateway, which the other side does not accept",
  );
  assert.equal((await home.service.rotate("office")).state, "waiting");
});

test("a key that is made while the link is down is announced when it is up, also after a restart", async (t) => {
  const { home, office } = await linked(t);
  const { state, fingerprint } = await home.service.rotate("office");
  assert.equal(state, "waiting");
  assert.equal((await home.service.rotate("office")).fingerprint, fingerprint, "it is not made twice");
  await home.restart();
  connect(home, office);
  await until("the confirmation", () => reportOf(home).ownFingerprint === fingerprint);
  await exchangeLetter(home, office, "hello");
});

test("when the answer is lost, the old key works, and a message to the new one is the answer", async (t) => {
  const { home, office } = await linked(t);
  const old = idOf(home);
  connect(home, office, () => "after");
  const { state, fingerprint } = await home.service.rotate("office");
  assert.equal(state, "waiting");
  assert.equal(idOf(home), old);
  assert.equal(reportOf(office).fingerprint, fingerprint, "the other side has it");
  const pending = home.rows.ownKeys().find((key) => key.state === "pending")!.keyId;
  assert.deepEqual(await admission(office, old, office.identity.id), { name: "home" }, "the old one lets it in");
  assert.deepEqual(await admission(home, office.identity.id, pending), { name: "office" });
  assert.equal(idOf(home), pending, "the other side names it, so it has it");
  connect(home, office);
  await exchangeLetter(home, office, "hello");
});

test("a new key counts only with the signatures of the old key and of itself", async (t) => {
  const { home, office } = await linked(t);
  const [old, made, other] = [home.identity, createDevice(), createDevice()];
  const announce = async (more: { signer?: typeof old; proof?: string; publicKey?: string }): Promise<string> => {
    const proof = more.proof ?? signText(made, rotateText(old.id, made.id, office.identity.id));
    const fields = {
      v: 1,
      from: old.id,
      to: office.identity.id,
      kind: "rotate",
      id: "rotate-1",
      publicKey: made.publicKey,
      proof,
    } as const;
    const packet: Packet = seal(more.signer ?? old, { ...fields, ...(more.publicKey !== undefined && { publicKey: more.publicKey }) });
    const answer = (await office.service.receive(old.id, packet)) as Packet;
    const { status, reason } = JSON.parse(answer.body) as { status: string; reason: string | null };
    return `${status} ${reason ?? ""}`;
  };
  await assert.rejects(announce({ signer: made }), /not signed by this link/);
  assert.match(await announce({ proof: signText(old, rotateText(old.id, made.id, office.identity.id)) }), /did not sign for itself/);
  assert.match(await announce({ proof: signText(made, rotateText(old.id, made.id, other.id)) }), /did not sign for itself/);
  assert.match(await announce({ publicKey: other.publicKey }), /did not sign for itself/);
  const own = signText(office.identity, rotateText(old.id, office.identity.id, office.identity.id));
  assert.match(await announce({ publicKey: office.identity.publicKey, proof: own }), /of another link/);
  assert.equal(reportOf(office).fingerprint, fingerprintOf(old.id));
  assert.match(await announce({}), /stored/);
  assert.match(await announce({}), /stored/, "it comes again");
  assert.equal(reportOf(office).fingerprint, fingerprintOf(made.id));
});

test("a private key that a killed process has left without its row is removed at the next start", async (t) => {
  const { home, office } = await linked(t);
  connect(home, office);
  await home.service.rotate("office");
  const used = idOf(home);
  const left = createDevice();
  home.keyFiles.set(left.id, left);
  await home.restart();
  assert.deepEqual([...home.keyFiles.keys()], [used]);
});

test("a removed link forgets both keys, and its own key is not kept", async (t) => {
  const { home, office } = await linked(t);
  connect(home, office);
  const old = idOf(home);
  await home.service.rotate("office");
  const current = idOf(home);
  await office.service.revoke("home");
  for (const keyId of [old, current]) {
    assert.equal(office.service.isLinked("home", keyId), false);
    assert.ok("refused" in (await admission(office, keyId, office.identity.id)));
  }
  await home.service.revoke("office");
  assert.equal(home.keyFiles.size, 0);
  assert.equal(idOf(home), home.identity.id);
  await assert.rejects(home.service.rotate("office"), /not paired/);
});

test("keys change on both sides while connections and answers are lost, and every letter arrives once", async (t) => {
  for (const seed of [3, 7, 11]) {
    let state = seed;
    const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
    const { clock, home, office } = await linked(t);
    const loss: Loss = () => (next() < 0.25 ? "before" : next() < 0.25 ? "after" : "none");
    const COUNT = 12;
    for (let index = 0; index < COUNT; index++) {
      await home.ask("office", `letter ${index}`, `run-${seed}-${index}`);
      const end = connect(home, office, loss);
      if (next() < 0.5) await (next() < 0.5 ? home.service.rotate("office") : office.service.rotate("home"));
      await clock.advanceSettled(Math.floor(next() * 5_000));
      for (const [runId, run] of office.runs) if (run.outcome === null && next() < 0.6) office.answer(runId, `re: ${run.submission.text}`);
      await settled(5);
      if (next() < 0.3) await home.restart();
      if (next() < 0.3) await office.restart();
      end();
    }
    await until(`everything of seed ${seed}`, async () => {
      const end = connect(home, office);
      await clock.advanceSettled(10_000);
      for (const [runId, run] of office.runs) if (run.outcome === null) office.answer(runId, `re: ${run.submission.text}`);
      await settled(5);
      end();
      const isConfirmed = [home, office].every((side) => reportOf(side).pendingFingerprint === null);
      return isConfirmed && home.rows.queues().length === 0 && office.rows.queues().length === 0;
    });
    assert.deepEqual(
      received(office),
      Array.from({ length: COUNT }, (_, index) => `letter ${index}`),
    );
    for (const [side, link] of [
      [home, "office"],
      [office, "home"],
    ] as const) {
      const own = side.rows.ownKeys().filter((key) => key.state === "current" && key.peer === link);
      assert.ok(own.length <= 1);
      assert.equal(reportOf(side).pendingFingerprint, null);
    }
    assert.equal(reportOf(home).fingerprint, fingerprintOf(idOf(office)));
    assert.equal(reportOf(office).fingerprint, fingerprintOf(idOf(home)));
  }
});
