import { GatewayError } from "../../core/errors.ts";
import { toSentence } from "../../core/text.ts";
import { errorResult, fixOf } from "../results.ts";
import type { ToolResult } from "../tool.ts";

/** The result of a call, or why it was not done, in words for the model. */
export async function answer(run: () => Promise<ToolResult>): Promise<ToolResult> {
  try {
    return await run();
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    return errorResult(`Not done: ${toSentence(err.message)}${fixOf(err)}`);
  }
}
