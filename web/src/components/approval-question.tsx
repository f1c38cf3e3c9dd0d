import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { openSession, openView } from "../actions.ts";
import { endText, hasPathPlace, hostText, lengthText, patternText, shortId, timeLeftText, toVisibleText } from "../approval-model.ts";
import { answerQuestion, retractNotice, sessionQuestion } from "../approvals.ts";
import { titleOf } from "../../../src/client/conversation/session-row.ts";
import { toShortTime } from "../session-list.ts";
import * as store from "../state.ts";
import { toKey } from "../sync.ts";
import { elementOf, hashOf } from "../views.ts";
import { Warning } from "./icons.tsx";
import type { Answer, Question } from "../approval-model.ts";

/** A question takes answers only after this long on the screen: a click that was meant for what lay there before must not count. */
const ARMED_AFTER_MS = 500;

/** Characters of a command that name its question for screen readers. */
const LABEL_CHARS = 80;

const ANSWERS: readonly (Answer & { label: string; look: string })[] = [
  { decision: "allow-once", label: "Allow once", look: "primary small" },
  { decision: "allow-once", grant: "1h", label: "For 1 hour", look: "quiet" },
  { decision: "allow-once", grant: "session", label: "This conversation", look: "quiet" },
  { decision: "allow-always", label: "Always", look: "quiet" },
  { decision: "deny", label: "Deny", look: "quiet no" },
];
const isOffered = ({ decision, grant }: Answer, { decisions, isGrantable }: Question): boolean =>
  decisions.includes(decision) && (grant === undefined || isGrantable);

/** Everything about one question: what would run, what deserves attention, and the answers. */
export function QuestionCard({ question, inChat = false }: { question: Question; inChat?: boolean }): JSX.Element {
  const { id, command, warnings, end } = question;
  const length = lengthText(command);
  return (
    <article
      class="question"
      id={inChat ? undefined : elementOf(id)}
      tabIndex={-1}
      aria-label={`${titleText(question)} ${toVisibleText(command).slice(0, LABEL_CHARS)}`}
      data-ended={end !== null || undefined}
    >
      <p class="question-title">
        <strong>
          <bdi>{titleText(question)}</bdi>
        </strong>
        <span class="hint">
          {question.agentId !== null && `${question.agentId} asked `}
          {agoText(question.askedAtMs)}
          {end === null && ` · ${timeLeftText(question.expiresAtMs, store.clock.value)}`}
          {" · "}
          <code title="How messages and the command line name it">{shortId(id)}</code>
        </span>
      </p>
      <pre
        class="question-command"
        tabIndex={0}
        dir={question.asker === null ? "ltr" : "auto"}
        aria-label={question.asker === null ? "Command" : "Request"}
      >
        {toVisibleText(command)}
      </pre>
      {length !== null && <p class="hint">{length}: scroll to read all of it</p>}
      <Place question={question} inChat={inChat} />
      {warnings.length > 0 && (
        <ul class="question-warnings">
          {warnings.map((warning) => (
            <li key={warning} dir="auto">
              <Warning size={15} /> <span>{warning}</span>
            </li>
          ))}
        </ul>
      )}
      {end === null && <Patterns question={question} />}
      <Answers key={id} question={question} inChat={inChat} />
    </article>
  );
}

const titleText = ({ asker }: Question): string => (asker === null ? "May this run?" : `${toVisibleText(asker)} asks: is this all right?`);

/** Where it would run, and for which session. */
function Place({ question, inChat }: { question: Question; inChat: boolean }): JSX.Element | null {
  const { asker, cwd, host, sessionKey } = question;
  const session = inChat || sessionKey === null ? null : <SessionLink sessionKey={sessionKey} />;
  if (asker !== null) return session === null ? null : <p class="question-place">For {session}</p>;
  return (
    <p class="question-place">
      Runs {hostText(host)}
      {cwd !== null && (
        <>
          {host === null ? "" : ", "}in <code dir="ltr">{cwd}</code>
        </>
      )}
      {session !== null && <>, for {session}</>}
    </p>
  );
}

/** What the answer "always" would store, and what a time would allow. */
function Patterns({ question }: { question: Question }): JSX.Element | null {
  const { agentId, decisions, patterns } = question;
  if (!decisions.includes("allow-always") || patterns.length === 0) return null;
  return (
    <div class="question-patterns">
      <p>
        “Always” lets {agentId === null ? "the agent" : <bdi>{agentId}</bdi>} run this without asking from now on
        {patterns.some(hasPathPlace) && (
          <>
            , with any files of its workspace in place of <code>{"{path}"}</code>
          </>
        )}
        :
      </p>
      <ul>
        {patterns.map((pattern) => (
          <li key={patternText(pattern)}>
            <code dir="ltr">{toVisibleText(patternText(pattern))}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The buttons, and in their place how the question ended. */
function Answers({ question, inChat }: { question: Question; inChat: boolean }): JSX.Element {
  const { id, answering, end } = question;
  const [armed, setArmed] = useState(false);
  const [clicked, setClicked] = useState(false);
  const outcome = useRef<HTMLParagraphElement>(null);
  const isEnded = end !== null;
  useEffect(() => {
    const timer = setTimeout(() => setArmed(true), ARMED_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  // The button that had the keyboard is gone.
  useEffect(() => {
    if (isEnded && clicked) outcome.current?.focus();
  }, [isEnded]);
  if (isEnded) {
    return (
      <p class="question-end" ref={outcome} tabIndex={-1} role="status">
        <span class="dot" data-state={end.status === "allowed" ? "done" : end.status === "denied" ? "failed" : ""} />
        <span dir="auto">{endText(end, store.deviceId.value)}</span>
      </p>
    );
  }
  const send = ({ decision, grant }: Answer): void => {
    setClicked(true);
    void answerQuestion(id, { decision, ...(grant !== undefined && { grant }) }).then(() => {
      if (inChat) requestAnimationFrame(focusComposer);
    });
  };
  return (
    <div class="question-answers" role="group" aria-label="Answer">
      {ANSWERS.filter((answer) => isOffered(answer, question)).map((answer) => (
        <button
          key={answer.label}
          type="button"
          class={answer.look}
          disabled={!armed || answering || !store.isOnline.value}
          onClick={() => send(answer)}
        >
          {answer.label}
        </button>
      ))}
    </div>
  );
}

/** The answered question has left the conversation, and the keyboard has no place. */
function focusComposer(): void {
  const lost = document.activeElement === null || document.activeElement === document.body;
  if (lost && matchMedia("(hover: hover)").matches) document.getElementById("composer")?.focus();
}

/** A link to a session, by the name that the list gives it. */
export function SessionLink({ sessionKey }: { sessionKey: string }): JSX.Element {
  const key = toKey(sessionKey);
  const row = store.sessions.value.find((one) => one.key === key);
  return (
    <a
      class="session-link"
      href={`#s=${encodeURIComponent(key)}`}
      onClick={(event) => {
        event.preventDefault();
        openSession(key);
      }}
    >
      <bdi>{titleOf(row ?? { key })}</bdi>
    </a>
  );
}

/** "just now", "5 min ago", "14:05". */
export function agoText(atMs: number): string {
  const text = toShortTime(atMs, store.clock.value);
  return text === "now" ? "just now" : text.endsWith(" min") ? `${text} ago` : text;
}

/** In a conversation: the question of its session that waits longest. */
export function SessionQuestion(): JSX.Element | null {
  const shown = sessionQuestion.value;
  const id = shown?.question.id;
  useEffect(() => {
    if (id !== undefined) retractNotice();
  }, [id]);
  if (shown === null) return null;
  return (
    <section class="session-question" aria-label="Question of this session">
      <QuestionCard key={id} question={shown.question} inChat />
      {shown.more > 0 && (
        <p class="hint">
          <a
            class="session-link"
            href={hashOf("approvals")}
            onClick={(event) => {
              event.preventDefault();
              openView("approvals");
            }}
          >
            {shown.more === 1 ? "1 more question waits" : `${shown.more} more questions wait`} in this session
          </a>
        </p>
      )}
    </section>
  );
}
