import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";

type Protocol = { definitions: Record<string, unknown> };

// The package exports its code only; its schema lies beside it.
const file = new URL("../node_modules/@openclaw/gateway-protocol/protocol.schema.json", import.meta.url);
const protocol = JSON.parse(readFileSync(file, "utf8")) as Protocol;
const ajv = new Ajv({ strict: false, allErrors: true });
const compiled = new Map<string, ValidateFunction>();

/** Fails unless `value`, as it would arrive at a client, fits the published definition, e.g. `AgentsListResult`. */
export function assertMatchesResultSchema(definition: string, value: unknown): void {
  assert.ok(protocol.definitions[definition], `the protocol defines ${definition}`);
  let validate = compiled.get(definition);
  if (!validate) {
    validate = ajv.compile({ $ref: `#/definitions/${definition}`, definitions: protocol.definitions });
    compiled.set(definition, validate);
  }
  const arrived = JSON.parse(JSON.stringify(value)) as unknown;
  assert.ok(validate(arrived), `${definition}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(arrived, null, 1)}`);
}
