/** Release of this gateway; package.json carries the same (checked by a test). */
export const VERSION = "0.1.0";
/** Wire protocol that we speak. */
export const PROTOCOL_VERSION = 4;
