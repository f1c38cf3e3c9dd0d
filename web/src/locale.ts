/** The language in which dates and numbers are written: that of the browser, or one that the person has chosen in this browser. */
import { signal } from "@preact/signals";

const KEY = "gateway.locale";

/** What the settings offer, besides the browser's own. */
export const LOCALES = [
  "ar",
  "cs",
  "da",
  "de-AT",
  "de-CH",
  "de-DE",
  "en-AU",
  "en-CA",
  "en-GB",
  "en-IN",
  "en-US",
  "es-ES",
  "es-MX",
  "fi",
  "fr-CA",
  "fr-FR",
  "he",
  "hi-IN",
  "id",
  "it-IT",
  "ja",
  "ko",
  "nb",
  "nl",
  "pl",
  "pt-BR",
  "pt-PT",
  "ro",
  "ru",
  "sv",
  "tr",
  "uk",
  "vi",
  "zh-CN",
  "zh-TW",
] as const;

const isOffered = (value: string | null): value is (typeof LOCALES)[number] => LOCALES.some((one) => one === value);

function readStored(): string | null {
  // The pure functions that format also run where there is no browser.
  if (typeof localStorage === "undefined") return null;
  const stored = localStorage.getItem(KEY);
  return isOffered(stored) ? stored : null;
}

/** Null: as the browser. */
export const chosenLocale = signal<string | null>(readStored());

/** For `toLocaleString` and its like. */
export const locale = (): string | undefined => chosenLocale.value ?? undefined;

export function chooseLocale(value: string): void {
  chosenLocale.value = isOffered(value) ? value : null;
  if (chosenLocale.value === null) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, chosenLocale.value);
}

/** "Deutsch (Österreich)". Pure but for the names that the browser knows. */
export function localeName(tag: string): string {
  const name = new Intl.DisplayNames([tag], { type: "language" }).of(tag) ?? tag;
  return name.charAt(0).toLocaleUpperCase(tag) + name.slice(1);
}
