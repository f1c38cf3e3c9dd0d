/**
 * Ways out of a sandbox. A script prints ESCAPED when it got out, or leaves something behind that the host finds. Each is also run without
 * the sandbox, where it must get out: a script that cannot fail the test would prove nothing.
 */
export type EscapeCase = {
  name: string;
  /** For /bin/sh, in the workspace. Its variables: `scriptVariables` in escape-host.ts. */
  script: string;
  /** Who gets out without the sandbox; or why it is not run without one. */
  outside: "everyone" | "root" | { notRun: string };
  /** A path that not every kernel has, without which nothing can get out. */
  needs?: string;
  /** Why it is not run in containers, where another bound holds. */
  inContainers?: string;
  /** Default: "rw". */
  workspaceAccess?: "ro" | "rw";
  /** Further variables of the command. */
  env?: Readonly<Record<string, string>>;
};

/** Prints ESCAPED when a system call succeeds. Its arguments are Perl. */
const callSucceeds = (call: string, args: string, before = ""): string =>
  `perl -e '${before} syscall($ENV{SYS_${call}} + 0, ${args}) >= 0 and print "ESCAPED\\n"'`;

const socketOpens = (family: string, type: string, protocol = "0"): string =>
  `perl -MSocket -e 'socket(my $socket, ${family}, ${type}, ${protocol}) and print "ESCAPED\\n"'`;

const connects = (family: string, address: string): string =>
  `perl -MSocket -e 'socket(my $socket, ${family}, SOCK_STREAM, 0); connect($socket, ${address}) and print "ESCAPED\\n"'`;

/** Writes the present value of a setting again, which changes nothing. */
const rewrites = (path: string): string => `value=$(cat ${path}) && printf '%s\\n' "$value" > ${path} && echo ESCAPED`;

/** Flags of linux/mount.h. */
const MS_REMOUNT = 32;
const MS_BIND = 4_096;
const MNT_DETACH = 2;

const FILES: readonly EscapeCase[] = [
  { name: "write beside the workspace", script: 'echo x > "$OUTSIDE/new"; echo x >> "$OUTSIDE/file"', outside: "everyone" },
  { name: "read the gateway's token", script: 'cat "$STATE/token" && echo ESCAPED', outside: "everyone" },
  { name: "read the token through ..", script: "cat ../token ../../.openclaw/token && echo ESCAPED", outside: "everyone" },
  { name: "list the state directory", script: 'ls -A "$STATE" | grep -v "^workspace$" && echo ESCAPED', outside: "everyone" },
  { name: "read a key in the home directory", script: 'cat "$HOME/.ssh/id" && echo ESCAPED', outside: "everyone" },
  { name: "leave a program in the home directory", script: 'mkdir -p "$HOME/bin" && echo x > "$HOME/bin/ls"', outside: "everyone" },
  {
    name: "change a file that may only be read",
    script: 'chmod 777 "$SKILLS/SKILL.md"; echo x >> "$SKILLS/SKILL.md"; rm -f "$SKILLS/SKILL.md"; touch "$SKILLS/new"',
    outside: "everyone",
  },
  { name: "read the users of the host", script: "grep '^root:' /etc/passwd && echo ESCAPED", outside: "everyone" },
  { name: "read temporary files of others", script: 'cat "$TEMPORARY" && echo ESCAPED', outside: "everyone" },
  { name: "read shared memory of others", script: 'cat "$SHARED" && echo ESCAPED', outside: "everyone" },
  { name: "use what /run has", script: "ls -A /run | grep . && echo ESCAPED", outside: "everyone" },
  { name: "use /sys", script: "[ -e /sys/kernel ] && echo ESCAPED", outside: "everyone" },
  {
    name: "write to the directories of the system",
    script: 'for each in / /usr /usr/bin /etc /var /opt /root; do (: > "$each/$UNIQUE") && rm "$each/$UNIQUE" && echo ESCAPED; done',
    outside: "root",
  },
  { name: "hard link to a file outside", script: 'ln "$STATE/token" token && echo ESCAPED', outside: "everyone" },
  { name: "hard link to a file that may only be read", script: 'ln "$SKILLS/SKILL.md" own; echo x >> own', outside: "everyone" },
  { name: "hard link from outside to a file of the workspace", script: 'ln file "$OUTSIDE/link"', outside: "everyone" },
  {
    name: "symbolic link to a file outside",
    script: 'ln -s "$OUTSIDE/file" link; cat link && echo ESCAPED; echo x > link',
    outside: "everyone",
  },
  {
    name: "symbolic link that the host has left in the workspace",
    script: "cat to-outside/file && echo ESCAPED; echo x > to-outside/new",
    outside: "everyone",
  },
  {
    name: "replace the workspace by a link",
    script: 'mv "$WORKSPACE" "$WORKSPACE.old"; ln -s "$OUTSIDE" "$WORKSPACE"',
    outside: "everyone",
  },
  {
    name: "change a workspace that may only be read",
    script: "echo x >> file; chmod 777 file; rm -f file; touch new; mkdir directory; ln file link; mv file other",
    outside: "everyone",
    workspaceAccess: "ro",
  },
  { name: "make a set-user-id program", script: "cp /bin/true own; chmod 4755 own; chmod u+s own", outside: "everyone" },
  { name: "make a set-group-id program", script: "cp /bin/true own; chmod 2755 own; chmod g+s own", outside: "everyone" },
  {
    name: "create a file as a set-user-id program",
    script: `perl -MFcntl -e 'umask 0; sysopen(my $file, "own", O_CREAT | O_WRONLY, 04755)'`,
    outside: "everyone",
  },
  {
    name: "create a set-user-id program with mknod",
    script: `perl -e 'umask 0; my $path = "own"; syscall($ENV{SYS_mknodat} + 0, -100, $path, 0104755, 0)'`,
    outside: "everyone",
  },
];

const DEVICES: readonly EscapeCase[] = [
  {
    name: "open devices of the host",
    script: "for each in kmsg mem port kvm fuse vsock loop-control vda sda net/tun; do [ -e /dev/$each ] && echo ESCAPED; done",
    outside: "everyone",
  },
  {
    name: "change device files of the host",
    script: 'chmod "$(stat -c %a /dev/full)" /dev/full && echo ESCAPED',
    outside: "root",
    inContainers: "a container has device files of its own",
  },
  { name: "make a device file", script: "mknod device c 1 7 && echo ESCAPED", outside: "root" },
  {
    name: "put input into a terminal (TIOCSTI)",
    script: `setsid perl -MFcntl -e '
      $| = 1;
      open(my $master, "+<", "/dev/ptmx") or die "ptmx: $!";
      my $number = pack("I", 0);
      ioctl($master, 0x40045431, $number) && ioctl($master, 0x80045430, $number) or die "pty: $!";
      open(my $terminal, "+<", "/dev/pts/" . unpack("I", $number)) or die "pts: $!";
      print "has a terminal\\n";
      my $byte = "x";
      ioctl($terminal, 0x5412, $byte) and print "ESCAPED\\n"'`,
    outside: "root",
  },
];

const KERNEL: readonly EscapeCase[] = [
  { name: "set the program for core dumps", script: rewrites("/proc/sys/kernel/core_pattern"), outside: "root" },
  {
    name: "set the program that loads modules",
    script: rewrites("/proc/sys/kernel/modprobe"),
    outside: "root",
    needs: "/proc/sys/kernel/modprobe",
  },
  { name: "set how memory is given", script: rewrites("/proc/sys/vm/overcommit_memory"), outside: "root" },
  {
    name: "open /proc/sysrq-trigger for writing",
    script: `perl -e 'open(my $file, ">>", "/proc/sysrq-trigger") and print "ESCAPED\\n"'`,
    outside: "root",
    needs: "/proc/sysrq-trigger",
  },
  {
    name: "protect itself from being ended for its memory",
    script: "echo 0 > /proc/self/oom_score_adj && echo ESCAPED",
    outside: "everyone",
    inContainers: "the memory of a container is limited as a whole",
  },
  {
    name: "set the name of the host",
    script: callSucceeds("sethostname", "$name, length $name", "chomp(my $name = qx(uname -n));"),
    outside: "root",
  },
  {
    name: "set the clock",
    script: 'date -s "@$(date +%s)" >/dev/null && echo ESCAPED',
    outside: { notRun: "it would set the clock of the machine back" },
  },
  { name: "read the log of the kernel", script: callSucceeds("syslog", "3, $buffer, 64", 'my $buffer = "x" x 64;'), outside: "root" },
  {
    name: "add a key to a keyring",
    script: callSucceeds("add_key", "$type, $name, $key, 3, -2", 'my ($type, $name, $key) = ("user", "openclaw-test", "key");'),
    outside: "everyone",
  },
  { name: "find the keyring of the session", script: callSucceeds("keyctl", "0, -3, 1"), outside: "everyone" },
  { name: "use io_uring", script: callSucceeds("io_uring_setup", "8, $settings", 'my $settings = "\\0" x 120;'), outside: "everyone" },
  { name: "use userfaultfd", script: callSucceeds("userfaultfd", "0"), outside: "root" },
  { name: "use bpf", script: callSucceeds("bpf", "0, $map, 72", 'my $map = pack("LLLLx100", 2, 4, 4, 1);'), outside: "root" },
  {
    name: "use perf_event_open",
    script: callSucceeds("perf_event_open", "$event, 0, -1, -1, 0", 'my $event = pack("LLQx112", 1, 112, 0);'),
    outside: "root",
  },
  {
    name: "open a file by its handle",
    script: `perl -e '
      my ($path, $here, $handle, $mount) = ($ENV{WORKSPACE}, ".", pack("Ii", 128, 0) . "\\0" x 128, pack("i", 0));
      syscall($ENV{SYS_name_to_handle_at} + 0, -100, $path, $handle, $mount, 0) == 0 or die "handle: $!";
      open(my $directory, "<", $here) or die "directory: $!";
      syscall($ENV{SYS_open_by_handle_at} + 0, fileno($directory), $handle, 0) >= 0 and print "ESCAPED\\n"'`,
    outside: "root",
  },
];

const MOUNTS: readonly EscapeCase[] = [
  {
    name: "make /, /usr, /proc and /dev writable",
    script: `perl -e '
      my $none = "none";
      for ("/", "/usr", "/proc", "/dev") {
        my $path = $_;
        syscall($ENV{SYS_mount} + 0, $none, $path, $none, ${MS_REMOUNT | MS_BIND}, 0) == 0 and print "ESCAPED\\n";
      }'`,
    outside: { notRun: "it would change the mounts of the machine" },
  },
  {
    name: "mount over the workspace",
    script: `perl -e '
      my ($from, $to, $none) = ($ENV{OUTSIDE}, $ENV{WORKSPACE}, "none");
      syscall($ENV{SYS_mount} + 0, $from, $to, $none, ${MS_BIND}, 0) == 0 or die "mount: $!";
      print "ESCAPED\\n";
      syscall($ENV{SYS_umount2} + 0, $to, ${MNT_DETACH});'`,
    outside: "root",
  },
  {
    name: "mount file systems of the kernel",
    script: `mkdir m; perl -e '
      my ($none, $to) = ("none", "m");
      for ("proc", "sysfs", "cgroup2", "devtmpfs", "debugfs", "tmpfs", "mqueue", "overlay", "fuse") {
        my $type = $_;
        syscall($ENV{SYS_mount} + 0, $none, $to, $type, 0, 0) == 0 or next;
        print "ESCAPED\\n";
        syscall($ENV{SYS_umount2} + 0, $to, ${MNT_DETACH});
      }'`,
    outside: "root",
  },
  {
    name: "unmount what covers the host",
    script: `perl -e '
      for ("/proc", "/dev", "/tmp", "/usr", $ENV{WORKSPACE}, "/") {
        my $path = $_;
        syscall($ENV{SYS_umount2} + 0, $path, ${MNT_DETACH}) == 0 and print "ESCAPED\\n";
      }'`,
    outside: { notRun: "it would take the file systems of the machine away" },
  },
  { name: "make a user namespace", script: "unshare --user --map-root-user true && echo ESCAPED", outside: "everyone" },
  { name: "make a mount namespace", script: "unshare --mount true && echo ESCAPED", outside: "root" },
  {
    name: "make a user namespace with clone",
    script: callSucceeds("clone", "0x10000011, 0, 0, 0, 0"),
    outside: "everyone",
  },
  {
    name: "enter the namespaces of other processes",
    script: 'for each in 1 "$VICTIM"; do nsenter --target $each --mount true && echo ESCAPED; done',
    outside: "root",
  },
  { name: "change the root directory", script: 'mkdir c; perl -e \'chroot("c") and print "ESCAPED\\n"\'', outside: "root" },
  {
    name: "change the root mount",
    script: callSucceeds("pivot_root", "$here, $here", 'my $here = ".";'),
    outside: { notRun: "it would change the root of all processes" },
  },
  {
    name: "reach the host through /proc/<pid>/root and cwd",
    script: `for each in /proc/[0-9]*; do
      for file in "$each/root$STATE/token" "$each/cwd/../token"; do cat "$file" && echo ESCAPED && break 2; done
    done`,
    outside: "everyone",
  },
];

const PROCESSES: readonly EscapeCase[] = [
  {
    name: "see a process of the host",
    script: 'grep -la "slee[p].$VICTIM_SECONDS" /proc/[0-9]*/cmdline | grep . && echo ESCAPED',
    outside: "everyone",
  },
  {
    name: "kill a process of the host",
    script: 'kill -9 "$VICTIM" && until grep -q "^State:.[ZX]" "/proc/$VICTIM/status"; do :; done',
    outside: "everyone",
  },
  { name: "kill all processes", script: "sleep 300 & kill -9 -1", outside: { notRun: "it would end the processes of the machine" } },
  {
    name: "trace a process of the host",
    script: callSucceeds("ptrace", "0x4206, $victim, 0, 0", "my $victim = $ENV{VICTIM} + 0;"),
    outside: "root",
  },
  {
    name: "open the memory of a process of the host",
    script: `perl -e 'open(my $file, "<", "/proc/$ENV{VICTIM}/mem") and print "ESCAPED\\n"'`,
    outside: "root",
  },
  {
    name: "read the environment of the gateway",
    script: "grep -la 'GATEWAY_SECRE[T]=' /proc/[0-9]*/environ | grep . && echo ESCAPED",
    outside: "everyone",
  },
  {
    name: "use descriptors that the gateway has inherited",
    script: 'for each in /proc/self/fd/*; do cat "$each/file" && echo ESCAPED; done',
    outside: "everyone",
  },
  {
    name: "get the rights of a set-user-id program",
    script: "grep '^NoNewPrivs:.*0' /proc/self/status && echo ESCAPED",
    outside: "everyone",
  },
  { name: "leave a process behind", script: `setsid sleep "$VICTIM_SECONDS" </dev/null >/dev/null 2>&1 &`, outside: "everyone" },
  {
    name: "fork bomb",
    script: `grep -q "^Max processes *$MAX_PROCESSES " /proc/self/limits || { echo ESCAPED; exit; }
    perl -e '
      if (fork) {
        for (my $count = 0; $count < $ENV{MAX_PROCESSES} * 0.9; select(undef, undef, undef, 0.02)) {
          opendir(my $directory, "/proc") or next;
          $count = grep { /^\\d+$/ } readdir $directory;
        }
        exit;
      }
      # At most 4096 processes, should the limit not hold.
      for (1 .. 12) { defined(fork) or (select(undef, undef, undef, 0.2), redo) }
      sleep 300'`,
    outside: { notRun: "it would take all processes of the machine" },
  },
  {
    name: "start more processes than the limit",
    script: `perl -e '
      my @children;
      for (0 .. $ENV{MAX_PROCESSES} + 50) {
        defined(my $child = fork) or last;
        if (!$child) { sleep 300; exit }
        push @children, $child;
      }
      print @children > $ENV{MAX_PROCESSES} ? "ESCAPED\\n" : "started " . @children . "\\n";
      kill "KILL", @children;'`,
    outside: "everyone",
  },
  { name: "get priority over other processes", script: "chrt -f 1 true && echo ESCAPED", outside: "root" },
];

const NETWORK: readonly EscapeCase[] = [
  {
    name: "connect to 127.0.0.1 of the host",
    script: connects("PF_INET", 'pack_sockaddr_in($ENV{PORT}, inet_aton("127.0.0.1"))'),
    outside: "everyone",
  },
  { name: "connect to 0.0.0.0", script: connects("PF_INET", 'pack_sockaddr_in($ENV{PORT}, inet_aton("0.0.0.0"))'), outside: "everyone" },
  {
    name: "connect to a Unix socket of the host",
    script: connects("PF_UNIX", 'pack_sockaddr_un("$ENV{OUTSIDE}/socket")'),
    outside: "everyone",
  },
  {
    name: "connect to an abstract Unix socket",
    script: connects("PF_UNIX", 'pack("Sa*", PF_UNIX, "\\0$ENV{UNIQUE}")'),
    outside: "everyone",
  },
  { name: "use the network cards of the host", script: "tail -n +3 /proc/net/dev | grep -v '^ *lo:' && echo ESCAPED", outside: "everyone" },
  { name: "open a socket to the hypervisor (AF_VSOCK)", script: socketOpens("40", "SOCK_STREAM"), outside: "everyone" },
  { name: "open a raw socket", script: socketOpens("PF_INET", "SOCK_RAW", "1"), outside: "root" },
  { name: "open a packet socket", script: socketOpens("17", "SOCK_RAW"), outside: "root" },
  {
    name: "use System V shared memory of the host",
    script: "perl -e 'defined(shmget($ENV{SHARED_KEY}, 8, 0)) and print \"ESCAPED\\n\"'",
    outside: "everyone",
  },
];

const LIMITS: readonly EscapeCase[] = [
  {
    name: "fill the memory with temporary files",
    script: `for each in /tmp /dev/shm "$HOME"; do fallocate -l "$TOO_LARGE" "$each/$UNIQUE.big" && echo ESCAPED; rm -f "$each/$UNIQUE.big"; done`,
    outside: "everyone",
  },
  {
    name: "fill the memory with files in other places",
    script: 'for each in / /dev /etc /run /proc; do (: > "$each/$UNIQUE") && rm "$each/$UNIQUE" && echo ESCAPED; done',
    outside: "root",
    inContainers: "/dev and /run have a size of their own, and count as memory of the container",
  },
  {
    name: "make a file larger than the limit",
    script: 'truncate -s "$TOO_LARGE_FILE" big && echo ESCAPED; rm -f big',
    outside: "everyone",
  },
  {
    name: "raise the limits",
    script:
      "prlimit --nproc=2000:2000 true && echo ESCAPED; prlimit --fsize=unlimited:unlimited true && echo ESCAPED; prlimit --data=unlimited:unlimited true && echo ESCAPED",
    outside: "everyone",
  },
];

const VARIABLES: readonly EscapeCase[] = [
  {
    name: "make the loader of the sandbox's own programs write a file",
    script: "true",
    env: { LD_DEBUG: "libs", LD_DEBUG_OUTPUT: "$OUTSIDE/loader" },
    outside: "everyone",
  },
  {
    name: "make the sandbox's own programs load a module",
    script: "perl -e 1",
    env: { PERL5LIB: "$WORKSPACE", PERL5OPT: "-MOwn" },
    outside: "everyone",
  },
];

export const ESCAPE_CASES: readonly EscapeCase[] = [FILES, DEVICES, KERNEL, MOUNTS, PROCESSES, NETWORK, LIMITS, VARIABLES].flat();
