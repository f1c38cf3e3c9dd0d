/** A parameter without an effect here: the values with which it is accepted, and why nothing is lost with them. */
export type IgnoredParam = { values: readonly unknown[] | "any"; why: string };

/**
 * What becomes of each published parameter of one method. `served` has its effect: the handler reads it. `ignored` is accepted with the
 * named values only. Every other parameter is refused by name (`PARAM_NOT_SERVED`), so that no request succeeds without its effect.
 */
export type ParamRules = { served: readonly string[]; ignored?: Readonly<Record<string, IgnoredParam>> };

/** Accepted with every value. */
export const any = (why: string): IgnoredParam => ({ values: "any", why });

/** Accepted with these values only. */
export const when = (values: readonly unknown[], why: string): IgnoredParam => ({ values, why });

export const OFF = when([false, null], "off is the only state here");
export const NONE = when([null, "", {}], "the empty value is the only one here");
export const EMPTY = when([[]], "an empty list names nothing");
export const ALL_APPROVALS = any("questions about commands go to every connection with the scope operator.approvals");
export const ASKED_PLACES: Readonly<Record<string, IgnoredParam>> = {
  approvalReviewerDeviceIds: ALL_APPROVALS,
  turnSourceChannel: any("the conversation of the session's turn is asked"),
  turnSourceTo: any("the conversation of the session's turn is asked"),
  turnSourceAccountId: any("the conversation of the session's turn is asked"),
  turnSourceThreadId: any("the conversation of the session's turn is asked"),
};
export const ALWAYS_INCLUDED = any("the answer carries it in any case");
export const PI_RUNTIME = when(["pi", null], "every agent runs on pi");
