// The marks in the margin and under the words: syllables, stresses, rhymes. Draws what was heard; asks by a function.
//
// Nothing here stands between a key and its letter: the marks move with the text, and news comes when the writer rests.

import { ChangeSet, RangeSet, StateEffect, StateField, type Extension, type Range, type Text } from "@codemirror/state";
import { Decoration, EditorView, GutterMarker, ViewPlugin, gutter, type DecorationSet, type ViewUpdate } from "@codemirror/view";

export type Strength = "perfect" | "near" | "assonance";

export interface HeardWord {
  word: string;
  start: number;
  end: number;
  num_syllables: number;
  is_guessed: boolean;
}

/** One line as the server hears it; offsets count within the line. */
export interface HeardLine {
  number: number;
  num_syllables: number;
  stresses: number[];
  words: HeardWord[];
  rhyme: { group: string; strength: Strength; start: number; end: number } | null;
}

/** How a text sounds, or null when nobody can say just now. */
export type Listen = (text: string) => Promise<HeardLine[] | null>;

const NUM_COLOURS = 8;
const PAUSE_MS = 150;
const STRENGTH_WORDS: Record<Strength, string> = { perfect: "perfect rhyme", near: "near rhyme", assonance: "assonance" };

/** Strong and weak beats as shapes, so that nobody needs the colour. */
export function beats(stresses: readonly number[]): string {
  return stresses.map((stress) => (stress > 0 ? "\u25cf" : "\u25cb")).join("");
}

/** The class of a rhyme group's colour; there are fewer colours than letters. */
export function groupClass(group: string): string {
  return `group-${((group.charCodeAt(0) - 65) % NUM_COLOURS) + 1}`;
}

class Margin extends GutterMarker {
  constructor(
    readonly line: HeardLine,
    readonly friends: readonly number[],
  ) {
    super();
  }

  override eq(other: Margin): boolean {
    const [mine, theirs] = [this.line, other.line];
    return mine.num_syllables === theirs.num_syllables && mine.rhyme?.group === theirs.rhyme?.group && mine.rhyme?.strength === theirs.rhyme?.strength;
  }

  override toDOM(): HTMLElement {
    const { num_syllables: count, rhyme } = this.line;
    const mark = document.createElement("span");
    mark.className = "margin-mark";
    const letter = document.createElement("b");
    if (rhyme) {
      letter.className = `letter rhyme-${rhyme.strength} ${groupClass(rhyme.group)}`;
      letter.textContent = rhyme.group;
      mark.title = `${count} syllables; group ${rhyme.group}, ${STRENGTH_WORDS[rhyme.strength]}`;
    }
    const number = document.createElement("i");
    number.textContent = String(count);
    mark.append(number, letter);
    return mark;
  }
}

interface Marks {
  words: DecorationSet;
  margin: RangeSet<Margin>;
}

const NONE: Marks = { words: Decoration.none, margin: RangeSet.empty };
const news = StateEffect.define<Marks>();

const marked = StateField.define<Marks>({
  create: () => NONE,
  update(marks, transaction) {
    for (const effect of transaction.effects) if (effect.is(news)) return effect.value;
    return transaction.docChanged ? moved(marks, transaction.changes) : marks;
  },
  provide: (field) => EditorView.decorations.from(field, (marks) => marks.words),
});

function moved(marks: Marks, changes: ChangeSet): Marks {
  return { words: marks.words.map(changes), margin: marks.margin.map(changes) };
}

function drawn(text: Text, lines: readonly HeardLine[]): Marks {
  const words: Range<Decoration>[] = [];
  const margin: Range<Margin>[] = [];
  for (const line of lines) {
    if (line.words.length === 0 || line.number > text.lines) continue;
    const { from, to } = text.line(line.number);
    let beat = 0;
    for (const word of line.words) {
      const stresses = line.stresses.slice(beat, (beat += word.num_syllables));
      const [start, end] = [from + word.start, Math.min(from + word.end, to)];
      if (start >= end) continue;
      const rhyme = line.rhyme?.start === word.start ? line.rhyme : null;
      const colours = rhyme ? ` rhyme rhyme-${rhyme.strength} ${groupClass(rhyme.group)}` : "";
      const attributes = { "data-beats": beats(stresses) + (word.is_guessed ? "?" : "") };
      words.push(Decoration.mark({ class: `heard${colours}`, attributes }).range(start, end));
    }
    margin.push(new Margin(line, friendsOf(line, lines)).range(from));
  }
  return { words: Decoration.set(words, true), margin: RangeSet.of(margin, true) };
}

/** The lines of the same stanza in the same group. */
function friendsOf(line: HeardLine, lines: readonly HeardLine[]): number[] {
  if (!line.rhyme) return [];
  const found: number[] = [];
  for (const step of [-1, 1]) {
    for (let i = line.number - 1 + step; lines[i]?.words.length; i += step) {
      if (lines[i]?.rhyme?.group === line.rhyme.group) found.push(i + 1);
    }
  }
  return found.sort((a, b) => a - b);
}

/** What the marks of the line at an offset say, in words. */
export function described(view: EditorView): string {
  const { state } = view;
  const line = state.doc.lineAt(state.selection.main.head);
  let found: Margin | null = null;
  state.field(marked).margin.between(line.from, line.to, (_from, _to, margin) => {
    found ??= margin;
  });
  const margin = found as Margin | null;
  if (!margin) return "";
  const { num_syllables: count, rhyme } = margin.line;
  const parts = [`Line ${line.number}`, `${count} ${count === 1 ? "syllable" : "syllables"}`];
  if (rhyme) {
    const friends = margin.friends.length > 3 ? `${margin.friends.length} lines` : `line ${margin.friends.join(" and ")}`;
    parts.push(`${rhyme.group}: ${STRENGTH_WORDS[rhyme.strength]} with ${friends}`);
  }
  return parts.join(" \u00b7 ");
}

class Ear {
  private timer: number | undefined;
  /** What has changed since the text was sent that is being listened to. */
  private since: ChangeSet | null = null;
  private isStale = false;
  private isGone = false;

  constructor(
    private readonly view: EditorView,
    private readonly listen: Listen,
    private readonly tell: (words: string) => void,
  ) {
    this.soon(0);
  }

  update(update: ViewUpdate): void {
    if (update.docChanged) {
      this.since = this.since?.compose(update.changes) ?? null;
      this.soon(PAUSE_MS);
    }
    const hasNews = update.transactions.some((one) => one.effects.some((effect) => effect.is(news)));
    if (update.selectionSet || hasNews) this.tell(described(this.view));
  }

  /** Listen after a rest; another key begins the rest anew. */
  soon(ms: number): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.hear(), ms);
  }

  destroy(): void {
    this.isGone = true;
    window.clearTimeout(this.timer);
  }

  private async hear(): Promise<void> {
    this.isStale = this.since !== null;
    if (this.isStale) return; // the answer under way asks again
    const text = this.view.state.doc;
    this.since = ChangeSet.empty(text.length);
    const lines = await this.listen(text.toString());
    const changes = this.since;
    this.since = null;
    if (this.isGone) return;
    if (this.view.composing) this.soon(PAUSE_MS); // an input method must not lose its half-made letter
    else if (lines && changes) this.view.dispatch({ effects: news.of(moved(drawn(text, lines), changes)) });
    if (this.isStale) this.soon(PAUSE_MS);
  }
}

/** The marks as an extension, and a way to have the text listened to again. `tell` hears of the cursor's line. */
export function marks(listen: Listen, tell: (words: string) => void): { extension: Extension; again(view: EditorView): void } {
  const ear = ViewPlugin.define((view) => new Ear(view, listen, tell));
  const margin = gutter({ class: "margin", side: "after", markers: (view) => view.state.field(marked).margin });
  return { extension: [marked, ear, margin], again: (view) => view.plugin(ear)?.soon(0) };
}
