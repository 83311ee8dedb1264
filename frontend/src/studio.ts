// The studio: joins editor, autosave, shelf and the controls that Dash draws. Knows nothing of Dash's callbacks.

import { Autosave, type SaveState, type Words } from "./autosave.ts";
import { ApiError, call, type DeedKind, type Lyric } from "./api.ts";
import { conflicting, refused } from "./conflict.ts";
import { el, must } from "./dom.ts";
import * as drawers from "./drawers.ts";
import { Editor } from "./editor.ts";
import { Journal } from "./journal.ts";
import type { HeardLine } from "./marks.ts";
import { tell } from "./notice.ts";
import { FormPanel } from "./panel.ts";
import { isAway } from "./rooms.ts";
import { dressWrite, isVoiceless, NO_VOICE, Shelf, type Settings } from "./shelf.ts";
import type { Batch, Place } from "./takes.ts";
import { Steps } from "./steps.ts";
import { label as labelTheme } from "./theme.ts";
import { voiceLine } from "./voice.ts";
import { Words as WordPanel } from "./words.ts";
import { currentWriter, ensureWriter, type Writer } from "./writer.ts";

/** What the server's `open` callback sends: a lyric, or nothing for a fresh sheet, or why there is none. */
export interface Opened {
  writer: Writer | null;
  lyric: Lyric | null;
  error?: string;
  /** The server cannot say just now: what is open stays open. */
  is_away?: boolean;
}

export class Studio {
  private readonly title = el("input", {
    id: "title",
    class: "title",
    type: "text",
    placeholder: "Untitled",
    "aria-label": "Title",
    maxlength: "200",
    autocomplete: "off",
    enterkeyhint: "next",
  });
  private readonly saveState = el("span", { id: "save-state", class: "save-state", role: "status" });
  private readonly conflict = el("div", { id: "conflict", class: "conflict", hidden: "" });
  private readonly editor: Editor;
  private autosave: Autosave;
  private readonly shelf: Shelf;
  private readonly journal: Journal;
  private readonly panel: FormPanel;
  private readonly steps = new Steps(() => this.editor);
  private readonly words = new WordPanel(() => this.editor, () => this.editor.listenAgain(), this.steps.elements);
  private isOpening = false;

  constructor() {
    const paper = el("div", { class: "paper", id: "paper" });
    must("sheet").replaceChildren(el("div", { class: "sheet-head" }, this.title, this.saveState), voiceLine(), this.conflict, paper, this.words.element);
    this.editor = new Editor(paper, { changed: () => this.changed(), moved: (words) => this.words.describe(words), listen });
    this.journal = new Journal(localStorage, Date.now);
    this.autosave = this.autosaveOf(null);
    this.shelf = new Shelf(this.editor, {
      retry: () => must("retry").click(),
      useForm: (form) => this.panel.use(form),
      finished: (id) => window.dash_clientside.set_props("finished", { data: { id, at: Date.now() } }),
      isGuest: () => currentWriter()?.is_guest ?? true,
    });
    this.panel = new FormPanel(dressWrite);
    this.title.addEventListener("input", () => this.changed());
    this.title.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.editor.focus();
    });
    document.addEventListener("keydown", (event) => this.key(event));
    paper.addEventListener("mousedown", (event) => {
      if (event.target === paper) window.setTimeout(() => this.editor.focus());
    });
    const toggle = document.getElementById("theme-toggle");
    if (toggle) labelTheme(toggle);
  }

  get text(): string {
    return this.editor.text;
  }

  open(opened: Opened): void {
    if (opened.error !== undefined) {
      tell(opened.error);
      if (!opened.lyric) this.moveTo("/");
    }
    const isSame = opened.lyric !== null && opened.lyric.id === this.autosave.id;
    if (isSame) return; // the address only caught up with what is open already
    this.autosave.retire();
    this.autosave = this.autosaveOf(opened.lyric);
    const words = this.autosave.begin();
    this.show(words.title, words.text);

    if (!opened.lyric) this.adoptOrphan();
    this.shelf.open(this.autosave.openName);
    this.panel.open(this.autosave.openName);
    if (this.editor.isBlank) document.getElementById("seed")?.focus();
    else this.editor.focus();
  }

  /** A version was restored: one step that Ctrl-Z takes back. */
  restored(lyric: Lyric): void {
    if (lyric.id !== this.autosave.id) return;
    this.autosave.acknowledge(lyric);
    this.isOpening = true;
    this.title.value = lyric.title;
    this.editor.replace(lyric.text);
    this.isOpening = false;
    this.dress();
    document.querySelector<HTMLDialogElement>("dialog[open]")?.close();
    this.editor.focus(); // after the drawer, which gives the focus back to its opener
    tell("Restored. Ctrl-Z takes it back.");
  }

  /** A lyric was deleted: if it is the open one, a fresh sheet takes its place, and nothing saves it back. */
  deleted(id: string): void {
    if (id !== this.autosave.id) return;
    this.autosave.abandon();
    this.autosave = this.autosaveOf(null);
    this.autosave.begin();
    this.show("", "");
    this.moveTo("/");
  }

  write(settings: Settings, seed: string): void {
    if (this.panel.form) {
      this.deed("next_line", settings, seed);
      return;
    }
    if (this.isBusy() || !this.hasBegun(seed)) return;
    const { at, prompt, lead } = this.editor.seam();
    this.ask({ prompt, lead, anchor: this.editor.anchor(at), order: null }, settings);
  }

  /** Write to the form: one line or a stanza, at the cursor. */
  deed(kind: DeedKind, settings: Settings, seed: string): void {
    const { form } = this.panel;
    if (!form || this.isBusy()) return;
    const isFromNothing = kind === "verse" && seed.trim() === "";
    if (!isFromNothing && !this.hasBegun(seed)) return;
    const order = { form, deed: { kind, line: this.editor.line }, placed: null, bookmark: this.editor.bookmark() };
    const { at, lead } = this.editor.seam();
    this.ask({ prompt: this.editor.text, lead, anchor: this.editor.anchor(at), order }, settings);
  }

  retry(settings: Settings): void {
    const last = this.shelf.lastPlace;
    if (!last || this.isBusy()) return;
    if (last.order) {
      last.order.form = this.panel.form ?? last.order.form;
      const batch = this.shelf.renewable;
      this.ask(batch ? batch.place : { ...last, anchor: this.editor.anchor(last.anchor.at, last.anchor.end) }, settings, batch);
      return;
    }
    // A fixed seed would write the same words again.
    const seed = settings.seed === null ? null : settings.seed + settings.n;
    this.ask({ ...last, anchor: this.editor.anchor(last.anchor.at) }, { ...settings, seed });
    if (seed !== null) window.dash_clientside.set_props("sampling-seed", { value: seed });
  }

  stop(): void {
    void this.shelf.stop();
  }

  /** Whether nothing can be asked for now; says why, where the page does not show it. */
  private isBusy(): boolean {
    if (isVoiceless()) tell(NO_VOICE);
    return isVoiceless() || this.shelf.isWriting;
  }

  /** Whether there are words to go on from; the seed line's become the first. */
  private hasBegun(seed: string): boolean {
    if (!this.editor.isBlank) return true;
    if (seed.trim() === "") {
      tell("Type a first line, then Write.");
      document.getElementById("seed")?.focus();
      return false;
    }
    this.editor.begin(seed);
    this.editor.focus(); // the seed line goes away now
    window.dash_clientside.set_props("seed", { value: "" });
    return true;
  }

  /** What was asked for cannot be had now: the address goes back to what is open. */
  stay(why: string): void {
    tell(why);
    this.moveTo(this.autosave.id === null ? "/" : `/lyrics/${this.autosave.id}`);
  }

  private autosaveOf(lyric: Lyric | null): Autosave {
    return new Autosave(lyric, this.journal, (state) => this.showState(state), (id) => this.created(id));
  }

  private ask(place: Place, settings: Settings, again: Batch | null = null): void {
    const ready = ensureWriter()
      .then(() => this.autosave.flush())
      .then(() => this.autosave.id);
    void this.shelf.write(place, settings, ready, again);
  }

  private key(event: KeyboardEvent): void {
    if (isAway()) return;
    const pressed = event.key === "Enter" ? this.buttonOf(event) : null;
    if (pressed) {
      event.preventDefault();
      if (isVoiceless()) tell(NO_VOICE);
      else if (!document.querySelector("dialog[open]")) must(pressed).click();
    } else if (event.key === "Escape" && !drawers.closeOpen() && this.shelf.isWriting) {
      event.preventDefault();
      this.stop();
    }
  }

  /** What Enter presses when it comes with other keys. */
  private buttonOf({ ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent): string | null {
    const hasForm = this.panel.form !== null;
    if (ctrlKey || metaKey) return altKey && hasForm ? "verse" : shiftKey ? "retry" : hasForm ? "next-line" : "write";
    return altKey && hasForm ? (shiftKey ? "fill" : "rewrite") : null;
  }

  private show(title: string, text: string): void {
    this.isOpening = true;
    this.title.value = title;
    this.editor.show(text);
    this.isOpening = false;
    this.dress();
  }

  private changed(): void {
    this.dress();
    this.shelf.markKept();
    if (!this.isOpening) this.autosave.change({ title: this.title.value, text: this.editor.text });
  }

  /** The name of the page, after the lyric that is open, and what can be undone. */
  dress(): void {
    this.steps.dress();
    document.documentElement.toggleAttribute("data-blank", this.editor.isBlank);
    const first = this.editor.text.split("\n").find((line) => line.trim() !== "");
    document.title = `${this.title.value.trim() || first?.trim().slice(0, 60) || "A fresh sheet"} · Ghost Rhymes`;
  }

  private created(id: string): void {
    this.shelf.rename(id);
    this.panel.rename(id);
    this.moveTo(`/lyrics/${id}`);
  }

  /** Dash's location follows by the same event that Back and Forward send. */
  private moveTo(path: string): void {
    if (location.pathname === path || isAway()) return;
    history.replaceState(null, "", path + location.search); // which may name a voice
    window.dispatchEvent(new PopStateEvent("popstate"));
  }

  private adoptOrphan(): void {
    const orphan = this.journal.orphan(currentWriter()?.id ?? "");
    if (!orphan) return;
    this.show(orphan.entry.title, orphan.entry.text);
    this.autosave.adopt(orphan.name, orphan.entry);
    tell("These words had not reached the studio yet. Here they are again.");
  }

  private showState(state: SaveState): void {
    const words = { blank: "", saved: "Saved", saving: "Saving", offline: "Offline: kept in this browser", refused: "Not saved", conflict: "Changed elsewhere" };
    this.saveState.dataset["state"] = state.kind;
    this.saveState.textContent = words[state.kind];
    this.saveState.title = state.kind === "offline" || state.kind === "refused" ? state.why : "";
    this.conflict.hidden = state.kind !== "conflict" && state.kind !== "refused";
    if (state.kind === "conflict") this.showConflict(state);
    if (state.kind === "refused") this.conflict.replaceChildren(...refused(state.why, state.status, () => void this.autosave.flush()));
  }

  private showConflict({ theirs, mine }: { theirs: Lyric; mine: Words }): void {
    const now = (): Words => ({ title: this.title.value, text: this.editor.text });
    const settle = ({ title, text }: Words): void => {
      this.isOpening = true;
      this.title.value = title;
      if (text !== this.editor.text) this.editor.replace(text);
      this.isOpening = false;
      void this.autosave.settle({ title, text }, theirs);
      this.editor.focus();
    };
    this.conflict.replaceChildren(...conflicting(theirs, mine, now, settle));
  }
}

/** How a text sounds; what cannot be heard now stays as it was. */
async function listen(text: string): Promise<HeardLine[] | null> {
  if (text.length > MAX_HEARD_CHARS) return [];
  try {
    return (await call<{ lines: HeardLine[] }>("POST", "/api/v1/readings", { text })).lines;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

const MAX_HEARD_CHARS = 20_000;
