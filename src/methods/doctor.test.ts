import assert from "node:assert/strict";
import { test } from "node:test";
import type { DoctorReport } from "../core/doctor-report.ts";
import { LIMITS } from "../core/limits.ts";
import { doctorMethods } from "./doctor.ts";

const reportAt = (ts: number): DoctorReport => ({ ts, problems: 0, warnings: 0, fine: 3, findings: [] });

test("the checks run once for all who ask within a minute, and never twice at a time", async () => {
  let [now, runs] = [0, 0];
  let gate = Promise.withResolvers<void>();
  const { "gateway.doctor": method } = doctorMethods({
    elapsed: () => now,
    run: async () => {
      const report = reportAt(++runs);
      await gate.promise;
      return report;
    },
  });
  const first = [method.run(), method.run()];
  // They take longer than a report serves.
  now += LIMITS.doctorCacheMs + 1;
  first.push(method.run());
  gate.resolve();
  assert.deepEqual(await Promise.all(first), [reportAt(1), reportAt(1), reportAt(1)]);
  now += LIMITS.doctorCacheMs - 1;
  assert.deepEqual(await method.run(), reportAt(1));
  gate = Promise.withResolvers();
  gate.resolve();
  now += 1;
  assert.deepEqual(await method.run(), reportAt(2));
});

test("a run that fails is tried again by the next one who asks", async () => {
  let runs = 0;
  const { "gateway.doctor": method } = doctorMethods({
    elapsed: () => 0,
    run: () => (++runs === 1 ? Promise.reject(new Error("no answer")) : Promise.resolve(reportAt(runs))),
  });
  await assert.rejects(method.run(), /no answer/);
  assert.deepEqual(await method.run(), reportAt(2));
});
