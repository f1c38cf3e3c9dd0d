import { GatewayError } from "../core/errors.ts";
import type { MethodTable } from "../protocol/method.ts";

export type SecretsDeps = {
  secrets: {
    reload(): Promise<readonly { name: string; state: string; problem: string | null }[]>;
    list(): Promise<readonly { name: string; updatedAt: number; bytes: number }[]>;
  };
};

/** secrets.*: where the values come from, and never a value. */
export function secretsMethods({ secrets }: SecretsDeps) {
  return {
    "secrets.reload": {
      scope: "operator.admin",
      waits: true,
      run: async () => {
        const failed = await secrets.reload();
        return {
          ok: true,
          warningCount: failed.length,
          warnings: failed.map(({ name, state, problem }) => ({ provider: name, state, problem })),
        };
      },
    },
    "secrets.store.list": {
      scope: "operator.admin",
      waits: true,
      run: async () => {
        try {
          return { entries: (await secrets.list()).map(({ name, updatedAt }) => ({ name, kind: "secret", updatedAt })) };
        } catch (err) {
          if (err instanceof GatewayError) throw err;
          throw new GatewayError("UNAVAILABLE", "the encrypted store cannot be read", { cause: err });
        }
      },
    },
  } satisfies MethodTable;
}
