import type { Secret } from "../../core/secret.ts";

/**
 * The words in which the configuration is described. One description gives the type, the check, the defaults, the JSON Schema,
 * the table in the documentation, the effect of a change, and which values are secret.
 */

/** What a changed value asks for. Inherited from the nearest parent that names one. */
export type Effect = "applied" | "restart-channel" | "restart-gateway";

type Common = {
  /** One sentence for people: what it does. */
  readonly doc: string;
  readonly effect?: Effect;
  /** Missing is an error: the object around it is dropped. */
  readonly required?: boolean;
  /** Said as a warning when the key is set, for keys that are accepted and do nothing. */
  readonly notice?: string;
  /** Used instead of the default when the value is present and wrong, where the default would be more open than what was meant. */
  readonly whenWrong?: unknown;
};

export type TextNode = Common & {
  readonly kind: "text";
  readonly default?: string;
  /** Regular expression of the whole value, with the words that explain it. */
  readonly pattern?: { readonly regex: string; readonly is: string };
  /** `path`: `~` is expanded. `regex`: must compile. `origin`: scheme, host, port. `url`: absolute. `timezone`: known to this system. */
  readonly format?: "path" | "regex" | "origin" | "url" | "timezone";
  /** A number is taken as its digits (ids of people and chats). */
  readonly orNumber?: boolean;
  readonly maxChars?: number;
};
type FlagNode = Common & { readonly kind: "flag"; readonly default?: boolean };
export type NumberNode = Common & {
  readonly kind: "number";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  readonly whole: boolean;
};
export type ChoiceNode = Common & { readonly kind: "choice"; readonly values: readonly string[]; readonly default?: string };
export type SecretNode = Common & { readonly kind: "secret" };
/** `500mb`, `10gb` or a number; the value is bytes. */
type BytesNode = Common & { readonly kind: "bytes"; readonly default?: string };
export type ListNode = Common & {
  readonly kind: "list";
  readonly item: Node;
  readonly default?: readonly unknown[];
  /** One wrong item costs the whole list, and `whenWrong` is used. */
  readonly strict?: boolean;
};
export type MapNode = Common & {
  readonly kind: "map";
  /** What the keys are, for the documentation: `<id>`, `<channel>`. */
  readonly key: string;
  readonly item: Node;
  /** Keys that would never be valid, checked as a whole. */
  readonly keyPattern?: { readonly regex: string; readonly is: string };
  readonly optional?: boolean;
};
export type GroupNode = Common & {
  readonly kind: "group";
  readonly fields: Readonly<Record<string, Node>>;
  /** Keys of OpenClaw that are known and have no effect here. */
  readonly unserved?: readonly string[];
  /** Absent when it is not set; otherwise it is always there, with its defaults. */
  readonly optional?: boolean;
  /** One wrong value inside costs the whole object: half of it would be more open than what was meant. */
  readonly strict?: boolean;
  /** Other keys are kept as this node says: with a warning those in `known`, which are no typing errors, and with a note the others. */
  readonly rest?: { readonly node: Node; readonly known: readonly string[]; readonly notice: string; readonly note: string };
  /** A plain string stands for the object with this one field. */
  readonly shorthand?: string;
};
/** Kept as it is. Strings under a key that sounds like a credential become Secret. */
type OpaqueNode = Common & { readonly kind: "opaque" };

export type Node = TextNode | FlagNode | NumberNode | ChoiceNode | SecretNode | BytesNode | ListNode | MapNode | GroupNode | OpaqueNode;

declare const value: unique symbol;
/** Carries the TypeScript type of a node; nothing at run time. */
type Typed<T> = { readonly [value]?: { readonly type: T } };
export type TypeOf<N> = N extends { readonly [value]?: { readonly type: infer T } } ? T : never;

type Fields = Readonly<Record<string, Node>>;
type Flat<T> = { [K in keyof T]: T[K] };
type GroupOf<F extends Fields> = Flat<
  { readonly [K in keyof F as undefined extends TypeOf<F[K]> ? never : K]: TypeOf<F[K]> } & {
    readonly [K in keyof F as undefined extends TypeOf<F[K]> ? K : never]?: Exclude<TypeOf<F[K]>, undefined>;
  }
>;
/** With a default, or required, the value is always there. */
type Present<O, T> = O extends { readonly default: unknown } ? T : O extends { readonly required: true } ? T : T | undefined;
type Optional<O, T> = O extends { readonly optional: true } ? T | undefined : T;
type Options<N> = Partial<Omit<N, "kind" | "doc">>;

export function text<const O extends Options<TextNode> = {}>(doc: string, options?: O): TextNode & Typed<Present<O, string>> {
  return { kind: "text", doc, ...options };
}

export function flag<const O extends Options<FlagNode> = {}>(doc: string, options?: O): FlagNode & Typed<Present<O, boolean>> {
  return { kind: "flag", doc, ...options };
}

/** A whole number. */
export function whole<const O extends Options<Omit<NumberNode, "whole">> = {}>(
  doc: string,
  options?: O,
): NumberNode & Typed<Present<O, number>> {
  return { kind: "number", doc, whole: true, ...options };
}

/** Any finite number. */
export function amount<const O extends Options<Omit<NumberNode, "whole">> = {}>(
  doc: string,
  options?: O,
): NumberNode & Typed<Present<O, number>> {
  return { kind: "number", doc, whole: false, ...options };
}

export function choice<const V extends string, const O extends Options<Omit<ChoiceNode, "values">> = {}>(
  doc: string,
  values: readonly V[],
  options?: O,
): ChoiceNode & Typed<Present<O, V>> {
  return { kind: "choice", doc, values, ...options };
}

/** A credential. Beside the key `x` the key `xFile` is accepted: the path of a file that holds it. */
export function secret(doc: string, options?: Options<SecretNode>): SecretNode & Typed<Secret | undefined> {
  return { kind: "secret", doc, ...options };
}

/** One value of a map of credentials: always there. */
export function secretItem(doc: string): SecretNode & Typed<Secret> {
  return { kind: "secret", doc };
}

export function bytes<const O extends Options<BytesNode> = {}>(doc: string, options?: O): BytesNode & Typed<Present<O, number>> {
  return { kind: "bytes", doc, ...options };
}

export function list<N extends Node, const O extends Options<Omit<ListNode, "item">> = {}>(
  doc: string,
  item: N,
  options?: O,
): ListNode & Typed<Present<O, readonly Exclude<TypeOf<N>, undefined>[]>> {
  return { kind: "list", doc, item, ...options };
}

export function map<N extends Node, const O extends Options<Omit<MapNode, "item" | "key">> = {}>(
  doc: string,
  key: string,
  item: N,
  options?: O,
): MapNode & Typed<Optional<O, { readonly [key: string]: Exclude<TypeOf<N>, undefined> }>> {
  return { kind: "map", doc, key, item, ...options };
}

export function group<F extends Fields, const O extends Options<Omit<GroupNode, "fields">> = {}>(
  doc: string,
  fields: F,
  options?: O,
): GroupNode & Typed<Optional<O, GroupOf<F>>> & { readonly fields: F } {
  return { kind: "group", doc, fields, ...options };
}

export function opaque(doc: string, options?: Options<OpaqueNode>): OpaqueNode & Typed<unknown> {
  return { kind: "opaque", doc, ...options };
}
