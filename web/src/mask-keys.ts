/** Credentials that someone pasted into a message: shown by their first and last characters only. Pure. */
const KEYS =
  /\b(?:sk-[\w-]{16,}|xox[a-z]-[\w-]{16,}|xapp-[\w-]{16,}|gh[opsu]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|AIza[\w-]{30,}|AKIA[A-Z0-9]{16}|\d{8,12}:[\w-]{30,})/g;

/** The text with every key in it shortened. */
export const maskKeys = (text: string): string => text.replaceAll(KEYS, (key) => `${key.slice(0, 6)}…${key.slice(-2)} (hidden)`);
