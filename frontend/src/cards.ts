// A session of cards: one line of a voice at a time, kept or rejected by button, arrow key or swipe. The cards are
// generations like any other; which were dealt, and what was said of them, is remembered across a reload of this tab.

import { ApiError, call, type Complaint, type GenerationView } from "./api.ts";
import { button, el } from "./dom.ts";
import { firstLine } from "./seam.ts";
import { onSwipe } from "./swipe.ts";

export interface Dealing {
  /** The voice. */
  id: string;
  num: number;
}

interface Card {
  generation_id: string;
  prompt: string;
  /** The line as the voice wrote it; null until it has. */
  line: string | null;
  verdict: Verdict | null;
  feedback_id: string | null;
}

type Verdict = "kept" | "rejected";

interface Said {
  id: string;
  words: string;
}

const POLL_MS = 250;
const MEMORY = "ghost:cards:";
const KEYS: Record<string, string> = { ArrowLeft: "card-reject", ArrowRight: "card-keep", ArrowUp: "card-undo", u: "card-undo", e: "card-edit" };

/** The page of a voice's cards is shown. */
export function open(dealing: Dealing | null): void {
  const room = document.getElementById("cards");
  if (!dealing || !room) return;
  new Session(room, dealing).begin();
}

export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (!document.getElementById("card") || event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.target as Element).closest("input, textarea, select, dialog, summary")) return;
    const pressed = KEYS[event.key];
    if (pressed === undefined) return;
    event.preventDefault();
    document.getElementById(pressed)?.click();
  });
}

class Session {
  private cards: Card[];
  private at = 0;
  private words = "";
  private isBusy = false;

  constructor(
    private readonly room: HTMLElement,
    private readonly dealing: Dealing,
  ) {
    this.cards = this.recall();
    this.at = this.cards.findIndex((card) => card.verdict === null);
  }

  begin(): void {
    if (this.cards.length === 0) this.offer();
    else this.show();
  }

  /** Nothing was dealt yet. */
  private offer(why = ""): void {
    const deal = button("card-deal", `Deal ${this.dealing.num} lines`, "button primary", () => void this.deal());
    this.room.replaceChildren(...trouble(why), el("div", { class: "actions" }, deal));
  }

  private async deal(): Promise<void> {
    this.room.replaceChildren(el("p", { class: "hint", role: "status" }, "The voice is asked for its lines\u2026"));
    try {
      const { cards } = await call<{ cards: Pick<Card, "generation_id" | "prompt">[] }>("POST", "/api/v1/cards", { voice: this.dealing.id, num: this.dealing.num });
      this.cards = cards.map((card) => ({ ...card, line: null, verdict: null, feedback_id: null }));
      this.at = 0;
      this.words = "";
      this.remember();
      this.show();
    } catch (error) {
      this.offer(words(error));
    }
  }

  /** The card that is next, or what the session came to. */
  private show(): void {
    const card = this.cards[this.at];
    if (!card) {
      this.finish();
      return;
    }
    if (card.line === null) {
      this.room.replaceChildren(this.progress(), el("article", { class: "verse waiting", "aria-busy": "true" }, prompt(card), el("p", { class: "card-line" }, "\u2026")));
      void this.wait(card);
      return;
    }
    this.draw(card, card.line);
  }

  /** A line that stayed empty, or broke off, is no card. */
  private async wait(card: Card): Promise<void> {
    while (card.line === null) {
      try {
        const { state, takes } = await call<GenerationView>("GET", `/api/v1/generations/${card.generation_id}`);
        if (state === "queued" || state === "running") await new Promise((resume) => window.setTimeout(resume, POLL_MS));
        else card.line = firstLine(takes[0]?.text ?? "");
      } catch (error) {
        if (error instanceof ApiError && error.isPassing) await new Promise((resume) => window.setTimeout(resume, 4 * POLL_MS));
        else card.line = "";
      }
      if (!this.room.isConnected) return;
    }
    if (card.line === "") this.cards = this.cards.filter((other) => other !== card);
    this.remember();
    this.show();
  }

  private draw(card: Card, text: string): void {
    const line = el("p", { class: "card-line" }, text);
    const edit = el("input", { id: "card-words", class: "card-words", type: "text", "aria-label": "The line, as you would sing it", maxlength: "400", autocomplete: "off" });
    edit.value = text;
    edit.hidden = true;
    edit.addEventListener("keydown", (event) => {
      if (event.key === "Enter") keep.click();
      if (event.key !== "Escape") return;
      event.stopPropagation();
      edit.value = text;
      turn(false);
    });
    const turn = (isOpen: boolean): void => {
      edit.hidden = !isOpen;
      line.hidden = isOpen;
      if (isOpen) edit.focus();
      else keep.focus();
    };
    const keep = deed("card-keep", "Keep", "\u2192", "primary", () => void this.say(card, "kept", edit.value));
    const deeds = el(
      "div",
      { class: "card-deeds" },
      deed("card-reject", "Reject", "\u2190", "", () => void this.say(card, "rejected", null)),
      deed("card-undo", "Undo", "U", "quiet", () => void this.undo()),
      deed("card-edit", "Edit", "E", "quiet", () => turn(Boolean(edit.hidden))),
      keep,
    );
    const face = el("article", { id: "card", class: "verse", "aria-label": `Card ${this.at + 1} of ${this.cards.length}` }, prompt(card), line, edit);
    onSwipe(face, (way) => document.getElementById(way === "right" ? "card-keep" : "card-reject")?.click());
    const hadFocus = this.room.contains(document.activeElement);
    this.room.replaceChildren(this.progress(), face, deeds, el("p", { class: "hint card-note", role: "status" }, this.words));
    (deeds.querySelector("#card-undo") as HTMLButtonElement).disabled = !this.cards.slice(0, this.at).some((done) => done.feedback_id);
    if (hadFocus) keep.focus({ preventScroll: true });
    const next = this.cards[this.at + 1];
    if (next?.line === null) void this.peek(next);
  }

  /** The next line is asked for while this one is read. */
  private async peek(card: Card): Promise<void> {
    const found = await call<GenerationView>("GET", `/api/v1/generations/${card.generation_id}`).catch(() => null);
    const text = found && found.state === "done" ? firstLine(found.takes[0]?.text ?? "") : "";
    if (text !== "") card.line ??= text; // an empty one is left to `wait`, which drops the card when it is its turn
  }

  private async say(card: Card, verdict: Verdict, text: string | null): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      const edited = verdict === "kept" && text !== null && text.trim() !== "" && text.trim() !== card.line ? { text: text.trim() } : {};
      const said = await call<Said>("POST", "/api/v1/feedback", { generation_id: card.generation_id, take: 0, line: 1, verdict, ...edited });
      Object.assign(card, { verdict, feedback_id: said.id, ...(edited.text ? { line: edited.text } : {}) });
      this.at += 1;
      this.tell(said.words);
      this.show();
    } catch (error) {
      this.complain(error);
    } finally {
      this.isBusy = false;
    }
  }

  private async undo(): Promise<void> {
    const last = this.cards[this.at - 1];
    if (this.isBusy || !last?.feedback_id) return;
    this.isBusy = true;
    try {
      const { words: now } = await call<Said>("DELETE", `/api/v1/feedback/${last.feedback_id}`);
      Object.assign(last, { verdict: null, feedback_id: null });
      this.at -= 1;
      this.tell(now);
      this.show();
    } catch (error) {
      this.complain(error);
    } finally {
      this.isBusy = false;
    }
  }

  private finish(): void {
    const count = (verdict: Verdict): number => this.cards.filter((card) => card.verdict === verdict).length;
    const told = this.cards.length === 0 ? "The voice had nothing to add to any of these beginnings." : `${count("kept")} kept, ${count("rejected")} rejected of ${this.cards.length}.`;
    const again = button("card-again", `Another ${this.dealing.num}`, "button", () => void this.deal());
    const back = deed("card-undo", "Undo", "U", "quiet", () => void this.undo());
    back.disabled = !this.cards.at(-1)?.feedback_id;
    const hadFocus = this.room.contains(document.activeElement);
    const end = el("article", { id: "card", class: "verse done" }, el("p", { class: "card-line", id: "card-result" }, told), el("p", { class: "hint" }, this.words));
    this.room.replaceChildren(this.progress(), end, el("div", { class: "card-deeds" }, back, again));
    this.at = this.cards.length;
    if (hadFocus) again.focus({ preventScroll: true });
  }

  private progress(): HTMLElement {
    const num = this.cards.length;
    const done = Math.min(this.at < 0 ? num : this.at, num);
    const bar = el("div", { class: "card-progress", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": String(num), "aria-valuenow": String(done), "aria-label": `${done} of ${num} cards` });
    for (const [i, card] of this.cards.entries()) bar.append(el("i", { class: i === done ? "now" : (card.verdict ?? "") }));
    return bar;
  }

  /** Something was noted: it is remembered, and what else on the page counts kept lines counts again. */
  private tell(now: string): void {
    this.words = now ? `${now}.` : "";
    this.remember();
    window.dash_clientside.set_props("improve-counted", { data: Date.now() });
    window.dash_clientside.set_props("finished", { data: { id: null, at: Date.now() } });
  }

  private complain(error: unknown): void {
    const note = this.room.querySelector(".card-note");
    if (note) note.replaceChildren(...trouble(words(error)));
  }

  private remember(): void {
    try {
      sessionStorage.setItem(MEMORY + this.dealing.id, JSON.stringify(this.cards));
    } catch {
      return; // a full or closed store only costs the rest of this session after a reload
    }
  }

  private recall(): Card[] {
    try {
      const cards = JSON.parse(sessionStorage.getItem(MEMORY + this.dealing.id) ?? "[]") as Card[];
      return cards.some((card) => card.verdict === null) ? cards : [];
    } catch {
      return [];
    }
  }
}

function prompt(card: Card): HTMLElement {
  return el("p", { class: "card-prompt" }, card.prompt);
}

/** A button and the key that presses it. */
export function deed(id: string, label: string, key: string, look: string, press: () => void): HTMLButtonElement {
  const made = button(id, label, `button ${look}`.trim(), press);
  made.append(el("kbd", { "aria-hidden": "true" }, key));
  return made;
}

/** Why something did not happen, in the words of whoever refused it. */
export function words(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  throw error;
}

export function trouble(why: Complaint["message"]): HTMLElement[] {
  return why === "" ? [] : [el("p", { class: "refusal", role: "alert" }, why)];
}
