import { CliError } from "../core/errors.ts";

/** The person said no, or pressed Ctrl-C at a question: not a failure of ours, and nothing was changed. */
export class CancelledError extends CliError {
  constructor(exit = 1) {
    super("Cancelled. Nothing changed.", { exit });
  }
}
