import { defineFaultInjectionTests } from "./fault-injection.ts";

await defineFaultInjectionTests("discord");
