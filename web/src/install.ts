/** The page as an app of the device: the browser says when it offers that. */
import { signal } from "@preact/signals";

type InstallPrompt = Event & { prompt: () => Promise<unknown> };

/** What the browser offers; null where it offers nothing, or the page is installed. */
export const offer = signal<InstallPrompt | null>(null);
export const isInstalled = signal(matchMedia("(display-mode: standalone)").matches);

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  offer.value = event as InstallPrompt;
});
addEventListener("appinstalled", () => {
  offer.value = null;
  isInstalled.value = true;
});

export async function install(): Promise<void> {
  const prompt = offer.value;
  // A browser shows each of its offers once.
  offer.value = null;
  await prompt?.prompt();
}
