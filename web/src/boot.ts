/** Puts the page together: storage, identity, connection, address bar. */
import { effect } from "@preact/signals";
import { CredentialStore, sessionKeyFromHash, takeLinkCode } from "./credentials.ts";
import { flush, mainKey, markRead, newId, restoreNewSession, restoreOutbox } from "./actions.ts";
import { loadApprovals, onApprovalEvent, waiting } from "./approvals.ts";
import { loadChannels, pairingCount } from "./channel-setup.ts";
import { GatewayClient } from "./client.ts";
import { watchForNotices } from "./notifications.ts";
import { loadIdentity, openKeyVault } from "./device-identity.ts";
import { setClient, loadLists, onEvent, refreshAll, showSession } from "./sync.ts";
import { takeSignInAnswer, type SignInAnswer } from "./mcp-sign-in.ts";
import { requeueEntries } from "../../src/client/conversation/outbox.ts";
import * as store from "./state.ts";
import { approvalOfHash, traceOfHash, VIEW_TITLES, viewOfHash } from "./views.ts";
import type { ConnectionStatus } from "./client.ts";

declare const __PAGE_VERSION__: string;

const CLOCK_MS = 30_000;

let access: CredentialStore | null = null;
let client: GatewayClient | null = null;
/** The answer to a sign-in at an MCP server, which this page was opened with. */
let signInAnswer: SignInAnswer | null = null;

/** Where the gateway serves this page, with a slash at both ends. */
function basePath(): string {
  const given = document.documentElement.dataset["basePath"] ?? "/";
  return given.endsWith("/") ? given : `${given}/`;
}

const sessionInHash = (): string | null => sessionKeyFromHash(location.hash);

/** Connects and keeps the page in step with the address bar, the network and the eyes of the person. */
export async function start(): Promise<void> {
  const code = takeLinkCode(location, history);
  signInAnswer = takeSignInAnswer(location, history, localStorage);
  const vault = await openKeyVault(basePath());
  access = new CredentialStore(vault, sessionStorage);
  await access.load();
  if (code !== null) access.setLinkCode(code);
  const identity = await loadIdentity(vault);
  store.hasIdentity.value = identity !== null;
  store.deviceId.value = identity?.id ?? null;
  store.activeKey.value = sessionInHash() ?? "";
  showViewOfHash();
  restoreNewSession();
  restoreOutbox();
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${basePath()}`;
  client = new GatewayClient({
    url,
    version: __PAGE_VERSION__,
    instanceId: newId(),
    identity,
    access,
    onLink,
    onEvent: (event) => {
      onEvent(event);
      onApprovalEvent(event);
    },
    onGap: () => void Promise.all([refreshAll(), loadApprovals()]),
  });
  setClient(client);
  client.start();
  addListeners();
}

function onLink(link: ConnectionStatus): void {
  const before = store.connection.value;
  store.connection.value = link;
  if (link.phase === "online") void onOnline(link);
  else if (before.phase === "online") store.outbox.value = requeueEntries(store.outbox.value);
  if (link.phase === "waiting") store.restarting.value = link.restarting || store.restarting.value;
  if (link.phase === "stopped" || (link.phase === "waiting" && link.failure?.code === "PAIRING_REQUIRED")) {
    store.askSignIn.value = true;
  }
}

async function onOnline(link: Extract<ConnectionStatus, { phase: "online" }>): Promise<void> {
  store.hello.value = link.hello;
  store.restarting.value = false;
  store.askSignIn.value = false;
  if (store.activeKey.value === "") {
    store.activeKey.value = mainKey();
    if (store.view.value === "chat") history.replaceState(null, "", `#s=${encodeURIComponent(mainKey())}`);
  }
  await Promise.all([refreshAll(), loadApprovals()]);
  markRead();
  await flush();
  await loadLists();
  await loadChannels();
  const answer = signInAnswer;
  signInAnswer = null;
  if (answer !== null) await (await import("./mcp-servers.ts")).finishSignIn(answer);
}

function addListeners(): void {
  addEventListener("online", () => client?.wake());
  addEventListener("pageshow", () => client?.wake());
  addEventListener("hashchange", onHash);
  addEventListener("popstate", onHash);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    store.clock.value = Date.now();
    client?.wake();
    markRead();
    void loadChannels();
  });
  const narrow = matchMedia("(max-width: 48rem)");
  const onWidth = (): void => void (store.isNarrow.value = narrow.matches);
  narrow.addEventListener("change", onWidth);
  onWidth();
  setInterval(() => {
    if (!document.hidden) store.clock.value = Date.now();
    // An access request may arrive while the tab is hidden: its title shows the count.
    void loadChannels();
  }, CLOCK_MS);
  effect(() => {
    const count = pairingCount.value + waiting.value.length;
    const title = store.view.value === "chat" ? store.title.value : VIEW_TITLES[store.view.value];
    document.title = `${count > 0 ? `(${count}) ` : ""}${title} · Gateway`;
  });
  effect(() => {
    if (store.activeRow.value?.unread === true) markRead();
  });
  watchForNotices();
}

function showViewOfHash(): void {
  store.tracedId.value = traceOfHash(location.hash) ?? "";
  store.view.value = viewOfHash(location.hash);
}

function onHash(): void {
  const code = takeLinkCode(location, history);
  if (code !== null) {
    access?.setLinkCode(code);
    return client?.start();
  }
  showViewOfHash();
  if (approvalOfHash(location.hash) !== null) store.linksFollowed.value += 1;
  const key = sessionInHash();
  if (key === null || key === store.activeKey.value) return;
  store.activeKey.value = key;
  void showSession(key);
}

/** Signs in with what was typed. */
export function signIn(token: string): void {
  access?.setTypedSecret(token);
  client?.start();
}

/** Tries again with whatever there is. */
export const reconnect = (): void => client?.start();

/** Forgets what this browser was given and goes back to the sign-in screen. */
export async function signOut(): Promise<void> {
  client?.stop();
  await access?.signOut();
  sessionStorage.clear();
  location.reload();
}
