import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { copyText } from "../copy-text.ts";
import { Check, Copy } from "./icons.tsx";

/** One line for a terminal, with a button that copies it. */
export function CommandLine({ text }: { text: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const onCopy = async (): Promise<void> => {
    setCopied(await copyText(text));
    setTimeout(() => setCopied(false), 1_600);
  };
  return (
    <div class="command">
      <code dir="ltr">{text}</code>
      <button type="button" class="ghost" onClick={onCopy} aria-label="Copy the command">
        {copied ? <Check /> : <Copy />}
      </button>
    </div>
  );
}
