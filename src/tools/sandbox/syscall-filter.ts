/** Processors for which the numbers of system calls are known. */
export type Architecture = "x64" | "arm64";
export const isKnownArchitecture = (name: string): name is Architecture => name === "x64" || name === "arm64";

/** Numbers of linux/audit.h and asm/unistd.h. */
const AUDIT_ARCHITECTURE: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** Calls of the x32 interface have the same architecture as those of x64, and this bit. */
const X32_BIT = 0x40000000;

/** A system call: its name, and its number for each processor that has it. */
type SystemCall = { name: string } & Partial<Record<Architecture, number>>;

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/**
 * Keys of the gateway's session, the log and the tracing of the kernel: namespaces do not separate them. Everything else that needs
 * a capability fails for lack of it.
 */
export const REFUSED: readonly SystemCall[] = [
  { name: "syslog", x64: 103, arm64: 116 },
  { name: "add_key", x64: 248, arm64: 217 },
  { name: "request_key", x64: 249, arm64: 218 },
  { name: "keyctl", x64: 250, arm64: 219 },
  { name: "perf_event_open", x64: 298, arm64: 241 },
  { name: "bpf", x64: 321, arm64: 280 },
  { name: "userfaultfd", x64: 323, arm64: 282 },
];

/** Programs use another call when the kernel does not have these. Their arguments lie in memory, where a filter cannot check them. */
export const UNKNOWN: readonly SystemCall[] = [
  { name: "io_uring_setup", x64: 425, arm64: 425 },
  { name: "openat2", x64: 437, arm64: 437 },
  { name: "fchmodat2", x64: 452, arm64: 452 },
];

/** Calls with a mode, by the index of that argument, and for those that only create with a flag also the index of the flags. */
export const WITH_MODE: readonly { call: SystemCall; mode: number; flags?: number }[] = [
  { call: { name: "open", x64: 2 }, mode: 2, flags: 1 },
  { call: { name: "creat", x64: 85 }, mode: 1 },
  { call: { name: "chmod", x64: 90 }, mode: 1 },
  { call: { name: "fchmod", x64: 91, arm64: 52 }, mode: 1 },
  { call: { name: "mknod", x64: 133 }, mode: 1 },
  { call: { name: "openat", x64: 257, arm64: 56 }, mode: 3, flags: 2 },
  { call: { name: "mknodat", x64: 259, arm64: 33 }, mode: 2 },
  { call: { name: "fchmodat", x64: 268, arm64: 53 }, mode: 2 },
];
/** S_ISUID and S_ISGID: on the host, such a file would give its owner's rights to other users. */
export const SET_ID = 0o6000;
/** O_CREAT and the part of O_TMPFILE that is its own. */
export const CREATES = 0o20000100;

const SOCKET: SystemCall = { name: "socket", x64: 41, arm64: 198 };
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others have no network namespace (AF_VSOCK reaches the hypervisor), or reach into the kernel. */
export const FAMILIES = [1, 2, 10, 16];

const IOCTL: SystemCall = { name: "ioctl", x64: 16, arm64: 29 };
/** TIOCSTI and TIOCLINUX put input into a terminal. */
export const TERMINAL_INPUT = [0x5412, 0x541c];

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

const CALL = 0;
const ARCHITECTURE = 4;
/** The lower half of an argument: the kernel ignores the upper half of those that are checked here. */
const argument = (index: number): number => 16 + 8 * index;

const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const answer = (value: number): Instruction => [0x06, 0, 0, value];
/** Skips instructions by whether the loaded value is the operand, is at least the operand, or has one of its bits. */
const ifEqual = (operand: number, [ifTrue, ifFalse]: readonly [number, number]): Instruction => [0x15, ifTrue, ifFalse, operand];
const ifAtLeast = (operand: number, [ifTrue, ifFalse]: readonly [number, number]): Instruction => [0x35, ifTrue, ifFalse, operand];
const ifAnyBit = (operand: number, [ifTrue, ifFalse]: readonly [number, number]): Instruction => [0x45, ifTrue, ifFalse, operand];

const ALLOW = answer(0x7fff0000);
const KILL = answer(0x80000000);
const fail = (errno: number): Instruction => answer(0x00050000 | errno);

/**
 * The filter of system calls of a sandboxed command, as the kernel reads it. It closes what namespaces leave open; it is a short list
 * of refusals, so that programs run as they do outside. Pure.
 */
export function syscallFilter(architecture: Architecture): Uint8Array {
  const onCall = (numbers: SystemCall, body: readonly Instruction[]): Instruction[] => {
    const number = numbers[architecture];
    return number === undefined ? [] : [load(CALL), ifEqual(number, [0, body.length]), ...body];
  };
  return encode([
    load(ARCHITECTURE),
    ifEqual(AUDIT_ARCHITECTURE[architecture], [1, 0]),
    KILL,
    ...(architecture === "x64" ? [load(CALL), ifAtLeast(X32_BIT, [0, 1]), fail(ENOSYS)] : []),
    ...REFUSED.flatMap((call) => onCall(call, [fail(EPERM)])),
    ...UNKNOWN.flatMap((call) => onCall(call, [fail(ENOSYS)])),
    ...WITH_MODE.flatMap(({ call, mode, flags }) => {
      const check = [load(argument(mode)), ifAnyBit(SET_ID, [0, 1]), fail(EPERM)];
      return onCall(call, flags === undefined ? check : [load(argument(flags)), ifAnyBit(CREATES, [0, check.length]), ...check]);
    }),
    ...onCall(SOCKET, [
      load(argument(0)),
      ...FAMILIES.map((family, index) => ifEqual(family, [FAMILIES.length - index, 0])),
      fail(EAFNOSUPPORT),
    ]),
    ...onCall(IOCTL, [load(argument(1)), ...TERMINAL_INPUT.flatMap((request) => [ifEqual(request, [0, 1]), fail(EPERM)])]),
    ALLOW,
  ]);
}

/** Each instruction is a `struct sock_filter`: 16 bits, 8, 8 and 32. */
function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [index, [code, ifTrue, ifFalse, operand]] of instructions.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(operand, index * 8 + 4);
  }
  return bytes;
}
