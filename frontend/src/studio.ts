// The studio's page: joins editor, autosave, shelf and the controls that Dash draws. The functions at the end are the
// clientside callbacks, named in dashboards/studio.py.

import { Autosave, type SaveState, type Words } from "./autosave.ts";
import { ApiError, call, type Lyric } from "./api.ts";
import { button, el, must } from "./dom.ts";
import * as drawers from "./drawers.ts";
import { Editor } from "./editor.ts";
import { Journal } from "./journal.ts";
import { dressWrite, isVoiceless, NO_VOICE, say, Shelf, type Settings } from "./shelf.ts";
import { label as labelTheme } from "./theme.ts";
import { arrived, currentWriter, ensureWriter, type Writer } from "./writer.ts";

/** What the server's `open` callback sends: a lyric, or nothing for a fresh sheet, or why there is none. */
interface Opened {
  writer: Writer | null;
  lyric: Lyric | null;
  error?: string;
  /** The server cannot say just now: what is open stays open. */
  is_away?: boolean;
}

class Studio {
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
  private isOpening = false;

  constructor() {
    const paper = el("div", { class: "paper", id: "paper" });
    must("sheet").replaceChildren(el("div", { class: "sheet-head" }, this.title, this.saveState), this.conflict, paper);
    this.editor = new Editor(paper, () => this.changed());
    this.journal = new Journal(localStorage, Date.now);
    this.autosave = this.autosaveOf(null);
    this.shelf = new Shelf(this.editor, {
      retry: () => must("retry").click(),
      finished: (id) => window.dash_clientside.set_props("finished", { data: { id, at: Date.now() } }),
      isGuest: () => currentWriter()?.is_guest ?? true,
    });
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
    if (this.shelf.isWriting) return;
    if (isVoiceless()) {
      tell(NO_VOICE);
      return;
    }
    if (this.editor.isBlank) {
      if (seed.trim() === "") {
        tell("Type a first line, then Write.");
        document.getElementById("seed")?.focus();
        return;
      }
      this.editor.begin(seed);
      this.editor.focus(); // the seed line goes away now
      window.dash_clientside.set_props("seed", { value: "" });
    }
    const seam = this.editor.seam();
    this.ask({ prompt: seam.prompt, lead: seam.lead, anchor: this.editor.anchor(seam.at) }, settings);
  }

  retry(settings: Settings): void {
    const last = this.shelf.lastPlace;
    if (!last || this.shelf.isWriting) return;
    if (isVoiceless()) {
      tell(NO_VOICE);
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

  /** What was asked for cannot be had now: the address goes back to what is open. */
  stay(why: string): void {
    tell(why);
    this.moveTo(this.autosave.id === null ? "/" : `/lyrics/${this.autosave.id}`);
  }

  private autosaveOf(lyric: Lyric | null): Autosave {
    return new Autosave(lyric, this.journal, (state) => this.showState(state), (id) => this.created(id));
  }

  private ask(place: { prompt: string; lead: string; anchor: { at: number } }, settings: Settings): void {
    const ready = ensureWriter()
      .then(() => this.autosave.flush())
      .then(() => this.autosave.id);
    void this.shelf.write(place, settings, ready);
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (isVoiceless()) tell(NO_VOICE);
      else if (!document.querySelector("dialog[open]")) must(event.shiftKey ? "retry" : "write").click();
    } else if (event.key === "Escape" && !drawers.closeOpen() && this.shelf.isWriting) {
      event.preventDefault();
      this.stop();
    }
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

  private dress(): void {
    document.documentElement.toggleAttribute("data-blank", this.editor.isBlank);
    const first = this.editor.text.split("\n").find((line) => line.trim() !== "");
    document.title = `${this.title.value.trim() || first?.trim().slice(0, 60) || "A fresh sheet"} · Ghost Rhymes`;
  }

  private created(id: string): void {
    this.shelf.rename(id);
    this.moveTo(`/lyrics/${id}`);
  }

  /** Dash's location follows by the same event that Back and Forward send. */
  private moveTo(path: string): void {
    if (location.pathname === path) return;
    history.replaceState(null, "", path);
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
    if (state.kind === "refused") this.showRefused(state.why, state.status);
  }

  private showRefused(why: string, status: number): void {
    const actions = el("div", { class: "notice-actions" });
    if (status === 401 || status === 403) {
      actions.append(el("a", { class: "button small", id: "save-login", href: `/login?next=${encodeURIComponent(location.pathname)}` }, "Log in"));
    }
    actions.append(button("save-again", "Try again", "button small", () => void this.autosave.flush()));
    this.conflict.replaceChildren(el("p", {}, `${why} Your words are kept in this browser.`), actions);
  }

  private showConflict({ theirs, mine }: { theirs: Lyric; mine: Words }): void {
    const settle = (title: string, text: string): void => {
      this.isOpening = true;
      this.title.value = title;
      if (text !== this.editor.text) this.editor.replace(text);
      this.isOpening = false;
      void this.autosave.settle({ title, text }, theirs);
      this.editor.focus();
    };
    const both = async (): Promise<void> => {
      try {
        await call<Lyric>("POST", "/api/v1/lyrics", { title: `${mine.title || "Untitled"} (mine)`, text: this.editor.text });
        settle(theirs.title, theirs.text);
        tell("Yours is in the library as a lyric of its own.");
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        tell(error.message);
      }
    };
    this.conflict.replaceChildren(
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
        button("keep-mine", "Keep mine", "button small", () => settle(this.title.value, this.editor.text)),
        button("take-theirs", "Take the other", "button small", () => settle(theirs.title, theirs.text)),
        button("keep-both", "Keep both", "button small", () => void both()),
      ),
    );
    say("This lyric was changed in another place. Choose what stands.");
  }
}

function tell(words: string): void {
  const note = el("div", { class: "toast", role: "status" }, words);
  const toasts = must("toasts");
  toasts.replaceChildren(note);
  toasts.popover = "manual";
  toasts.hidePopover();
  toasts.showPopover(); // anew, so that it stands above a drawer that was opened since
  window.setTimeout(() => note.remove(), TOAST_MS);
}

/** Nothing can be opened: better no sheet than an empty one that looks like the lyric. */
export function showAway(why: string): void {
  if (studio) return;
  const again = button("reload", "Try again", "button small", () => location.reload());
  must("sheet").replaceChildren(el("div", { class: "away" }, el("div", { class: "trouble", role: "alert" }, el("p", {}, why), el("div", { class: "notice-actions" }, again))));
}

const TOAST_MS = 6_000;

let studio: Studio | null = null;

function theStudio(): Studio {
  return (studio ??= new Studio());
}

type Controls = [
  voice: string | null,
  length: number | null,
  spice: number | null,
  n: number | null,
  topP: number | null,
  topK: number | null,
  penalty: number | null,
  seed: number | null,
];

function settingsOf([voice, length, spice, n, topP, topK, penalty, seed]: Controls): Settings {
  return {
    voice: voice ?? "",
    max_tokens: Number(length ?? 64),
    temperature: Number(spice ?? 0.8),
    n: Number(n ?? 1),
    top_p: Number(topP ?? 0.95),
    top_k: Number(topK ?? 0),
    repetition_penalty: Number(penalty ?? 1),
    seed: seed === null || seed === undefined ? null : Number(seed),
  };
}

function spiceWord(spice: number): string {
  if (spice < 0.05) return "predictable";
  if (spice < 0.6) return "careful";
  if (spice < 0.95) return "warm";
  if (spice < 1.3) return "hot";
  return "unhinged";
}

export const callbacks = {
  arrived(writer: Writer | null): void {
    if (writer) arrived(writer);
  },
  open(opened: Opened | null): void {
    if (!opened) return;
    if (opened.is_away) {
      if (studio) studio.stay(opened.error ?? "");
      else showAway(opened.error ?? "");
      return;
    }
    if (opened.writer) arrived(opened.writer);
    theStudio().open(opened);
  },
  write(clicks: number | null, submits: number | null, line: string | null, ...controls: Controls): void {
    if (clicks || submits) theStudio().write(settingsOf(controls), line ?? "");
  },
  retry(clicks: number | null, ...controls: Controls): void {
    if (clicks) theStudio().retry(settingsOf(controls));
  },
  stop(clicks: number | null): void {
    if (clicks) theStudio().stop();
  },
  restored(lyric: Lyric | null): void {
    if (lyric) theStudio().restored(lyric);
  },
  deleted(gone: { id: string } | null): void {
    if (gone) theStudio().deleted(gone.id);
  },
  voiceTitle(voice: string | null, options: { value: string; title: string }[] | null): string {
    const title = options?.find(({ value }) => value === voice)?.title;
    document.documentElement.toggleAttribute("data-voiceless", title === undefined);
    dressWrite();
    return title ?? NO_VOICE;
  },
  tell(notice: { message: string } | null): void {
    if (notice) tell(notice.message);
  },
  dials(length: number | null, spice: number | null, n: number | null): [string, string, string] {
    const tokens = Number(length ?? 64);
    const lines = Math.max(1, Math.round(tokens / 10));
    const heat = Number(spice ?? 0.8);
    const words: [string, string, string] = [`about ${lines} lines`, `${heat.toFixed(2)} ${spiceWord(heat)}`, Number(n ?? 1) === 1 ? "1 take" : `${n} takes`];
    ["length", "spice", "takes"].forEach((id, i) => document.getElementById(id)?.setAttribute("aria-valuetext", words[i] ?? ""));
    return words;
  },
};
