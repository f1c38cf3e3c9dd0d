import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "gateway.theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

const stored = document.documentElement.dataset["theme"];

export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

/** System, then light, then dark, and round again. The choice stays in this browser. */
export const nextTheme = (): void => chooseTheme(NEXT[theme.value]);

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  if (theme.value === "system") {
    delete document.documentElement.dataset["theme"];
    localStorage.removeItem(KEY);
  } else {
    document.documentElement.dataset["theme"] = theme.value;
    localStorage.setItem(KEY, theme.value);
  }
}
