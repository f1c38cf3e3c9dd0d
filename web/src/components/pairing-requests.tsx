import type { ComponentChildren, JSX } from "preact";

/** The requests of a list that wait for a person. */
export const PairingRequests = ({ id, children }: { id: string; children: ComponentChildren }): JSX.Element => (
  <section class="panel" aria-labelledby={id}>
    <div class="panel-head">
      <h2 id={id}>Waiting for approval</h2>
    </div>
    <ul>{children}</ul>
  </section>
);

type PairingRequestProps = {
  name: string;
  text: string;
  /** What is known of it; undefined ones are left out. */
  facts: readonly (string | undefined)[];
  isBusy: boolean;
  /** Null for a person who may not decide. */
  answers: { approve: () => unknown; reject: () => unknown } | null;
  children?: ComponentChildren;
};

export const PairingRequest = ({ name, text, facts, isBusy, answers, children }: PairingRequestProps): JSX.Element => (
  <li class="entry">
    <span class="dot" data-state="waiting" />
    <div class="entry-text">
      <p class="entry-name">
        <strong>
          <bdi>{name}</bdi>
        </strong>
      </p>
      <p>{text}</p>
      <p class="hint">
        <bdi>{facts.filter((each) => each !== undefined).join(", ")}</bdi>
      </p>
      {children}
    </div>
    {answers !== null && (
      <div class="entry-actions">
        <button type="button" class="primary small" aria-label={`Approve ${name}`} disabled={isBusy} onClick={() => void answers.approve()}>
          Approve
        </button>
        <button type="button" class="quiet" aria-label={`Reject ${name}`} disabled={isBusy} onClick={() => void answers.reject()}>
          Reject
        </button>
      </div>
    )}
  </li>
);
