// Which voice writes, and how long it took to be there: a line under the title.

import { el } from "./dom.ts";

const loads = new Map<string, number>();
let current = "";

/** The line itself, to be put where it is wanted. */
export const voiceLine = (): HTMLElement => el("p", { id: "voice-line", class: "voice-line" }, words());

/** Another voice is chosen; "" when there is none. */
export function choose(title: string): void {
  current = title;
  dress();
}

/** The voice that writes was loaded in so many milliseconds; 0 when it was in memory. */
export function loaded(ms: number): void {
  if (ms > 0 || !loads.has(current)) loads.set(current, ms);
  dress();
}

function words(): string {
  const ms = loads.get(current);
  if (current === "" || ms === undefined) return current;
  return ms > 0 ? `${current}, loaded in ${ms.toLocaleString("en")} ms` : `${current}, in memory`;
}

function dress(): void {
  const line = document.getElementById("voice-line");
  if (line) line.textContent = words();
}
