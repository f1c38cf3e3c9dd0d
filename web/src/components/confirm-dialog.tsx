import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

type ConfirmDialogProps = { title: string; text: string; action: string; onCancel: () => void; onConfirm: () => void };

/** A question with one dangerous answer. The browser's own dialog keeps the focus inside and gives it back. */
export function ConfirmDialog({ title, text, action, onCancel, onConfirm }: ConfirmDialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-label={title}
      onClose={onCancel}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="dialog-body">
        <h2>{title}</h2>
        <p dir="auto">{text}</p>
        <div class="dialog-actions">
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button
            type="button"
            class="danger"
            onClick={() => {
              dialog.current?.close();
              onConfirm();
            }}
          >
            {action}
          </button>
        </div>
      </div>
    </dialog>
  );
}
