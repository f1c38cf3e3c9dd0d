import type { ServiceDefinition } from "./definition.ts";

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** One word of a command line as Windows programs take it apart. */
export function quoteWindows(text: string): string {
  if (text !== "" && !/[\s"]/.test(text)) return text;
  return `"${text.replaceAll(/(\\*)"/g, '$1$1\\"').replaceAll(/(\\+)$/g, "$1$1")}"`;
}

/** A value in a line of a batch file. */
const escapeBatch = (text: string): string => text.replaceAll("%", "%%");

/** The batch file that the task runs: it sets the variables, reads those of the environment file, and starts the gateway. Pure. */
export function windowsBatch({ command, environment, environmentFile, workingDirectory }: ServiceDefinition): string {
  return [
    "@echo off",
    "rem Written by `openclaw gateway install`.",
    "setlocal disabledelayedexpansion",
    ...Object.entries(environment).map(([name, value]) => `set "${name}=${escapeBatch(value)}"`),
    `if exist "${escapeBatch(environmentFile)}" for /f "usebackq eol=# tokens=1,* delims==" %%a in ("${escapeBatch(environmentFile)}") do set "%%a=%%b"`,
    `cd /d "${escapeBatch(workingDirectory)}"`,
    command.map((word) => escapeBatch(quoteWindows(word))).join(" "),
    "exit /b %errorlevel%",
    "",
  ].join("\r\n");
}

/** The task of a gateway, which starts when its user signs in. Pure. */
export function windowsTask(service: ServiceDefinition, batchFile: string, userId: string): string {
  return [
    '<?xml version="1.0" encoding="UTF-16"?>',
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    "  <RegistrationInfo>",
    `    <Description>${escapeXml(service.description)}</Description>`,
    "  </RegistrationInfo>",
    "  <Triggers>",
    "    <LogonTrigger>",
    "      <Enabled>true</Enabled>",
    `      <UserId>${escapeXml(userId)}</UserId>`,
    "    </LogonTrigger>",
    "  </Triggers>",
    "  <Principals>",
    '    <Principal id="Author">',
    `      <UserId>${escapeXml(userId)}</UserId>`,
    "      <LogonType>InteractiveToken</LogonType>",
    "      <RunLevel>LeastPrivilege</RunLevel>",
    "    </Principal>",
    "  </Principals>",
    "  <Settings>",
    "    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>",
    "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>",
    "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>",
    "    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>",
    "    <Priority>7</Priority>",
    "    <RestartOnFailure>",
    "      <Interval>PT1M</Interval>",
    "      <Count>3</Count>",
    "    </RestartOnFailure>",
    "    <Hidden>true</Hidden>",
    "  </Settings>",
    '  <Actions Context="Author">',
    "    <Exec>",
    `      <Command>${escapeXml(batchFile)}</Command>`,
    `      <WorkingDirectory>${escapeXml(service.workingDirectory)}</WorkingDirectory>`,
    "    </Exec>",
    "  </Actions>",
    "</Task>",
    "",
  ].join("\r\n");
}
