import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isConnectionLost } from "../client.ts";
import { errorMessage } from "../sync.ts";
import { toSafeHref } from "../markdown-html.ts";
import { sentPicture, storedPicture, toDataUrl } from "../pictures.ts";
import * as store from "../state.ts";
import { Close } from "./icons.tsx";
import type { ItemBlock } from "../../../src/client/conversation/transcript-items.ts";

type Image = Extract<ItemBlock, { type: "image" }>;

/** A picture of a message: from the row, from memory, or from the gateway once it comes into view. */
export function PictureView({ block }: { block: Image }): JSX.Element {
  const { source } = block;
  const known = block.data === null ? null : toDataUrl(block.mimeType, block.data);
  const src = known ?? (source === null ? null : sentPicture(source));
  if (src !== null) return <Thumbnail src={src} />;
  const href = block.url === null ? null : toSafeHref(block.url);
  if (href !== null)
    return (
      <a href={href} target="_blank" rel="noopener noreferrer">
        Picture
      </a>
    );
  if (block.data === null && source?.messageId) return <StoredPicture messageId={source.messageId} index={source.index} />;
  return <p class="hint">Image unavailable</p>;
}

function StoredPicture({ messageId, index }: { messageId: string; index: number }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const [src, setSrc] = useState<string | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const sessionKey = store.activeKey.value;
  const online = store.isOnline.value;
  useEffect(() => {
    if (place.current === null || !online) return undefined;
    let gone = false;
    const load = async (): Promise<void> => {
      try {
        const found = await storedPicture(sessionKey, messageId, index);
        if (gone) return;
        setSrc(found);
        setFailure(found === null ? "This kind of image is not displayed." : null);
      } catch (error) {
        if (!gone && !isConnectionLost(error)) setFailure(errorMessage(error));
      }
    };
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watch.disconnect();
      void load();
    });
    watch.observe(place.current);
    return () => {
      gone = true;
      watch.disconnect();
    };
  }, [sessionKey, messageId, index, online]);
  if (src !== null) return <Thumbnail src={src} />;
  return (
    <div class="picture-place" ref={place}>
      {failure === null ? "Loading image…" : `Image unavailable: ${failure}`}
    </div>
  );
}

/** Small in the conversation; a click shows it as large as the window allows. */
function Thumbnail({ src }: { src: string }): JSX.Element {
  const [open, setOpen] = useState(false);
  const [broken, setBroken] = useState(false);
  if (broken) return <p class="hint">Image unavailable</p>;
  return (
    <>
      <button type="button" class="picture-open" aria-label="Open the image" onClick={() => setOpen(true)}>
        <img class="picture" src={src} alt="" onError={() => setBroken(true)} />
      </button>
      {open && <Viewer src={src} onClose={() => setOpen(false)} />}
    </>
  );
}

function Viewer({ src, onClose }: { src: string; onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="picture-viewer" aria-label="Image" onClose={onClose} onClick={() => dialog.current?.close()}>
      <button type="button" class="ghost" aria-label="Close">
        <Close />
      </button>
      <img src={src} alt="" />
    </dialog>
  );
}
