import { GatewayError } from "../core/errors.ts";
import { VALIDATORS, type SchemaFault } from "./gen/validators.js";

/** One schema fault as the protocol words it: `at /client/id: must be ...`, `at root: unexpected property 'x'`. */
function describe(fault: SchemaFault): string {
  const at = fault.instancePath === "" ? "root" : fault.instancePath.slice(0, 200);
  const extra = fault.params["additionalProperty"];
  const reason =
    fault.keyword === "additionalProperties" ? `unexpected property '${String(extra).slice(0, 100)}'` : (fault.message ?? fault.keyword);
  return `at ${at}: ${reason}`;
}

/** True when params of `method` can be checked, that is, when the method may be served. */
export function hasValidator(method: string): boolean {
  return Object.hasOwn(VALIDATORS, method);
}

/** Throws GatewayError INVALID_REQUEST `invalid <method> params: at <path>: <reason>`. Absent params count as `{}`. */
export function checkParams(method: string, params: unknown): unknown {
  const value = params === undefined ? {} : params;
  const validate = VALIDATORS[method]!;
  if (validate(value)) return value;
  const fault = validate.errors?.[0];
  throw new GatewayError("INVALID_REQUEST", `invalid ${method} params: ${fault ? describe(fault) : "not accepted"}`);
}
