import type { Secret } from "./secret.ts";

/**
 * The words in which the configuration is described. One description gives the type, the check, the defaults, the JSON Schema,
 * the table in the documentation, the effect of a change, and which values are secret.
 */

/** What a changed value asks for. Inherited from the nearest parent that names one. */
export type Effect = "applied" | "restart-channel" | "restart-gateway";

type NodeBase = {
  /** One sentence for people: what it does. */
  readonly doc: string;
  readonly effect?: Effect;
  /** Missing is an error: the object around it is dropped. */
  readonly required?: boolean;
  /** Said as a warning when the key is set, for keys that are accepted and do nothing. */
  readonly warning?: string;
  /** Used instead of the default when the value is present and wrong, where the default would be more open than what was meant. */
  readonly onInvalid?: unknown;
  /** What to do about a wrong value, where the message alone does not say it. */
  readonly fix?: string;
  /** What applies when the key is absent, for the documentation. Used instead of `default` where an absent key first asks a wider level. */
  readonly whenAbsent?: string | number | boolean;
};

export type StringNode = NodeBase & {
  readonly kind: "string";
  readonly default?: string;
  /** Regular expression of the whole value, with the words that explain it. */
  readonly pattern?: { readonly regex: string; readonly description: string };
  /** `path`: `~` is expanded. `regex`: must compile. `origin`: scheme, host, port. `url`: absolute. `timezone`: known to this system. */
  readonly format?: "path" | "regex" | "origin" | "url" | "timezone";
  /** A number is taken as its digits (ids of people and chats). */
  readonly acceptsNumber?: boolean;
  /** `false` is taken as the empty text: the value is off. */
  readonly acceptsFalse?: boolean;
  readonly maxChars?: number;
};
type BooleanNode = NodeBase & { readonly kind: "boolean"; readonly default?: boolean };
export type NumberNode = NodeBase & {
  readonly kind: "number";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  readonly integer: boolean;
};
export type EnumNode = NodeBase & { readonly kind: "enum"; readonly values: readonly string[]; readonly default?: string };
export type SecretNode = NodeBase & { readonly kind: "secret" };
/** `500mb`, `10gb` or a number; the value is bytes. */
type BytesNode = NodeBase & { readonly kind: "bytes"; readonly default?: string };
export type ArrayNode = NodeBase & {
  readonly kind: "array";
  readonly item: Node;
  readonly default?: readonly unknown[];
  /** One wrong item costs the whole list, and `onInvalid` is used. */
  readonly strict?: boolean;
};
export type RecordNode = NodeBase & {
  readonly kind: "record";
  /** What the keys are, for the documentation: `<id>`, `<channel>`. */
  readonly keyName: string;
  readonly item: Node;
  /** Keys that would never be valid, checked as a whole. */
  readonly keyPattern?: { readonly regex: string; readonly description: string };
  readonly optional?: boolean;
};
export type ObjectNode = NodeBase & {
  readonly kind: "object";
  readonly fields: Readonly<Record<string, Node>>;
  /** Keys of OpenClaw that are known and have no effect here. */
  readonly unserved?: readonly string[];
  /** Absent when it is not set; otherwise it is always there, with its defaults. */
  readonly optional?: boolean;
  /** One wrong value inside costs the whole object: half of it would be more open than what was meant. */
  readonly strict?: boolean;
  /** `error`: a key that is not known may be a limit that was meant; otherwise it is a warning. */
  readonly unknownKeys?: "error";
  /** Other keys are kept as this node says: with a warning those in `known`, which are no typing errors, and with a note the others. */
  readonly additional?: { readonly node: Node; readonly known: readonly string[]; readonly warning: string; readonly note: string };
  /** A plain string stands for the object with this one field. */
  readonly shorthand?: string;
};
/** Kept as it is. Strings under a key that sounds like a credential become Secret. */
type UnknownNode = NodeBase & { readonly kind: "unknown" };

export type Node =
  | StringNode
  | BooleanNode
  | NumberNode
  | EnumNode
  | SecretNode
  | BytesNode
  | ArrayNode
  | RecordNode
  | ObjectNode
  | UnknownNode;

declare const value: unique symbol;
/** Carries the TypeScript type of a node; nothing at run time. */
type TypedNode<T> = { readonly [value]?: { readonly type: T } };
export type TypeOf<N> = N extends { readonly [value]?: { readonly type: infer T } } ? T : never;

type Fields = Readonly<Record<string, Node>>;
type Flat<T> = { [K in keyof T]: T[K] };
type ObjectOf<F extends Fields> = Flat<
  { readonly [K in keyof F as undefined extends TypeOf<F[K]> ? never : K]: TypeOf<F[K]> } & {
    readonly [K in keyof F as undefined extends TypeOf<F[K]> ? K : never]?: Exclude<TypeOf<F[K]>, undefined>;
  }
>;
/** With a default, or required, the value is always there. */
type Present<O, T> = O extends { readonly default: unknown } ? T : O extends { readonly required: true } ? T : T | undefined;
type Optional<O, T> = O extends { readonly optional: true } ? T | undefined : T;
type Options<N> = Partial<Omit<N, "kind" | "doc">>;
/** An option that the node does not have is a type error; `O extends Options<N>` alone would let a misspelled one pass. */
type Exact<O, N> = O & { readonly [K in Exclude<keyof O, keyof N>]: never };

export function string<const O extends Options<StringNode> = {}>(
  doc: string,
  options?: Exact<O, StringNode>,
): StringNode & TypedNode<Present<O, string>> {
  return { kind: "string", doc, ...options };
}

export function boolean<const O extends Options<BooleanNode> = {}>(
  doc: string,
  options?: Exact<O, BooleanNode>,
): BooleanNode & TypedNode<Present<O, boolean>> {
  return { kind: "boolean", doc, ...options };
}

/** A whole number. */
export function integer<const O extends Options<Omit<NumberNode, "integer">> = {}>(
  doc: string,
  options?: Exact<O, NumberNode>,
): NumberNode & TypedNode<Present<O, number>> {
  return { kind: "number", doc, integer: true, ...options };
}

/** Any finite number. */
export function number<const O extends Options<Omit<NumberNode, "integer">> = {}>(
  doc: string,
  options?: Exact<O, NumberNode>,
): NumberNode & TypedNode<Present<O, number>> {
  return { kind: "number", doc, integer: false, ...options };
}

export function enumOf<const V extends string, const O extends Options<Omit<EnumNode, "values">> = {}>(
  doc: string,
  values: readonly V[],
  options?: Exact<O, EnumNode>,
): EnumNode & TypedNode<Present<O, V>> {
  return { kind: "enum", doc, values, ...options };
}

/** A credential. Beside the key `x` the key `xFile` is accepted: the path of a file that holds it. */
export function secret(doc: string, options?: Options<SecretNode>): SecretNode & TypedNode<Secret | undefined> {
  return { kind: "secret", doc, ...options };
}

/** One value of a map of credentials: always there. */
export function requiredSecret(doc: string): SecretNode & TypedNode<Secret> {
  return { kind: "secret", doc };
}

export function bytes<const O extends Options<BytesNode> = {}>(
  doc: string,
  options?: Exact<O, BytesNode>,
): BytesNode & TypedNode<Present<O, number>> {
  return { kind: "bytes", doc, ...options };
}

export function array<N extends Node, const O extends Options<Omit<ArrayNode, "item">> = {}>(
  doc: string,
  item: N,
  options?: Exact<O, ArrayNode>,
): ArrayNode & TypedNode<Present<O, readonly Exclude<TypeOf<N>, undefined>[]>> {
  return { kind: "array", doc, item, ...options };
}

export function record<N extends Node, const O extends Options<Omit<RecordNode, "item" | "keyName">> = {}>(
  doc: string,
  key: string,
  item: N,
  options?: Exact<O, RecordNode>,
): RecordNode & TypedNode<Optional<O, { readonly [key: string]: Exclude<TypeOf<N>, undefined> }>> {
  return { kind: "record", doc, keyName: key, item, ...options };
}

export function object<F extends Fields, const O extends Options<Omit<ObjectNode, "fields">> = {}>(
  doc: string,
  fields: F,
  options?: Exact<O, ObjectNode>,
): ObjectNode & TypedNode<Optional<O, ObjectOf<F>>> & { readonly fields: F } {
  return { kind: "object", doc, fields, ...options };
}

export function unknown(doc: string, options?: Options<UnknownNode>): UnknownNode & TypedNode<unknown> {
  return { kind: "unknown", doc, ...options };
}
