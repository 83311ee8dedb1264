// The editor: CodeMirror as a sheet of paper. Knows text, the cursor and anchors that move with the text; no network.

import { defaultKeymap, history, historyKeymap, invertedEffects, isolateHistory, redo, redoDepth, undo, undoDepth } from "@codemirror/commands";
import { ChangeSet, EditorState, StateEffect, StateField, Transaction, type Extension, type Range } from "@codemirror/state";
import { Decoration, EditorView, drawSelection, keymap, placeholder, type DecorationSet } from "@codemirror/view";

import { marks, type Listen } from "./marks.ts";
import { fitted, joined, seamAt, type Seam, type Slot } from "./seam.ts";

const glow = StateEffect.define<{ from: number; to: number } | null>();

/** The words that were kept last are lit for a moment, so the eye finds where they went. */
const lit = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let next = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(glow)) continue;
      next = effect.value ? Decoration.set([Decoration.mark({ class: "kept-words" }).range(effect.value.from, effect.value.to)]) : Decoration.none;
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const keepsake = StateEffect.define<Range<Decoration>>({
  map: (range, changes) => range.value.range(changes.mapPos(range.from), changes.mapPos(range.to)),
});

/** Where the words of each kept take stand. They go with their words, and come back when the history brings those. */
const keepsakes = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (marks, transaction) => {
    const add = transaction.effects.filter((effect) => effect.is(keepsake)).map(({ value }) => value);
    return marks.map(transaction.changes).update({ add: add.filter(({ from, to }) => from < to), sort: true });
  },
  provide: (field) => invertedEffects.of((transaction) => vanishing(transaction.startState.field(field), transaction)),
});

function vanishing(marks: DecorationSet, { changes }: Transaction): StateEffect<Range<Decoration>>[] {
  const gone: StateEffect<Range<Decoration>>[] = [];
  for (const mark = marks.iter(); mark.value; mark.next()) {
    if (changes.mapPos(mark.from, 1) >= changes.mapPos(mark.to, -1)) gone.push(keepsake.of(mark.value.range(mark.from, mark.to)));
  }
  return gone;
}

const GLOW_MS = 2_400;

/** A part of the text that stays what it is while the text around it changes; often empty: a mere place. */
export type Anchor = Slot;

/** The text as it was at one moment, and a way from its offsets to where they are now. */
export interface Bookmark {
  readonly text: string;
  changes: ChangeSet;
}

/** A word of the text. */
export interface FoundWord extends Slot {
  word: string;
}

const WORD = /[\p{L}\p{M}\p{N}]+(?:['\u2019][\p{L}\p{M}]+)*['\u2019]?/gu;

/** What the editor tells of. */
export interface Listeners {
  changed(text: string): void;
  /** The cursor stands on another line or word, or what is known of its line has changed; in words, or "". */
  moved(described: string): void;
  listen: Listen;
}

export class Editor {
  private readonly view: EditorView;
  private readonly anchors = new Set<Anchor>();
  private readonly bookmarks = new Set<Bookmark>();
  private readonly marks: ReturnType<typeof marks>;
  private glowTimer: number | undefined;

  constructor(
    parent: HTMLElement,
    private readonly listeners: Listeners,
  ) {
    this.marks = marks(listeners.listen, listeners.moved);
    this.view = new EditorView({ parent, state: this.fresh("") });
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  get isBlank(): boolean {
    return this.text.trim() === "";
  }

  /** Show another text; what came before cannot be undone into it. The cursor stands at its end. */
  show(text: string): void {
    this.anchors.clear();
    this.bookmarks.clear();
    this.view.setState(this.fresh(text));
  }

  /** Replace the whole text as one step that Ctrl-Z takes back. */
  replace(text: string): void {
    this.insert(0, this.view.state.doc.length, text);
  }

  /** Put the first line into an empty text, with the line break that ends it. */
  begin(line: string): void {
    this.insert(0, this.view.state.doc.length, `${line.trim()}\n`);
  }

  /** How many steps of the history can be taken back, and how many again. */
  get numSteps(): { undo: number; redo: number } {
    return { undo: undoDepth(this.view.state), redo: redoDepth(this.view.state) };
  }

  /** Take one step of the history, as Ctrl-Z and Ctrl-Shift-Z do. */
  step(way: "undo" | "redo"): void {
    (way === "undo" ? undo : redo)(this.view);
  }

  seam(): Seam {
    return seamAt(this.text, this.view.state.selection.main.head);
  }

  /** The number of the line that holds the cursor, from 1. */
  get line(): number {
    return this.view.state.doc.lineAt(this.view.state.selection.main.head).number;
  }

  anchor(at: number, end = at): Anchor {
    const anchor = { at, end };
    this.anchors.add(anchor);
    return anchor;
  }

  bookmark(): Bookmark {
    const bookmark = { text: this.text, changes: ChangeSet.empty(this.view.state.doc.length) };
    this.bookmarks.add(bookmark);
    return bookmark;
  }

  /** Move an anchor to a slot of the bookmarked text; the bookmark is spent. */
  settle(anchor: Anchor, bookmark: Bookmark, slot: Slot): void {
    this.bookmarks.delete(bookmark);
    anchor.at = bookmark.changes.mapPos(slot.at, 1);
    anchor.end = Math.max(anchor.at, bookmark.changes.mapPos(slot.end, slot.at === slot.end ? 1 : -1));
  }

  /** Have the text listened to again: somebody says a word in another way now. */
  listenAgain(): void {
    this.marks.again(this.view);
  }

  /** The end word of the cursor's line; on a line without words, of the nearest line above that has some. */
  endWord(): FoundWord | null {
    const { doc, selection } = this.view.state;
    for (let number = doc.lineAt(selection.main.head).number; number > 0; number--) {
      const line = doc.line(number);
      const last = [...line.text.matchAll(WORD)].at(-1);
      if (!last) continue;
      const at = line.from + last.index;
      return { word: last[0], at, end: at + last[0].length };
    }
    return null;
  }

  /** Put a word in the place of another when the cursor stands on its line, else at the cursor. One step of the history. */
  putWord(word: string, instead: Anchor | null): void {
    const { doc, selection } = this.view.state;
    const line = doc.lineAt(selection.main.head);
    if (instead && instead.at < instead.end && line.from <= instead.at && instead.end <= line.to) {
      this.insert(instead.at, instead.end, word);
    } else {
      const { from, to } = selection.main;
      const isAfterWord = /[^\s("\u201c-]$/.test(doc.sliceString(line.from, from));
      this.insert(from, to, isAfterWord ? ` ${word}` : word);
    }
    this.view.focus();
  }

  release(anchor: Anchor): void {
    this.anchors.delete(anchor);
  }

  /** Whether words of the take of this name stand in the text. */
  hasKept(name: string): boolean {
    for (const mark = this.view.state.field(keepsakes).iter(); mark.value; mark.next()) {
      if (mark.value.spec["take"] === name) return true;
    }
    return false;
  }

  /** The words of the take of this name as they stand in the text; null when none do. */
  kept(name: string): string | null {
    const found: string[] = [];
    for (const mark = this.view.state.field(keepsakes).iter(); mark.value; mark.next()) {
      if (mark.value.spec["take"] === name) found.push(this.view.state.doc.sliceString(mark.from, mark.to));
    }
    return found.at(-1)?.trim() || null;
  }

  /** Put a take into the text at its anchor: one step of the history, the cursor behind it. */
  keep(anchor: Anchor, take: string, lead: string, name: string): void {
    const text = this.text;
    const at = Math.min(anchor.at, text.length);
    const insert = joined(text.slice(0, at), take, text.slice(at), lead);
    const from = at + insert.length - insert.trimStart().length;
    const to = at + insert.trimEnd().length;
    this.insert(at, at, insert, from < to ? [keepsake.of(Decoration.mark({ take: name }).range(from, to))] : []);
    this.view.focus();
    this.light(from, to);
  }

  /**
   * Put lines that were written to a form into their slot: one step of the history. Where lines of the same batch
   * stand already, these take their place.
   */
  keepLines(slot: Anchor, body: string, name: string, isStanza: boolean): void {
    const { at, end } = this.standing(name.split("-")[0] ?? "") ?? slot;
    const text = this.text;
    const insert = fitted(text.slice(0, at), body, text.slice(end), isStanza);
    const from = at + insert.indexOf(body);
    const to = from + body.length;
    this.insert(at, end, insert, [keepsake.of(Decoration.mark({ take: name }).range(from, to))], to);
    this.view.focus();
    this.light(from, to);
  }

  /** The whole lines where words of a batch stand. */
  private standing(batch: string): Slot | null {
    const { doc } = this.view.state;
    for (const mark = this.view.state.field(keepsakes).iter(); mark.value; mark.next()) {
      if (String(mark.value.spec["take"]).split("-")[0] !== batch || mark.from >= mark.to) continue;
      return { at: doc.lineAt(mark.from).from, end: doc.lineAt(mark.to).to };
    }
    return null;
  }

  focus(): void {
    this.view.focus();
  }

  private insert(from: number, to: number, insert: string, effects: StateEffect<unknown>[] = [], cursor = from + insert.length): void {
    this.view.dispatch({
      changes: { from, to, insert },
      effects,
      selection: { anchor: cursor },
      annotations: [isolateHistory.of("full"), Transaction.userEvent.of("input.keep")],
      scrollIntoView: true,
    });
  }

  private light(from: number, to: number): void {
    if (from >= to) return;
    window.clearTimeout(this.glowTimer);
    this.view.dispatch({ effects: glow.of({ from, to }) });
    this.glowTimer = window.setTimeout(() => this.view.dispatch({ effects: glow.of(null) }), GLOW_MS);
  }

  private fresh(text: string): EditorState {
    return EditorState.create({ doc: text, selection: { anchor: text.length }, extensions: this.extensions() });
  }

  private extensions(): Extension[] {
    return [
      history(),
      drawSelection(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({
        "aria-label": "Lyric",
        id: "lyric-text",
        spellcheck: "true",
        autocapitalize: "sentences",
        "aria-describedby": "editor-keys line-says",
      }),
      this.marks.extension,
      placeholder("Start anywhere: a line, a word, a feeling."),
      lit,
      keepsakes,
      keymap.of([...defaultKeymap.filter(({ key }) => key !== "Mod-Enter" && key !== "Escape"), ...historyKeymap, { key: "Mod-Shift-z", run: redo }]),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        for (const anchor of this.anchors) follow(anchor, update.changes);
        for (const bookmark of this.bookmarks) bookmark.changes = bookmark.changes.compose(update.changes);
        this.listeners.changed(this.text);
      }),
    ];
  }
}

/** Words typed at the edge of a slot are not of it; what is typed at a mere place goes before it. */
function follow(anchor: Anchor, changes: ChangeSet): void {
  const isPlace = anchor.at === anchor.end;
  anchor.at = changes.mapPos(anchor.at, 1);
  anchor.end = isPlace ? anchor.at : Math.max(anchor.at, changes.mapPos(anchor.end, -1));
}
