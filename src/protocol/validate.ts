import { detailError, GatewayError } from "../core/errors.ts";
import { VALIDATORS, type SchemaFault } from "./gen/validators.js";
import type { ConnectParams } from "./frames.ts";
import type { MethodParams } from "./method.ts";
import type { ServedMethod } from "./served-methods.ts";
import { NESTED_PARAMS } from "./param-schemas.ts";
import { PARAM_RULES, type IgnoredParam } from "./served-params.ts";

/** One schema fault as the protocol words it: `at /client/id: must be ...`, `at root: unexpected property 'x'`. */
function describe(fault: SchemaFault): string {
  const at = fault.instancePath === "" ? "root" : fault.instancePath.slice(0, 200);
  const extra = fault.params["additionalProperty"];
  const reason =
    fault.keyword === "additionalProperties" ? `unexpected property '${String(extra).slice(0, 100)}'` : (fault.message ?? fault.keyword);
  return `at ${at}: ${reason}`;
}

/** True when params of `method` can be checked, that is, when the method may be served. */
export function hasValidator(method: string): method is ServedMethod {
  return Object.hasOwn(VALIDATORS, method);
}

/**
 * The served params of a request. Throws GatewayError INVALID_REQUEST `invalid <method> params: at <path>: <reason>` for what is off
 * schema, and with `details.code` PARAM_NOT_SERVED for what would have no effect here. Absent params count as `{}`.
 */
export function checkParams<M extends ServedMethod>(method: M, params: unknown): MethodParams<M>;
export function checkParams(method: "connect", params: unknown): ConnectParams;
export function checkParams(method: ServedMethod | "connect", params: unknown): unknown {
  const value = params === undefined ? {} : params;
  const validate = VALIDATORS[method]!;
  if (validate(value)) return servedParams(method, value as Readonly<Record<string, unknown>>);
  const fault = validate.errors?.[0];
  throw new GatewayError("INVALID_REQUEST", `invalid ${method} params: ${fault ? describe(fault) : "not accepted"}`);
}

/** The params without those that are ignored. A parameter that the rules do not let pass is refused by its name. */
function servedParams(method: string, params: Readonly<Record<string, unknown>>, rulesOf = method, path = ""): Record<string, unknown> {
  const rules = Object.hasOwn(PARAM_RULES, rulesOf) ? PARAM_RULES[rulesOf as ServedMethod] : null;
  if (!rules) return params;
  const kept: [string, unknown][] = [];
  for (const [name, value] of Object.entries(params)) {
    const nested = NESTED_PARAMS[rulesOf]?.[name];
    if (nested !== undefined) kept.push([name, servedParams(method, value as Record<string, unknown>, nested, `/${name}`)]);
    else if (rules.served.includes(name)) kept.push([name, value]);
    else if (!isIgnored(rules.ignored?.[name], value)) throw paramNotServed(method, name, `${path}/${name}`);
  }
  return Object.fromEntries(kept);
}

function isIgnored(rule: IgnoredParam | undefined, value: unknown): boolean {
  if (!rule) return false;
  return rule.values === "any" || rule.values.some((each) => JSON.stringify(each) === JSON.stringify(value));
}

/** The refusal of a parameter, or of a value of it, that would have no effect. */
export function paramNotServed(method: string, param: string, path = `/${param}`): GatewayError {
  return detailError("PARAM_NOT_SERVED", `invalid ${method} params: at ${path}: this gateway does not serve it`, {
    details: { method, param },
    fix: `Leave ${param} out; docs/protocol.md lists what each method serves.`,
  });
}
