import { asObject, asObjects, requireObject } from "../core/json.ts";

type KeyOf<T> = T extends unknown ? keyof T & string : never;

/**
 * An object of a platform whose values were not checked yet: the keys are those of the platform's published type, so that a misspelled one
 * does not compile; every value is unknown until the code has looked at it.
 */
export type PlatformPayload<T> = { readonly [K in KeyOf<T>]?: unknown };

/** The object, or null for every other value. */
export const asPayload = <T>(value: unknown): PlatformPayload<T> | null => asObject(value) as PlatformPayload<T> | null;

/** The objects of an array; its other items are left out. */
export const asPayloads = <T>(value: unknown): readonly PlatformPayload<T>[] => asObjects(value) as readonly PlatformPayload<T>[];

/** The object, or an error that names `what`. */
export const requirePayload = <T>(value: unknown, what: string): PlatformPayload<T> => requireObject(value, what) as PlatformPayload<T>;
