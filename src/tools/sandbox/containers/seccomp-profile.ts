import { asArray, asObjects, asString, asStrings, fieldsOf, type JsonObject } from "../../../core/json.ts";
import { CREATES, FAMILIES, REFUSED, SET_ID, TERMINAL_INPUT, UNKNOWN, WITH_MODE } from "../syscall-filter.ts";

/** An argument is allowed when its bits of `value` are `valueTwo`. */
type Condition = { index: number; value: number; valueTwo: number; op: "SCMP_CMP_MASKED_EQ" };
type Rule = { names: readonly string[]; action: "SCMP_ACT_ALLOW"; args: readonly Condition[] };

/**
 * Refused instead of by a namespace of users, which a container has not: with these, a command could get mounts and namespaces of its own or
 * look into other processes. Most of them need a capability as well, which commands do not have.
 */
const CONTAINER_REFUSED = [
  "chroot",
  "clone3",
  "fsconfig",
  "fsmount",
  "fsopen",
  "fspick",
  "kcmp",
  "mount",
  "mount_setattr",
  "move_mount",
  "name_to_handle_at",
  "open_by_handle_at",
  "open_tree",
  "pivot_root",
  "process_vm_readv",
  "process_vm_writev",
  "setns",
  "umount",
  "umount2",
  "unshare",
];
/** CLONE_NEWUSER. The flags of clone3 lie in memory, where a filter cannot check them: programs use clone without it. */
const NEW_USER = 0x10000000;
/** The kernel ignores the upper half of the arguments that are compared. */
const LOWER_HALF = 0xffffffff;

const masked = (index: number, value: number, valueTwo: number): Condition => ({ index, value, valueTwo, op: "SCMP_CMP_MASKED_EQ" });
const allow = (name: string, ...args: Condition[]): Rule => ({ names: [name], action: "SCMP_ACT_ALLOW", args });

const has = (value: number, bit: number): boolean => Math.floor(value / bit) % 2 === 1;

/** Calls that are allowed with some arguments only. */
const CHECKED: readonly Rule[] = [
  allow("clone", masked(0, NEW_USER, 0)),
  ...WITH_MODE.flatMap(({ call, mode, flags }) => [
    allow(call.name, masked(mode, SET_ID, 0)),
    ...(flags === undefined ? [] : [allow(call.name, masked(flags, CREATES, 0))]),
  ]),
  ...FAMILIES.map((family) => allow("socket", masked(0, LOWER_HALF, family))),
  ...conditionsForOthers(1, TERMINAL_INPUT).map((condition) => allow("ioctl", condition)),
];

/**
 * Conditions of which one holds for every value but these: a bit that all of them share is different, or the other bits are those of none
 * of them. A rule can allow a value, but not refuse one. Pure.
 */
function conditionsForOthers(index: number, values: readonly number[]): Condition[] {
  const bits = Array.from({ length: 32 }, (_, at) => 2 ** at);
  const isShared = (bit: number): boolean => values.every((value) => has(value, bit) === has(values[0]!, bit));
  const differing = bits.filter((bit) => !isShared(bit));
  const mask = differing.reduce((sum, bit) => sum + bit, 0);
  const partOf = (value: number): number => differing.filter((bit) => has(value, bit)).reduce((sum, bit) => sum + bit, 0);
  const parts = differing.reduce<number[]>((sums, bit) => sums.flatMap((sum) => [sum, sum + bit]), [0]);
  return [
    ...bits.filter(isShared).map((bit) => masked(index, bit, has(values[0]!, bit) ? 0 : bit)),
    ...parts.filter((part) => !values.some((value) => partOf(value) === part)).map((part) => masked(index, mask, part)),
  ];
}

/**
 * The filter of system calls of containers: the one that the engine uses by itself, without what the sandbox of bubblewrap refuses. What
 * the engine's does not name, as calls that are newer than it, does not exist. Pure. Throws when the given filter allows by default.
 */
export function seccompProfile(given: JsonObject): JsonObject {
  if (asString(given["defaultAction"]) !== "SCMP_ACT_ERRNO")
    throw new Error("the engine's own filter of system calls allows what it does not name");
  const removed = new Set([...REFUSED, ...UNKNOWN].map(({ name }) => name));
  for (const name of [...CONTAINER_REFUSED, ...CHECKED.flatMap(({ names }) => names)]) removed.add(name);
  const kept = asObjects(given["syscalls"]).map((rule) => ({
    ...fieldsOf(rule),
    names: asStrings(rule["names"]).filter((name) => !removed.has(name)),
  }));
  // Of a processor that runs programs of others too, only its own calls are named here.
  const archMap = asObjects(given["archMap"]).map((entry) => ({ ...fieldsOf(entry), subArchitectures: [] }));
  return { ...given, archMap, syscalls: [...kept.filter(({ names }) => asArray(names).length > 0), ...CHECKED] };
}
