// The editor: CodeMirror as a sheet of paper. Knows text, the cursor and anchors that move with the text; no network.

import { defaultKeymap, history, historyKeymap, isolateHistory, redo } from "@codemirror/commands";
import { EditorState, StateEffect, StateField, Transaction, type Extension } from "@codemirror/state";
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

  /** Put a take into the text at its anchor: one step of the history, the cursor behind it. */
  keep(anchor: Anchor, take: string, lead: string): void {
    const text = this.text;
    const at = Math.min(anchor.at, text.length);
    const insert = joined(text.slice(0, at), take, text.slice(at), lead);
    this.insert(at, at, insert);
    this.view.focus();
    this.light(at + insert.length - insert.trimStart().length, at + insert.trimEnd().length);
  }

  focus(): void {
    this.view.focus();
  }

  private insert(from: number, to: number, insert: string): void {
    this.view.dispatch({
      changes: { from, to, insert },
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
      keymap.of([...defaultKeymap.filter(({ key }) => key !== "Mod-Enter" && key !== "Escape"), ...historyKeymap, { key: "Mod-Shift-z", run: redo }]),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        for (const anchor of this.anchors) anchor.at = update.changes.mapPos(anchor.at, 1);
        this.changed(this.text);
      }),
    ];
  }
}
