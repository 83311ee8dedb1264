// What stands over the sheet when its words could not be saved: a refusal, or two texts to choose from.

import { ApiError, call, type Lyric } from "./api.ts";
import type { Words } from "./autosave.ts";
import { button, el } from "./dom.ts";
import { say, tell } from "./notice.ts";

/** Why the server would not have the words, and the ways on. */
export function refused(why: string, status: number, again: () => void): HTMLElement[] {
  const actions = el("div", { class: "notice-actions" });
  if (status === 401 || status === 403) {
    actions.append(el("a", { class: "button small", id: "save-login", href: `/login?next=${encodeURIComponent(location.pathname)}` }, "Log in"));
  }
  actions.append(button("save-again", "Try again", "button small", again));
  return [el("p", {}, `${why} Your words are kept in this browser.`), actions];
}

/** Both texts, and a button for each way to settle. `now` says what stands in the editor at that moment. */
export function conflicting(theirs: Lyric, mine: Words, now: () => Words, settle: (words: Words) => void): HTMLElement[] {
  const both = async (): Promise<void> => {
    try {
      await call<Lyric>("POST", "/api/v1/lyrics", { title: `${mine.title || "Untitled"} (mine)`, text: now().text });
      settle(theirs);
      tell("Yours is in the library as a lyric of its own.");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      tell(error.message);
    }
  };
  say("This lyric was changed in another place. Choose what stands.");
  return [
    el("p", {}, "This lyric was changed in another place. Nothing was overwritten: choose what stands."),
    el(
      "div",
      { class: "conflict-sides" },
      el("section", {}, el("h3", {}, "Yours, here"), el("pre", {}, mine.text || "(empty)")),
      el("section", {}, el("h3", {}, "The other"), el("pre", {}, theirs.text || "(empty)")),
    ),
    el(
      "div",
      { class: "notice-actions" },
      button("keep-mine", "Keep mine", "button small", () => settle(now())),
      button("take-theirs", "Take the other", "button small", () => settle(theirs)),
      button("keep-both", "Keep both", "button small", () => void both()),
    ),
  ];
}
