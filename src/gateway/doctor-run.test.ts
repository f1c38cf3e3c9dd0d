import assert from "node:assert/strict";
import { test } from "node:test";
import { toDoctorReport } from "./doctor-run.ts";

test("what is fine is counted, and what is not is listed with its fix", () => {
  const bad = { check: "disk", severity: "problem", title: "the disk is full", why: "w", fix: "f" };
  const output = {
    ok: false,
    problems: 1,
    warnings: 0,
    fine: 1,
    findings: [
      { ...bad, repair: "r" },
      { check: "node", severity: "ok", title: "n" },
    ],
  };
  assert.deepEqual(toDoctorReport(output, 5), { ts: 5, problems: 1, warnings: 0, fine: 1, findings: [bad] });
});

test("an error of the command is not taken for a report", () => {
  for (const output of [undefined, null, "text", [], { ok: false, error: { message: "m" } }, { problems: 1, warnings: 0, fine: 0 }])
    assert.equal(toDoctorReport(output, 5), null);
});
