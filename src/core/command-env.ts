/** Variables that a program may need and that carry no secret of the gateway. */
const ALLOWED_VARIABLES = new Set(
  "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM COLORTERM NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR SystemRoot ComSpec PATHEXT USERPROFILE APPDATA LOCALAPPDATA".split(
    " ",
  ),
);
const ALLOWED_VARIABLE_PATTERN = /^(LC_[A-Z]+|(https?|all|no|ftp)_proxy|(HTTPS?|ALL|NO|FTP)_PROXY)$/;

/** The environment of the programs that the gateway runs for agents, from its own: nothing in it is a secret of the gateway. Pure. */
export function toCommandEnv(env: NodeJS.ProcessEnv, tempDir: string): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && (ALLOWED_VARIABLES.has(name) || ALLOWED_VARIABLE_PATTERN.test(name))) passed[name] = value;
  }
  return { ...passed, TMPDIR: tempDir };
}
