import { existsSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { CliError, EXIT } from "../core/errors.ts";
import { profileOf } from "../core/profile.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** What a service runs, the same for every system. */
export type ServiceDefinition = {
  readonly description: string;
  /** Program and arguments; the program is an absolute path. */
  readonly command: readonly string[];
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A file with further variables, such as keys of providers; it may be missing. */
  readonly environmentFile: string;
  /** Where the output goes that is not in the gateway's log; for systems without a journal. */
  readonly outputFile: string;
  /** The user of a service of the whole machine; null: a service of the user who installs it. */
  readonly user: string | null;
  /** The system is notified when the gateway is ready, and watches it. */
  readonly notifies: boolean;
};

/** What is handed on to the service when it is set. Credentials are not among it: they belong into the environment file. */
const KEPT_VARIABLES = [
  "OPENCLAW_STATE_DIR",
  "OPENCLAW_CONFIG_PATH",
  "OPENCLAW_PROFILE",
  "LANG",
  "TMPDIR",
  "NODE_EXTRA_CA_CERTS",
  "NODE_USE_SYSTEM_CA",
  "NO_PROXY",
] as const;

export type DefinitionInput = {
  readonly env: Env;
  readonly home: string;
  readonly state: string;
  readonly node: string;
  /** File with which this command was started. */
  readonly entry: string;
  readonly port: number | undefined;
  readonly wrapper: string | undefined;
  readonly user: string | null;
  readonly notifies: boolean;
};

/** The service of this installation. Throws CliError for what no service can run. */
export function serviceDefinition(input: DefinitionInput): ServiceDefinition {
  const { env, home, state, port, user, notifies } = input;
  const command = [...programOf(input), "gateway", "run", ...(port === undefined ? [] : ["--port", String(port)])];
  const environment: Record<string, string> = { HOME: home, PATH: pathOf(input) };
  for (const name of KEPT_VARIABLES) if (env[name]) environment[name] = env[name];
  for (const [name, value] of Object.entries(proxies(env))) environment[name] = value;
  environment["OPENCLAW_SERVICE_MARKER"] = "openclaw";
  environment["OPENCLAW_SERVICE_KIND"] = "gateway";
  const profile = profileOf(env);
  const definition: ServiceDefinition = {
    description: profile === null ? "OpenClaw Gateway" : `OpenClaw Gateway (${profile})`,
    command,
    workingDirectory: home,
    environment,
    environmentFile: join(state, "service.env"),
    outputFile: join(state, "gateway", "logs", "service.log"),
    user,
    notifies,
  };
  for (const text of [...command, home, state, ...Object.values(environment)]) refuseControl(text);
  return definition;
}

function programOf({ wrapper, entry, node }: DefinitionInput): readonly string[] {
  if (wrapper !== undefined) {
    if (isAbsolute(wrapper) && existsSync(wrapper)) return [wrapper];
    throw new CliError(`${wrapper} cannot be the program of the service`, {
      why: "it is not the absolute path of a file.",
      fix: "name the whole path with --wrapper",
      exit: EXIT.usage,
    });
  }
  // A clone builds what has changed when it starts.
  const launcher = join(dirname(dirname(entry)), "openclaw");
  if (entry.endsWith(join("bin", "openclaw.js")) && existsSync(launcher) && existsSync(join(dirname(launcher), "scripts", "bootstrap.js")))
    return [launcher];
  return [node, entry];
}

/** Where Node, npm and the programs of agents usually are. No entry that another user could write to. */
function pathOf({ home, node, env }: DefinitionInput): string {
  const own = [dirname(node), join(home, ".local/bin"), join(home, ".npm-global/bin"), join(home, "bin"), join(home, ".nix-profile/bin")];
  const shared = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/homebrew/bin"];
  const given = (env["PATH"] ?? "").split(delimiter);
  return [
    ...new Set([
      ...own.filter((dir, index) => index === 0 || existsSync(dir)),
      ...shared.filter((dir) => given.includes(dir) || existsSync(dir)),
    ]),
  ].join(delimiter);
}

/** Proxies without a credential in their address. */
function proxies(env: Env): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]) {
    const value = env[name];
    if (value && URL.canParse(value) && new URL(value).username === "" && new URL(value).password === "") found[name] = value;
  }
  return found;
}

function refuseControl(text: string): void {
  // oxlint-disable-next-line no-control-regex
  if (!/[\u0000-\u001f\u007f]/.test(text)) return;
  throw new CliError("a path or variable of the service has a control character", {
    why: `${JSON.stringify(text.slice(0, 200))} cannot be written to the definition of a service.`,
    fix: "rename the directory, or unset the variable",
    exit: EXIT.usage,
  });
}
