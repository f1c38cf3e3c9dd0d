import type { MethodTable } from "../protocol/method.ts";
import type { SandboxProbe } from "../tools/sandbox.ts";

export type SandboxMethodsDeps = { sandbox: () => Promise<SandboxProbe> };

/** sandbox.explain: whether commands can be isolated on this machine. The first call tries it out, which takes a second. */
export function sandboxMethods({ sandbox }: SandboxMethodsDeps) {
  return {
    "sandbox.explain": {
      scope: "operator.read",
      run: async () => {
        const probe = await sandbox();
        if (!probe.sandbox) return { available: false, reason: probe.reason, fix: probe.fix };
        return { available: true, name: probe.sandbox.name, guarantees: probe.sandbox.guarantees };
      },
    },
  } satisfies MethodTable;
}
