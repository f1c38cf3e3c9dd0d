/** A sign-in at an MCP server leaves the page and comes back to it with an answer in the address. */

const NAME_KEY = "gateway.mcp-sign-in";

/** Keeps at which server a sign-in was begun: the answer may arrive in another tab. */
export const keepSignIn = (name: string): void => localStorage.setItem(NAME_KEY, name);

export type SignInAnswer = { name: string; callback: string };

/** Whether an address is the answer to a sign-in. Pure. */
export function isSignInAnswer(search: string): boolean {
  const params = new URLSearchParams(search);
  return params.has("state") && (params.has("code") || params.has("error"));
}

/** The answer to a sign-in, taken out of the address bar at once; null when there is none, or none was begun. */
export function takeSignInAnswer(location: Location, history: History, storage: Storage): SignInAnswer | null {
  if (!isSignInAnswer(location.search)) return null;
  const callback = location.href;
  history.replaceState(null, "", `${location.pathname}#mcp`);
  const name = storage.getItem(NAME_KEY);
  storage.removeItem(NAME_KEY);
  return name === null ? null : { name, callback };
}
