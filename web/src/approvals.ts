/** Questions about commands: those that wait, how they ended, and the answers of this page. */
import { computed, signal } from "@preact/signals";
import { openView } from "./actions.ts";
import { endOfEvent, endOfSnapshot, mergeQuestions, toQuestion } from "./approval-model.ts";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient, toKey } from "./sync.ts";
import * as store from "./state.ts";
import type { Answer, ApprovalEnd, ApprovalSnapshot, Question, RequestedApproval, ResolvedApproval } from "./approval-model.ts";
import type { EventFrame } from "../../src/client/conversation/protocol-types.ts";
import type { ToastAction } from "./state.ts";

/** Ended questions that stay where they are shown; the oldest go first. */
const MAX_ENDED = 20;
const NOTICE_CHARS = 60;

/** Those that wait and those that have ended before the eyes of the person, oldest first. */
export const questions = signal<readonly Question[]>([]);
export const waiting = computed(() => questions.value.filter(({ end }) => end === null));
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);

const isOf = (question: Question, key: string): boolean => question.sessionKey !== null && toKey(question.sessionKey) === key;

/** Whether a session waits for an answer of a person. */
export const waitsIn = (key: string): boolean => waiting.value.some((question) => isOf(question, key));

/** Whether a turn does. */
export const waitsInRun = (runId: string): boolean => waiting.value.some((question) => question.runId === runId);

/** Whether a call of a tool does. */
export const waitsInCall = (callId: string): boolean => waiting.value.some((question) => question.callId === callId);

/** What the open session shows above the field: the question that waits longest, or what others have just answered in a turn that goes on. */
export const sessionQuestion = computed((): { question: Question; more: number } | null => {
  const own = questions.value.filter((question) => isOf(question, store.activeKey.value));
  const open = own.filter(({ end }) => end === null);
  const runId = store.activeRun.value?.runId;
  const last = own.at(-1);
  const question = open[0] ?? (last?.end?.isOwn === false && runId !== undefined && last.runId === runId ? last : undefined);
  return question === undefined ? null : { question, more: Math.max(0, open.length - 1) };
});

const isNamed = (error: unknown, code: string): boolean => (error as { details?: { code?: unknown } }).details?.code === code;

/** Reads what waits. Never throws: `failed` says why there is nothing newer. */
export async function loadApprovals(): Promise<void> {
  if (!store.mayApprove.value) return void (questions.value = []);
  if (!store.isOnline.value) return;
  try {
    const lists = await Promise.all(
      (["exec.approval.list", "plugin.approval.list"] as const).map((method) =>
        requireClient().request<readonly RequestedApproval[]>(method, {}),
      ),
    );
    const rows = lists.flat().toSorted((a, b) => a.createdAtMs - b.createdAtMs);
    questions.value = mergeQuestions(questions.value, rows.map(toQuestion));
    failed.value = null;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

/** Takes the events about questions; others are none of its business. */
export function onApprovalEvent({ event, payload }: EventFrame): void {
  if (event === "exec.approval.requested" || event === "plugin.approval.requested") add(toQuestion(payload as RequestedApproval));
  else if (event === "exec.approval.resolved" || event === "plugin.approval.resolved") {
    const ended = payload as ResolvedApproval;
    const end = endOfEvent(ended);
    endQuestion(ended.id, end, end.by !== null && end.by === store.deviceId.value);
  }
}

function add(question: Question): void {
  if (questions.value.some(({ id }) => id === question.id)) return;
  const ended = questions.value.filter(({ end }) => end !== null);
  const dropped = new Set(ended.slice(0, Math.max(0, ended.length - MAX_ENDED)).map(({ id }) => id));
  questions.value = [...questions.value.filter(({ id }) => !dropped.has(id)), question];
  announce(question);
}

function change(id: string, by: (question: Question) => Partial<Question>): void {
  questions.value = questions.value.map((question) => (question.id === id ? { ...question, ...by(question) } : question));
}

function endQuestion(id: string, end: ApprovalEnd, isOwn: boolean): void {
  change(id, ({ end: before }) => ({
    answering: false,
    // The answer of the method does not say for how long, the event does.
    end: { ...(before?.grant && { grant: before.grant }), ...end, isOwn: isOwn || before?.isOwn === true },
  }));
  if (waiting.value.length === 0) retractNotice();
}

/** Answers a question. When another answer was first, the question shows that one. */
export async function answerQuestion(id: string, answer: Answer): Promise<void> {
  const kind = questions.value.find((question) => question.id === id)?.kind ?? "exec";
  change(id, () => ({ answering: true }));
  try {
    const { applied, approval } = await requireClient().request<{ applied: boolean; approval: ApprovalSnapshot }>("approval.resolve", {
      id,
      kind,
      ...answer,
    });
    endQuestion(id, endOfSnapshot(approval), applied);
  } catch (error) {
    change(id, () => ({ answering: false }));
    store.showToast(`Not answered: ${isConnectionLost(error) ? "the gateway is not connected." : errorMessage(error)}`);
    if (isNamed(error, "APPROVAL_NOT_FOUND")) await loadApprovals();
  }
}

/** Takes ended questions off the list. */
export function dropEnded(): void {
  questions.value = waiting.value;
}

let notice: { text: string; action: ToastAction | null } | null = null;

/** Says that a question has come, where it is not in view. */
function announce({ command, sessionKey }: Question): void {
  if (store.view.value === "approvals") return;
  if (store.view.value === "chat" && sessionKey !== null && toKey(sessionKey) === store.activeKey.value) {
    store.liveAnnouncement.value = "A command waits for your answer.";
    return;
  }
  const count = waiting.value.length;
  const [line = ""] = command.trim().split("\n");
  const shown = line.length > NOTICE_CHARS ? `${line.slice(0, NOTICE_CHARS)}…` : line;
  store.showToast(count === 1 ? `A command waits for your answer: ${shown}` : `${count} commands wait for your answer`, {
    label: "Review",
    run: () => openView("approvals"),
  });
  notice = store.toast.value;
}

/** Takes the notice away when there is nothing left to answer, or when the questions are in view. */
export function retractNotice(): void {
  if (notice !== null && store.toast.value === notice) store.toast.value = null;
  notice = null;
}
