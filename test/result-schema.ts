import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ajv } from "ajv";

// The package exports its code only; its schema lies beside it.
const file = new URL("../node_modules/@openclaw/gateway-protocol/protocol.schema.json", import.meta.url);
const protocol = JSON.parse(readFileSync(file, "utf8")) as object;
// A validator is compiled in half the time when its code is not made shorter.
const ajv = new Ajv({ strict: false, allErrors: true, code: { optimize: false }, inlineRefs: false }).addSchema(protocol, "protocol");

/** Fails unless `value`, as it would arrive at a client, fits the published definition, e.g. `AgentsListResult`. */
export function assertMatchesResultSchema(definition: string, value: unknown): void {
  // Compiled by the first use, kept by ajv.
  const validate = ajv.getSchema(`protocol#/definitions/${definition}`);
  assert.ok(validate, `the protocol defines ${definition}`);
  const arrived = JSON.parse(JSON.stringify(value)) as unknown;
  assert.ok(validate(arrived), `${definition}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(arrived, null, 1)}`);
}
