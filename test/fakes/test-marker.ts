import { randomUUID } from "node:crypto";

/** A marker of processes that no other test has: what carries one is killed with what it belongs to, and tests run at the same time. */
export const testMarker = (): string => `test-${randomUUID()}`;
