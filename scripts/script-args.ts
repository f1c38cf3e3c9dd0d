// The options of scripts. `--help` prints the comment at the head of the script, and so does an option that it does not have.
import { readFileSync } from "node:fs";
import { parseArgs, type ParseArgsConfig } from "node:util";

/** `file`: the script, whose first lines say how it is used. */
export function parseScriptArgs<Config extends ParseArgsConfig>(file: string, config: Config): ReturnType<typeof parseArgs<Config>> {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    console.log(usageOf(file));
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (err) {
    if (!(err instanceof TypeError)) throw err;
    console.error(`${err.message}\n\n${usageOf(file)}`);
    process.exit(2);
  }
}

function usageOf(file: string): string {
  const lines = readFileSync(file, "utf8").split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ""))
    .join("\n");
}
