import assert from "node:assert/strict";
import { test } from "node:test";
import { syscallFilter, type Architecture } from "./syscall-filter.ts";

const X64 = 0xc000003e;
const ARM64 = 0xc00000b7;
const I386 = 0x40000003;

const ALLOWED = 0x7fff0000;
const KILLED = 0x80000000;
const [EPERM, ENOSYS, EAFNOSUPPORT] = [0x50001, 0x50026, 0x50061];

type Call = { architecture: number; number: number; args?: readonly (number | bigint)[] };

/** What the kernel does with a call: runs the filter as the kernel's interpreter does. */
function answerOf(filter: Uint8Array, { architecture, number, args = [] }: Call): number {
  const program = Buffer.from(filter);
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(architecture, 4);
  for (const [index, value] of args.entries()) data.writeBigUInt64LE(BigInt(value), 16 + 8 * index);
  let loaded = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const [code, operand] = [program.readUInt16LE(at * 8), program.readUInt32LE(at * 8 + 4)];
    if (code === 0x20) loaded = data.readUInt32LE(operand);
    else if (code === 0x06) return operand;
    else {
      const isTrue = { 0x15: loaded === operand, 0x35: loaded >= operand, 0x45: (loaded & operand) !== 0 }[code];
      if (isTrue === undefined) throw new Error(`unknown instruction ${code}`);
      at += program.readUInt8(at * 8 + (isTrue ? 2 : 3));
    }
  }
  throw new Error("the filter ends without an answer");
}

/** Arguments and the answer, with the number of the call for each architecture that has it. */
const ROWS: readonly [name: string, x64: number | null, arm64: number | null, args: readonly (number | bigint)[], answer: number][] = [
  ["read", 0, 63, [0, 0, 4096], ALLOWED],
  ["execve", 59, 221, [], ALLOWED],
  ["clone", 56, 220, [0x11], ALLOWED],
  ["keyctl", 250, 219, [0], EPERM],
  ["add_key", 248, 217, [], EPERM],
  ["request_key", 249, 218, [], EPERM],
  ["bpf", 321, 280, [], EPERM],
  ["perf_event_open", 298, 241, [], EPERM],
  ["userfaultfd", 323, 282, [], EPERM],
  ["syslog", 103, 116, [3], EPERM],
  ["io_uring_setup", 425, 425, [], ENOSYS],
  ["openat2", 437, 437, [], ENOSYS],
  ["fchmodat2", 452, 452, [], ENOSYS],
  ["chmod 755", 90, null, [0, 0o755], ALLOWED],
  ["chmod 4755", 90, null, [0, 0o4755], EPERM],
  ["fchmod 2755", 91, 52, [3, 0o2755], EPERM],
  ["fchmod 1777", 91, 52, [3, 0o1777], ALLOWED],
  ["fchmodat 4755", 268, 53, [3, 0, 0o4755], EPERM],
  ["mknod 4755", 133, null, [0, 0o104755], EPERM],
  ["mknodat 4755", 259, 33, [3, 0, 0o104755], EPERM],
  ["mknodat of a pipe", 259, 33, [3, 0, 0o10644], ALLOWED],
  ["creat 4755", 85, null, [0, 0o4755], EPERM],
  ["open 4755 that creates", 2, null, [0, 0o101, 0o4755], EPERM],
  ["open that does not create, with any mode", 2, null, [0, 0, 0o7777], ALLOWED],
  ["openat 4755 that creates", 257, 56, [3, 0, 0o101, 0o4755], EPERM],
  ["openat 4755 of a file without a name", 257, 56, [3, 0, 0o20200001, 0o4755], EPERM],
  ["openat of a directory, with any mode", 257, 56, [3, 0, 0o200000, 0o7777], ALLOWED],
  ["openat 644 that creates", 257, 56, [3, 0, 0o101, 0o644], ALLOWED],
  ["socket AF_UNIX", 41, 198, [1, 1, 0], ALLOWED],
  ["socket AF_INET", 41, 198, [2, 1, 0], ALLOWED],
  ["socket AF_INET6", 41, 198, [10, 2, 0], ALLOWED],
  ["socket AF_NETLINK", 41, 198, [16, 3, 0], ALLOWED],
  ["socket AF_PACKET", 41, 198, [17, 3, 0], EAFNOSUPPORT],
  ["socket AF_ALG", 41, 198, [38, 5, 0], EAFNOSUPPORT],
  ["socket AF_VSOCK", 41, 198, [40, 1, 0], EAFNOSUPPORT],
  ["ioctl TCGETS", 16, 29, [0, 0x5401], ALLOWED],
  ["ioctl TIOCSTI", 16, 29, [0, 0x5412], EPERM],
  ["ioctl TIOCSTI with bits that the kernel ignores", 16, 29, [0, 0x100005412n], EPERM],
  ["ioctl TIOCLINUX", 16, 29, [0, 0x541c], EPERM],
];

const MACHINES: readonly { name: Architecture; id: number; numberOf: (row: (typeof ROWS)[number]) => number | null }[] = [
  { name: "x64", id: X64, numberOf: ([, number]) => number },
  { name: "arm64", id: ARM64, numberOf: ([, , number]) => number },
];

for (const { name, id, numberOf } of MACHINES) {
  const filter = syscallFilter(name);
  test(`on ${name}, the filter refuses what namespaces leave open and allows the rest`, () => {
    const checked = ROWS.filter((row) => numberOf(row) !== null);
    const actual = checked.map((row) => [row[0], answerOf(filter, { architecture: id, number: numberOf(row)!, args: row[3] })]);
    assert.deepEqual(
      actual,
      checked.map((row) => [row[0], row[4]]),
    );
  });

  test(`on ${name}, a call of another architecture ends the process`, () => {
    for (const architecture of [X64, ARM64, I386].filter((each) => each !== id))
      assert.equal(answerOf(filter, { architecture, number: 0 }), KILLED);
  });
}

test("on x64, calls of the x32 interface do not exist", () => {
  assert.equal(answerOf(syscallFilter("x64"), { architecture: X64, number: 0x40000000 + 90, args: [0, 0o4755] }), ENOSYS);
});
