/** Notifications of the browser about what waits for a person, while this page is open and not in sight. */
import { computed, effect, signal } from "@preact/signals";
import { openView } from "./actions.ts";
import { waiting } from "./approvals.ts";
import { pairingCount } from "./channel-setup.ts";

const KEY = "gateway.notifications";

export type NotificationState = "on" | "off" | "blocked" | "unavailable";

const isWanted = signal(localStorage.getItem(KEY) === "on");
const permission = signal<NotificationPermission | "unavailable">(readPermission());

function readPermission(): NotificationPermission | "unavailable" {
  return "Notification" in globalThis && isSecureContext ? Notification.permission : "unavailable";
}

export const state = computed<NotificationState>(() => {
  if (permission.value === "unavailable") return "unavailable";
  if (permission.value === "denied") return "blocked";
  return isWanted.value && permission.value === "granted" ? "on" : "off";
});

/** Asks the browser for its permission where it has none. Call it from a click. */
export async function turnOn(): Promise<void> {
  permission.value = await Notification.requestPermission();
  if (permission.value !== "granted") return;
  isWanted.value = true;
  localStorage.setItem(KEY, "on");
}

export function turnOff(): void {
  isWanted.value = false;
  localStorage.removeItem(KEY);
}

/** "2 questions wait for you". Without the words of the question: the lock screen of a phone shows it to everyone. Pure. */
export const noticeText = (questions: number, people: number): string =>
  [
    ...(questions === 0 ? [] : [questions === 1 ? "A question waits for you" : `${questions} questions wait for you`]),
    ...(people === 0 ? [] : [people === 1 ? "Someone asks for access" : `${people} people ask for access`]),
  ].join(". ");

/** One notification when more waits than before, and none for what was seen. */
export function watchForNotices(): void {
  let before = 0;
  effect(() => {
    const questions = waiting.value.length;
    const people = pairingCount.value;
    const isMore = questions + people > before;
    before = questions + people;
    if (!isMore || state.value !== "on" || !document.hidden) return;
    const notice = new Notification("Gateway", { body: noticeText(questions, people), tag: "gateway.inbox", icon: "./favicon.svg" });
    notice.addEventListener("click", () => {
      window.focus();
      openView("approvals");
      notice.close();
    });
  });
}
