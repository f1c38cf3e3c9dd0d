import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { listBranches, switchBranch } from "../branches.ts";
import { copyText } from "../copy-text.ts";
import { download, exportText, fileName, shareText } from "../export-markdown.ts";
import { errorMessage } from "../sync.ts";
import * as store from "../state.ts";
import { ChatSearch, isSearching } from "./chat-search.tsx";
import { Download, Search } from "./icons.tsx";
import type { Branch } from "../branches.ts";

/** In the head of a conversation: its search and its export. */
export const ChatTools = (): JSX.Element | null =>
  store.activeChat.value.rows.rows.length > 0 ? (
    <>
      <button
        type="button"
        class="ghost"
        aria-label="Search in the conversation"
        title="Search in the conversation (Ctrl Shift F)"
        aria-expanded={isSearching.value}
        onClick={() => (isSearching.value = !isSearching.value)}
      >
        <Search size={18} />
      </button>
      <Export />
    </>
  ) : null;

/** Under the head: the search, and the branches of a conversation, where there are several. */
export const ConversationBars = (): JSX.Element => (
  <>
    <ChatSearch />
    {store.isServed("sessions.branches.list") && <BranchChoice key={store.activeKey.value} />}
  </>
);

function BranchChoice(): JSX.Element | null {
  const key = store.activeKey.value;
  const chat = store.activeChat.value;
  const [branches, setBranches] = useState<readonly Branch[]>([]);
  const [isBusy, setBusy] = useState(false);
  // A branch begins and changes with messages; the list is read again when the last one is another.
  const last = chat.rows.rows.at(-1)?.__openclaw?.id;
  const online = store.isOnline.value;
  useEffect(() => {
    let isCurrent = true;
    if (!online || !chat.loaded || chat.draft !== null) return;
    listBranches(key).then(
      (found) => isCurrent && setBranches(found),
      (error: unknown) => console.info("The branches could not be read:", errorMessage(error)),
    );
    return () => void (isCurrent = false);
  }, [key, last, online, chat.loaded]);
  const active = branches.find((branch) => branch.active);
  if (branches.length < 2) return null;
  const onChange = async (leaf: string): Promise<void> => {
    setBusy(true);
    await switchBranch(key, leaf);
    setBusy(false);
  };
  return (
    <div class="branch-bar">
      <select
        class="branch-choice"
        aria-label={`Branch, ${branches.length} in this conversation`}
        title="Branches of this conversation"
        value={active?.leafEntryId ?? ""}
        disabled={isBusy || !store.mayAdminister.value || store.isRunActive.value}
        onChange={({ currentTarget }) => void onChange(currentTarget.value)}
      >
        {active === undefined && <option value="">New branch</option>}
        {branches.map((branch, at) => (
          <option key={branch.leafEntryId} value={branch.leafEntryId}>
            Branch {at + 1} of {branches.length}: {branch.headline.slice(0, 60)} ({branch.messageCount})
          </option>
        ))}
      </select>
    </div>
  );
}

function Export(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [failed, setFailed] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  const title = store.title.value;
  const run = async (use: (text: string) => Promise<boolean>): Promise<void> => {
    setBusy(true);
    try {
      if (await use(await exportText(store.activeKey.value, title))) dialog.current?.close();
      else setFailed("The browser did not allow it. Download the file instead.");
    } catch (error) {
      setFailed(errorMessage(error));
    }
    setBusy(false);
  };
  return (
    <>
      <button
        type="button"
        class="ghost"
        aria-label="Export the conversation"
        title="Export"
        onClick={() => {
          setFailed(null);
          setOpen(true);
        }}
      >
        <Download size={18} />
      </button>
      {isOpen && (
        <dialog ref={dialog} class="dialog" aria-label="Export the conversation" onClose={() => setOpen(false)}>
          <div class="dialog-body">
            <h2>Export as Markdown</h2>
            <p>
              All messages of this branch, with the calls of tools and their results. Pictures are left out. Everyone who gets the text can
              read all of it.
            </p>
            {failed !== null && (
              <p class="problem" role="alert">
                {failed}
              </p>
            )}
            <div class="dialog-actions">
              <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
                Cancel
              </button>
              <button type="button" class="quiet" disabled={isBusy} onClick={() => void run(copyText)}>
                Copy
              </button>
              {"share" in navigator && (
                <button type="button" class="quiet" disabled={isBusy} onClick={() => void run((text) => shareText(text, title))}>
                  Share
                </button>
              )}
              <button
                type="button"
                class="primary"
                disabled={isBusy}
                onClick={() =>
                  void run(async (text) => {
                    download(text, fileName(title));
                    return true;
                  })
                }
              >
                Download
              </button>
            </div>
          </div>
        </dialog>
      )}
    </>
  );
}
