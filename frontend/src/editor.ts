// The editor: CodeMirror as a sheet of paper. Knows text, the cursor and anchors that move with the text; no network.

import { defaultKeymap, history, historyKeymap, invertedEffects, isolateHistory, redo } from "@codemirror/commands";
import { EditorState, StateEffect, StateField, Transaction, type Extension, type Range } from "@codemirror/state";
import { Decoration, EditorView, drawSelection, keymap, placeholder, type DecorationSet } from "@codemirror/view";

import { joined, seamAt, type Seam } from "./seam.ts";

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

/** A place in the text that stays where it is while the text around it changes. */
export interface Anchor {
  at: number;
}

export class Editor {
  private readonly view: EditorView;
  private readonly anchors = new Set<Anchor>();
  private glowTimer: number | undefined;

  constructor(
    parent: HTMLElement,
    private readonly changed: (text: string) => void,
  ) {
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

  seam(): Seam {
    return seamAt(this.text, this.view.state.selection.main.head);
  }

  anchor(at: number): Anchor {
    const anchor = { at };
    this.anchors.add(anchor);
    return anchor;
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

  focus(): void {
    this.view.focus();
  }

  private insert(from: number, to: number, insert: string, effects: StateEffect<unknown>[] = []): void {
    this.view.dispatch({
      changes: { from, to, insert },
      effects,
      selection: { anchor: from + insert.length },
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
        "aria-describedby": "editor-keys",
      }),
      placeholder("Start anywhere: a line, a word, a feeling."),
      lit,
      keepsakes,
      keymap.of([...defaultKeymap.filter(({ key }) => key !== "Mod-Enter" && key !== "Escape"), ...historyKeymap, { key: "Mod-Shift-z", run: redo }]),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        for (const anchor of this.anchors) anchor.at = update.changes.mapPos(anchor.at, 1);
        this.changed(this.text);
      }),
    ];
  }
}
