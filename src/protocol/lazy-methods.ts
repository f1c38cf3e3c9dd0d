import type { LazyMethod, Method, MethodParams, ServedMethods } from "./method.ts";
import { SERVED_METHODS, type ServedMethod } from "./served-methods.ts";

/** The served methods with the name `P`, or with a name that begins with it and a dot. */
type Family<P extends string> = Extract<ServedMethod, P | `${P}.${string}`>;

type FamilyTable<P extends string> = { readonly [M in Family<P>]: Method<MethodParams<M>> };

/**
 * The methods with one of `names`, or with a name that begins with one and a dot. Their code is loaded with the first request for one
 * of them. A load that fails fails that request; the next one tries again.
 */
export function lazyMethods<const P extends string>(
  names: readonly P[],
  load: () => Promise<FamilyTable<P>>,
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
      load: async () => {
        const found = (await family())[method];
        checkUsualSize(method, found as { readonly maxBytes?: number });
        return found;
      },
    },
  ]);
  return Object.fromEntries(entries) as { readonly [M in Family<P>]: LazyMethod<MethodParams<M>> };
}

/** The size of a request is checked before its method is loaded. */
function checkUsualSize(name: string, { maxBytes }: { readonly maxBytes?: number }): void {
  if (maxBytes !== undefined) throw new Error(`${name} takes large requests: it cannot be loaded with its first one`);
}

/** One of `methods`, loaded. */
export async function loadMethod<M extends ServedMethod>(methods: ServedMethods, name: M): Promise<Method<MethodParams<M>>> {
  const found = methods[name];
  if (found === undefined) throw new Error(`${name} is not served`);
  return "load" in found ? await found.load() : found;
}
