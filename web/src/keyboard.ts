/** The key belongs to an input method. Safari ends the composition before the key that confirms it, and marks that key with 229 only. */
export const isComposing = (event: Pick<KeyboardEvent, "isComposing" | "keyCode">): boolean => event.isComposing || event.keyCode === 229;
