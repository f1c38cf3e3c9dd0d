import type { LazyMethod, Method, MethodParams, ServedMethods } from "./method.ts";
import { SERVED_METHODS, type ServedMethod } from "./served-methods.ts";

/** The served methods with the name `P`, or with a name that begins with it and a dot. */
type Family<P extends string> = Extract<ServedMethod, P | `${P}.${string}`>;

type FamilyTable<P extends string> = { readonly [M in Family<P>]: Method<MethodParams<M>> };

/**
 * The methods with one of `names`, or with a name that begins with one and a dot. Their code is loaded with the first request for one
 * of them. A load that fails fails that request; the next one tries again. `maxBytes`: the sizes of those that have one.
 */
export function lazyMethods<const P extends string>(
  names: readonly P[],
  load: () => Promise<FamilyTable<P>>,
  maxBytes: { readonly [M in Family<P>]?: number } = {},
): { readonly [M in Family<P>]: LazyMethod<MethodParams<M>> } {
  let loading: Promise<FamilyTable<P>> | null = null;
  const family = (): Promise<FamilyTable<P>> => {
    loading ??= load().catch((err: unknown) => {
      loading = null;
      throw err;
    });
    return loading;
  };
  const isOfFamily = (method: ServedMethod): method is Family<P> => names.some((name) => method === name || method.startsWith(`${name}.`));
  const entries = SERVED_METHODS.filter(isOfFamily).map((method) => [
    method,
    {
      ...(maxBytes[method] !== undefined && { maxBytes: maxBytes[method] }),
      load: async () => {
        const found = (await family())[method];
        checkSize(method, found as { readonly maxBytes?: number }, maxBytes[method]);
        return found;
      },
    },
  ]);
  return Object.fromEntries(entries) as { readonly [M in Family<P>]: LazyMethod<MethodParams<M>> };
}

/** The size of a request is checked before its method is loaded. */
function checkSize(name: string, { maxBytes }: { readonly maxBytes?: number }, declared: number | undefined): void {
  if (maxBytes !== declared) throw new Error(`${name} takes ${maxBytes ?? "the usual number of"} bytes: its family does not say so`);
}

/** One of `methods`, loaded. */
export async function loadMethod<M extends ServedMethod>(methods: ServedMethods, name: M): Promise<Method<MethodParams<M>>> {
  const found = methods[name];
  if (found === undefined) throw new Error(`${name} is not served`);
  return "load" in found ? await found.load() : found;
}
