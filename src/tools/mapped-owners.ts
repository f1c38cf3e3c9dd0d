/** Processors whose numbers of system calls are known. */
type Architecture = "x64" | "arm64";

/** Numbers of the calls unshare and mount; those of newer calls are the same everywhere. */
const CALL_NUMBERS: Readonly<Record<Architecture, readonly [unshare: number, mount: number]>> = { x64: [272, 165], arm64: [97, 40] };

/** The first arguments of a script that begins with `MAPPED_OWNERS`. */
export const mappedOwnersArguments = (id: number, architecture: Architecture): string[] => [
  String(id),
  ...CALL_NUMBERS[architecture].map(String),
];

/**
 * Beginning of scripts for Perl that mount paths so that root's files belong to another user there, and on the disk still to root. Needs Perl
 * for system calls that have no program in util-linux before 2.39. Afterwards the script is in a mount namespace of its own, `@ARGV` has the
 * rest of the arguments, and `mapped($path, $isReadOnly)` gives a descriptor of the mount that `place($tree, $target, $path)` puts somewhere.
 */
export const MAPPED_OWNERS = `use strict;
my ($id, $unshare, $mount) = splice @ARGV, 0, 3;
my ($none, $root, $tmpfs, $empty) = ("none", "/", "tmpfs", "");
sub fail { print STDERR "Cannot build the sandbox: $_[0]: $!\\n"; exit 126 }
# A process in a user namespace, whose map of ids the mounts get.
pipe(my $wait, my $hold) or fail("pipe");
pipe(my $ready, my $entered) or fail("pipe");
defined(my $child = fork) or fail("fork");
if (!$child) {
  close $hold;
  syscall($unshare + 0, 0x10000000) == 0 && syswrite $entered, "y";
  sysread $wait, my $byte, 1;
  exit 0;
}
close $entered;
sysread($ready, my $byte, 1) == 1 or fail("user namespace");
for my $kind ("uid", "gid") {
  open(my $map, ">", "/proc/$child/\${kind}_map") or fail("map of ids");
  syswrite($map, "0 $id 1\\n") or fail("map of ids");
}
open(my $namespace, "<", "/proc/$child/ns/user") or fail("user namespace");
kill "KILL", $child;
waitpid $child, 0;
# CLONE_NEWNS; MS_REC and MS_PRIVATE.
syscall($unshare + 0, 0x20000) == 0 or fail("mount namespace");
syscall($mount + 0, $none, $root, $none, 0x44000, 0) == 0 or fail("private mounts");
sub mapped {
  my ($path, $isReadOnly) = @_;
  # open_tree with AT_FDCWD, OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC.
  my $tree = syscall(428, -100, $path, 0x80001);
  $tree >= 0 or fail($path);
  # mount_setattr with AT_EMPTY_PATH; MOUNT_ATTR_IDMAP, MOUNT_ATTR_RDONLY.
  my $attributes = pack("Q4", $isReadOnly ? 0x100001 : 0x100000, 0, 0, fileno($namespace));
  syscall(442, $tree, $empty, 0x1000, $attributes, 32) == 0 or fail("$path: the file system cannot map owners");
  return $tree;
}
sub empty {
  my ($target, $options) = @_;
  # MS_NOSUID and MS_NODEV.
  syscall($mount + 0, $tmpfs, $target, $tmpfs, 6, $options) == 0 or fail($target);
}
sub place {
  my ($tree, $target, $path) = @_;
  # move_mount with MOVE_MOUNT_F_EMPTY_PATH.
  syscall(429, $tree, $empty, -100, $target, 4) == 0 or fail($path);
}
`;
