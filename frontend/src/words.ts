// The line bar under the lyric and the word panel that it opens: what rhymes with a word, and how the writer says it.

import { ApiError, call } from "./api.ts";
import { button, el } from "./dom.ts";
import type { Anchor, Editor } from "./editor.ts";
import { say } from "./notice.ts";
import { currentWriter, ensureWriter } from "./writer.ts";

interface Suggestion {
  word: string;
  num_syllables: number;
}

interface Rhymes {
  word: string;
  perfect: Suggestion[];
  near: Suggestion[];
  assonance: Suggestion[];
}

interface Pronunciation {
  word: string;
  phones: string;
  like: string | null;
}

const MARKS = "ghost:marks";
const KINDS: [keyof Omit<Rhymes, "word">, string][] = [
  ["perfect", "Perfect"],
  ["near", "Near"],
  ["assonance", "Assonance"],
];

export class Words {
  readonly element: HTMLElement;
  private readonly says = el("span", { id: "line-says", class: "line-says" });
  private readonly opener = button("words-open", "Rhymes", "button small quiet", () => this.toggle());
  private readonly marks = button("marks-toggle", "Marks", "button small quiet", () => this.showMarks(!this.hasMarks));
  private readonly query = el("input", { id: "words-query", type: "text", "aria-label": "Word to rhyme with", maxlength: "48", autocomplete: "off", autocapitalize: "none", enterkeyhint: "search" });
  private readonly found = el("div", { id: "words-found", class: "words-found" });
  private readonly like = el("input", { id: "say-like", type: "text", maxlength: "48", autocomplete: "off", autocapitalize: "none", placeholder: "fear" });
  private readonly likeLabel = el("label", { for: "say-like" });
  private readonly trouble = el("p", { id: "say-trouble", class: "field-error", role: "alert", "aria-live": "assertive" });
  private readonly own = el("ul", { id: "own-words", class: "own-words" });
  private readonly panel: HTMLElement;
  /** Where the word stands that is being rhymed with. */
  private place: Anchor | null = null;
  private turn = 0;

  constructor(
    private readonly editor: () => Editor,
    private readonly isSaid: () => void,
    steps: readonly HTMLElement[],
  ) {
    const close = button("words-close", "", "icon-button icon-close small-icon", () => this.close());
    close.setAttribute("aria-label", "Close the rhymes");
    const ask = el("form", { class: "words-ask", id: "words-ask" }, el("label", { for: "words-query" }, "Rhymes with"), this.query, close);
    const save = el("button", { id: "say-save", class: "button small" }, "Save");
    const sayIt = el("form", { class: "words-say", id: "words-say" }, this.likeLabel, this.like, save, this.trouble);
    this.panel = el("section", { id: "words", class: "words", hidden: "", "aria-label": "Rhymes and pronunciations" }, ask, this.found, sayIt, this.own);
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.setAttribute("aria-controls", "words");
    this.element = el("div", { class: "line-bar" }, this.panel, el("div", { class: "line-bar-row" }, this.says, this.opener, ...steps, this.marks));
    ask.addEventListener("submit", (event) => {
      event.preventDefault();
      this.place = null;
      void this.look(this.query.value);
    });
    sayIt.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
    this.like.addEventListener("input", () => this.forgive());
    this.showMarks(localStorage.getItem(MARKS) !== "off");
  }

  /** The cursor has moved: say what is known of its line. */
  describe(words: string): void {
    this.says.textContent = words;
    const word = this.editor().endWord()?.word;
    this.opener.textContent = word ? `Rhymes for \u201c${word}\u201d` : "Rhymes";
  }

  private get hasMarks(): boolean {
    return this.marks.getAttribute("aria-pressed") === "true";
  }

  private showMarks(isOn: boolean): void {
    this.marks.setAttribute("aria-pressed", String(isOn));
    this.marks.title = isOn ? "Hide syllables, stresses and rhymes" : "Show syllables, stresses and rhymes";
    document.documentElement.toggleAttribute("data-unmarked", !isOn);
    try {
      localStorage.setItem(MARKS, isOn ? "on" : "off");
    } catch {
      return; // remembered for this visit only
    }
  }

  /** A second press on the same word closes. */
  private toggle(): void {
    const found = this.editor().endWord();
    if (!this.panel.hidden && (!found || found.word === this.query.value)) {
      this.close();
      return;
    }
    this.panel.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
    if (this.place) this.editor().release(this.place);
    this.place = found && this.editor().anchor(found.at, found.end);
    this.query.value = found?.word ?? "";
    this.query.focus({ preventScroll: true });
    void this.look(this.query.value);
    void this.list();
  }

  private close(): void {
    this.panel.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    this.editor().focus();
  }

  private async look(word: string): Promise<void> {
    const turn = ++this.turn;
    this.likeLabel.textContent = `Say \u201c${word || "it"}\u201d like`;
    this.forgive();
    if (word.trim() === "") {
      this.found.replaceChildren(el("p", { class: "nothing" }, "Type a word."));
      return;
    }
    try {
      const rhymes = await call<Rhymes>("GET", `/api/v1/rhymes?word=${encodeURIComponent(word.trim())}`);
      if (turn === this.turn) this.show(rhymes);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn === this.turn) this.found.replaceChildren(el("p", { class: "nothing" }, error.message));
    }
  }

  private show(rhymes: Rhymes): void {
    const groups = KINDS.filter(([kind]) => rhymes[kind].length > 0).map(([kind, title]) => {
      const items = rhymes[kind].map(({ word, num_syllables: count }) => el("li", {}, this.chip(word, count, kind)));
      return el("section", { class: "words-group" }, el("h3", { id: `words-${kind}` }, title), el("ul", { "aria-labelledby": `words-${kind}` }, ...items));
    });
    this.found.replaceChildren(...(groups.length > 0 ? groups : [el("p", { class: "nothing" }, `Nothing that we know rhymes with \u201c${rhymes.word}\u201d.`)]));
    this.panel.scrollIntoView({ block: "nearest" });
    say(`${KINDS.map(([kind, title]) => `${rhymes[kind].length} ${title.toLowerCase()}`).join(", ")} for ${rhymes.word}.`);
  }

  private chip(word: string, count: number, kind: string): HTMLElement {
    const made = button(`word-${kind}-${word}`, word, "word-chip", () => this.editor().putWord(word, this.place));
    made.append(el("small", { title: `${count} ${count === 1 ? "syllable" : "syllables"}` }, String(count)));
    return made;
  }

  private async save(): Promise<void> {
    const word = this.query.value.trim();
    await this.change(async () => {
      await call("PUT", `/api/v1/pronunciations/${encodeURIComponent(word.toLowerCase())}`, { like: this.like.value.trim() });
      this.like.value = "";
      say(`Saved: for you, ${word} is said that way now.`);
    });
  }

  private async forget(word: string): Promise<void> {
    await this.change(() => call("DELETE", `/api/v1/pronunciations/${encodeURIComponent(word)}`));
  }

  /** Change how a word is said; the lyric and the rhymes are heard anew. */
  private async change(deed: () => Promise<unknown>): Promise<void> {
    this.forgive();
    try {
      await ensureWriter();
      await deed();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.complain(error.message);
      return;
    }
    this.isSaid();
    await Promise.all([this.list(), this.look(this.query.value)]);
  }

  /** Say it at the field, and bring it into sight: the panel may have scrolled. */
  private complain(message: string): void {
    this.trouble.textContent = message;
    this.like.setAttribute("aria-invalid", "true");
    this.like.setAttribute("aria-describedby", this.trouble.id);
    this.trouble.scrollIntoView({ block: "nearest" });
  }

  private forgive(): void {
    this.trouble.textContent = "";
    this.like.removeAttribute("aria-invalid");
    this.like.removeAttribute("aria-describedby");
  }

  private async list(): Promise<void> {
    if (!currentWriter()) return;
    try {
      const { pronunciations } = await call<{ pronunciations: Pronunciation[] }>("GET", "/api/v1/pronunciations");
      this.own.replaceChildren(...pronunciations.map((one) => this.ownWord(one)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the list is a courtesy
    }
  }

  private ownWord({ word, phones, like }: Pronunciation): HTMLElement {
    const away = button(`forget-${word}`, "", "icon-button icon-close small-icon", () => void this.forget(word));
    away.setAttribute("aria-label", `Say ${word} as everybody does`);
    return el("li", {}, el("span", { title: phones }, el("b", {}, word), like ? ` like ${like}` : ` ${phones}`), away);
  }
}
