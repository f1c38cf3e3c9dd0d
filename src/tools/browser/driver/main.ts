// Runs as a process of its own, started by driver-process.ts: drives the browsers of the agents, and ends with the gateway.
import { Socket } from "node:net";
import { reasonOf } from "../../../core/errors.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import {
  DRIVER_DESCRIPTOR,
  encodeRecord,
  readRecords,
  type DriverInput,
  type DriverOutput,
  type DriverRequest,
  type OperatorRequest,
} from "../records.ts";
import { Browsers } from "./browsers.ts";
import { ActionProblem } from "./problem.ts";

// Whatever the browsers write is private to its owner.
process.umask(0o077);
const report = (text: string): void => void process.stderr.write(`${text}\n`);

const env = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
const browsers = new Browsers({ env, onError: report });
const gateway = new Socket({ fd: DRIVER_DESCRIPTOR, allowHalfOpen: true });
const running = new Map<number, AbortController>();

function send(record: DriverOutput): void {
  const bytes = encodeRecord(record);
  if (bytes.length <= BROWSER_LIMITS.recordBytes) return void gateway.write(bytes);
  const problem = { code: "too_large", message: "The result is too large." };
  gateway.write(encodeRecord({ id: record.id, tabs: record.tabs, browsers: record.browsers, problem }));
}

async function answer(request: DriverRequest | OperatorRequest): Promise<void> {
  const controller = new AbortController();
  running.set(request.id, controller);
  const counts = (): { id: number; tabs: number; browsers: number } => ({
    id: request.id,
    tabs: browsers.tabs,
    browsers: browsers.running,
  });
  try {
    const given = await ("question" in request ? browsers.answer(request.question) : browsers.run(request, controller.signal));
    send({ ...counts(), answer: given });
  } catch (err) {
    const known = err instanceof ActionProblem ? err : new ActionProblem("failed", reasonOf(err));
    const { code, message, content } = known;
    send({ ...counts(), problem: { code, message, ...(content && { content }) } });
  } finally {
    running.delete(request.id);
  }
}

let isEnding = false;
async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await browsers.close();
  process.exit();
}

readRecords(gateway, (record) => {
  const input = record as DriverInput;
  if ("cancel" in input) running.get(input.cancel)?.abort();
  else if ("endSession" in input) browsers.endSession(input.endSession).catch((err: unknown) => report(reasonOf(err)));
  else void answer(input);
});
gateway.on("error", (err) => report(reasonOf(err)));
// The gateway asks by this to end, and it comes as well when the gateway has been killed.
for (const event of ["end", "close"]) gateway.on(event, () => void end());
// A page that ends while playwright works in it: the call has its own error.
process.on("unhandledRejection", (err) => report(reasonOf(err)));
