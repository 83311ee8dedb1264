// Light, dark, or as the system likes it. Remembered in a cookie, so that the server can dress the very first paint.

type Theme = "auto" | "light" | "dark";

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const WORDS: Record<Theme, string> = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

export function currentTheme(): Theme {
  const set = document.documentElement.dataset["theme"];
  return set === "light" || set === "dark" ? set : "auto";
}

export function label(toggle: HTMLElement): void {
  toggle.title = WORDS[currentTheme()];
  toggle.setAttribute("aria-label", WORDS[currentTheme()]);
}

/** Any element with the id `theme-toggle`, now or later on the page, turns the theme. */
export function listen(): void {
  document.addEventListener("click", (event) => {
    const toggle = (event.target as Element).closest<HTMLElement>("#theme-toggle");
    if (!toggle) return;
    const theme = NEXT[currentTheme()];
    document.documentElement.dataset["theme"] = theme;
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
    label(toggle);
  });
}
