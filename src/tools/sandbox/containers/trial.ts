/** Namespaces that a container must not share with this machine. */
export const SEPARATED = ["ipc", "mnt", "net", "pid", "uts"] as const;

/** Ends the output of the trial. */
export const TRIAL_END = "the trial has ended";

/**
 * A script for /bin/sh that tries to get out of a container, with what every image has that can run commands. It prints a line `FOUND: `
 * for each thing that it could do. It changes nothing but the workspace and $OUTSIDE. Its variables: OUTSIDE, READ_ONLY_ROOT, and
 * HOST_<name> for each namespace.
 */
export const TRIAL_SCRIPT = `
found() { echo "FOUND: $1"; }
(: > "$OUTSIDE/written") 2>/dev/null && found "writes a file outside of the workspace"
(: < "$OUTSIDE/secret") 2>/dev/null && found "reads a file outside of the workspace"
[ -n "$READ_ONLY_ROOT" ] && (: > /openclaw-trial) 2>/dev/null && found "may write to /"
(: >> /proc/sys/kernel/core_pattern) 2>/dev/null && found "can change settings of the kernel"
(: >> /proc/sysrq-trigger) 2>/dev/null && found "can send requests to the kernel (sysrq)"
for each in ${SEPARATED.join(" ")}; do
  [ "$(readlink /proc/self/ns/$each)" = "$(eval echo \\$HOST_$each)" ] && found "shares the namespace $each"
done
while read -r name value rest; do
  case $name in
    CapEff:) [ "$value" = 0000000000000000 ] || found "has capabilities" ;;
    NoNewPrivs:) [ "$value" = 1 ] || found "can get the rights of other users" ;;
    Seccomp:) [ "$value" = 2 ] || found "has no filter of system calls" ;;
  esac
done < /proc/self/status
while read -r name rest; do
  case $name in
    *'|'* | face* | lo:*) ;;
    *) found "has a network card" ;;
  esac
done < /proc/net/dev
: > made
echo '${TRIAL_END}'
`;
