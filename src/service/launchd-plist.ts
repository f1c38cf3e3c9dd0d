import type { ServiceDefinition } from "./definition.ts";

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const string = (text: string): string => `<string>${escapeXml(text)}</string>`;

/**
 * The agent of a gateway for launchd. The environment file is read by a shell, because launchd has no such key: its lines are data, not
 * commands. Pure.
 */
export function launchdPlist(label: string, service: ServiceDefinition): string {
  const { command, environment, environmentFile, outputFile, workingDirectory } = service;
  const program = ["/bin/sh", "-c", READ_ENVIRONMENT, "openclaw", environmentFile, ...command];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    "<dict>",
    `  <key>Label</key>${string(label)}`,
    "  <key>ProgramArguments</key>",
    "  <array>",
    ...program.map((argument) => `    ${string(argument)}`),
    "  </array>",
    "  <key>EnvironmentVariables</key>",
    "  <dict>",
    ...Object.entries(environment).map(([name, value]) => `    <key>${escapeXml(name)}</key>${string(value)}`),
    "  </dict>",
    `  <key>WorkingDirectory</key>${string(workingDirectory)}`,
    "  <key>RunAtLoad</key><true/>",
    "  <key>KeepAlive</key>",
    "  <dict>",
    "    <key>SuccessfulExit</key><false/>",
    "  </dict>",
    "  <key>ThrottleInterval</key><integer>10</integer>",
    "  <key>ExitTimeOut</key><integer>20</integer>",
    "  <key>ProcessType</key><string>Interactive</string>",
    "  <key>Umask</key><integer>63</integer>",
    "  <key>StandardInPath</key><string>/dev/null</string>",
    `  <key>StandardOutPath</key>${string(outputFile)}`,
    `  <key>StandardErrorPath</key>${string(outputFile)}`,
    "</dict>",
    "</plist>",
    "",
  ].join("\n");
}

/** Exports the lines NAME=value of a file, and becomes the command. */
const READ_ENVIRONMENT = [
  'file=$1; shift; if [ -r "$file" ]; then while IFS= read -r line || [ -n "$line" ]; do',
  'case $line in [A-Za-z_]*=*) export "$line";; esac; done <"$file"; fi; exec "$@"',
].join(" ");
