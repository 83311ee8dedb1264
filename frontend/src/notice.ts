// Short words to the writer: seen for a moment, or heard.

import { el, must } from "./dom.ts";

const TOAST_MS = 6_000;

/** A note that goes away by itself. */
export function tell(words: string): void {
  const note = el("div", { class: "toast", role: "status" }, words);
  const toasts = must("toasts");
  toasts.replaceChildren(note);
  toasts.popover = "manual";
  toasts.hidePopover();
  toasts.showPopover(); // anew, so that it stands above a drawer that was opened since
  window.setTimeout(() => note.remove(), TOAST_MS);
}

/** One sentence for those who listen instead of looking. */
export function say(words: string): void {
  must("status").replaceChildren(el("span", {}, words));
}
