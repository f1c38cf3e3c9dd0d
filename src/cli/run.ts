import { DEV_PROFILE } from "../core/profile.ts";
import { CliError, EXIT, GatewayError, reasonOf } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { CancelledError } from "./cancelled-error.ts";
import { Invocation, type CliHost } from "./invocation.ts";
import { Output } from "./output.ts";
import { parseArgv, type ParsedArgv } from "./parse.ts";
import { readStoredSecrets } from "./stored-secrets.ts";
import { sanitizeLine } from "./terminal-text.ts";
import { COMMANDS, HIDDEN_COMMANDS } from "./command-table.ts";

/** Runs one command line. Never throws; resolves to the exit code of the process. */
export async function runCli(argv: readonly string[], host: CliHost): Promise<number> {
  const color = !host.env["NO_COLOR"] && host.env["TERM"] !== "dumb" && !argv.includes("--no-color");
  const out = new Output(host.streams, { json: argv.includes("--json"), color });
  try {
    return await runParsed(parseArgv(argv, [...COMMANDS, ...HIDDEN_COMMANDS]), out, host);
  } catch (err) {
    return report(err, out, host);
  }
}

async function runParsed(parsed: ParsedArgv, out: Output, host: CliHost): Promise<number> {
  if (parsed.kind === "version") {
    out.result({ version: VERSION }, () => out.line(`openclaw-gateway ${VERSION}`));
    return EXIT.ok;
  }
  if (parsed.kind === "help") {
    const { showHelp } = await import("./help.ts");
    return showHelp(parsed.words, out);
  }
  const profile = parsed.flags.has("dev") ? DEV_PROFILE : parsed.flags.get("profile")?.at(-1);
  if (profile !== undefined) host.useProfile(profile);
  out.jsonLines = parsed.command.jsonLines === true;
  const run = await parsed.command.load();
  const invocation = new Invocation(parsed.args, parsed.flags, out, host);
  await readStoredSecrets(invocation);
  return (await run(invocation)) ?? EXIT.ok;
}

/** One line what, one line why, one line fix. What is not expected shows its stack: it is a bug of ours. */
function report(err: unknown, out: Output, host: CliHost): number {
  if (host.signal.aborted) return 130;
  const failure = cleanMessage(toFailure(err));
  if (out.json) {
    out.data({ ok: false, error: { message: failure.what, why: failure.why, fix: failure.fix, exit: failure.exit } });
    return failure.exit;
  }
  if (err instanceof CancelledError) out.note(err.message);
  else out.note(`${out.paint("red", "✗")} ${failure.what}`);
  if (failure.why) out.note(failure.why.startsWith("Usage: ") ? `  ${failure.why}` : `  Why: ${failure.why}`);
  if (failure.fix) out.note(`  Fix: ${failure.fix}`);
  if (failure.stack) out.note(failure.stack);
  return failure.exit;
}

/** Messages may quote what someone else wrote. */
function cleanMessage({ what, why, fix, exit, stack }: CliFailure): CliFailure {
  return { what: sanitizeLine(what), why: why && sanitizeLine(why), fix: fix && sanitizeLine(fix), exit, stack };
}

type CliFailure = { what: string; why?: string | undefined; fix?: string | undefined; exit: number; stack?: string | undefined };

function toFailure(err: unknown): CliFailure {
  if (err instanceof CliError) return { what: err.message, why: err.why, fix: err.fix, exit: err.exit };
  if (err instanceof GatewayError) return { what: err.message, fix: err.fix, exit: exitCodeOf(err) };
  const stack = err instanceof Error ? err.stack : undefined;
  return {
    what: `openclaw ${VERSION} failed unexpectedly`,
    why: reasonOf(err),
    fix: "this is a defect: please report it with the lines below.",
    exit: EXIT.failure,
    stack,
  };
}

function exitCodeOf(err: GatewayError): number {
  const { code } = err;
  if (code === "UNAVAILABLE" || code === "CONFLICT") return EXIT.unavailable;
  if (code === "UNAUTHORIZED" || code === "FORBIDDEN" || code === "NOT_PAIRED") return EXIT.noPermission;
  return EXIT.failure;
}
