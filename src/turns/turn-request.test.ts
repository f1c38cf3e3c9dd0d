import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { message, openTurnBench } from "../../test/fakes/turn-bench.ts";

test("only for a message of the operator is the session searched for other senders", async () => {
  const bench = openTurnBench();
  let searches = 0;
  bench.turns.transcript.hasExternalSenders = () => ++searches > 0;
  const ask = async (id: string, channel: string): Promise<string | undefined> => {
    await bench.turns.admission.submit(message("hi", id, { provenance: { channel, senderIsOwner: true } }));
    await bench.turns.runs.waitForOutcome(asId(id), 5_000);
    return bench.runtime.prompts.at(-1)?.text;
  };
  assert.equal(await ask("e1", "irc"), "hi");
  assert.equal(searches, 0);
  assert.match((await ask("e2", "webchat"))!, /^\[Your operator.*\]\nhi$/);
  assert.equal(searches, 1);
  bench.close();
});
