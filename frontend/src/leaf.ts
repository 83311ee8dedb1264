// The leaf of a take: its words as they are shown. Plain, or line by line with what the verifier heard of each.

import type { LineEvidence } from "./api.ts";
import { button, el } from "./dom.ts";
import { badges } from "./evidence.ts";
import { shown } from "./seam.ts";
import type { Verdict } from "./verdicts.ts";

export interface Leaf {
  readonly element: HTMLElement;
  /** All of the text so far. */
  show(text: string): void;
  hear(line: LineEvidence): void;
  /** Forget what was heard: everything comes again. */
  clear(): void;
  readonly lines: LineEvidence[];
  /** The number among the lines that are not blank of the one that holds a place in the leaf; 0 when none does. */
  lineAt(node: Node, offset: number): number;
  /** Show what was said of its lines, where there are buttons for them. */
  judge(verdictOf: (line: number) => Verdict | null): void;
}

export class PlainLeaf implements Leaf {
  private readonly page = document.createTextNode("");
  readonly element = el("div", { class: "take-text" }, this.page);
  readonly lines: LineEvidence[] = [];

  show(text: string): void {
    const before = this.page.data;
    const now = shown(text);
    // appending leaves alone what the reader has selected
    if (now.startsWith(before)) this.page.appendData(now.slice(before.length));
    else this.page.data = now;
  }

  hear(): void {
    return; // nobody asked for a form
  }

  lineAt(node: Node, offset: number): number {
    return node === this.page ? numLines(this.page.data, offset) : 0;
  }

  judge(): void {
    return; // words are selected, and the buttons of the take keep or reject their line
  }

  clear(): void {
    return;
  }
}

/** One line of a leaf. */
interface Row {
  element: HTMLElement;
  page: Text;
  line: LineEvidence | null;
  heard: HTMLElement | null;
  thumbs: HTMLElement | null;
}

const THUMBS: [Verdict, string][] = [
  ["kept", "up"],
  ["rejected", "down"],
];

export class LinedLeaf implements Leaf {
  readonly element = el("div", { class: "take-text lined" });
  private heard = new Map<number, LineEvidence>();
  private rows: Row[] = [];

  /** `id` is the take's; `judged` hears what is thought of one line of several. */
  constructor(
    private readonly id: string,
    private readonly judged: (verdict: Verdict, line: number) => void,
  ) {}

  get lines(): LineEvidence[] {
    return [...this.heard.values()];
  }

  get isFlagged(): boolean {
    return this.lines.some(({ failures }) => failures.length > 0);
  }

  show(text: string): void {
    const lines = shown(text).replace(/\n+$/, "").split("\n");
    lines.forEach((line, i) => {
      const row = (this.rows[i] ??= this.addRow());
      if (row.page.data !== line) row.page.data = line;
    });
    for (const row of this.rows.splice(lines.length)) row.element.remove();
    this.dress();
  }

  hear(line: LineEvidence): void {
    this.heard.set(line.number, line);
    this.dress();
  }

  clear(): void {
    this.heard.clear();
    this.rows = [];
    this.element.replaceChildren();
  }

  /** Badges under the lines that have been heard. Blank lines are no lines of the form. */
  private dress(): void {
    let number = 0;
    for (const row of this.rows) {
      if (row.page.data.trim() === "") continue;
      const line = this.heard.get(++number);
      if (!line || row.line === line) continue;
      row.heard?.remove();
      row.heard = badges(`${this.id}-${number}`, (row.line = line));
      row.element.append(row.heard);
    }
    if (number > 1) this.thumb();
    this.element.toggleAttribute("data-flagged", this.isFlagged);
  }

  lineAt(node: Node): number {
    let number = 0;
    for (const row of this.rows) {
      if (row.page.data.trim() !== "") number += 1;
      if (row.element.contains(node)) return number;
    }
    return 0;
  }

  judge(verdictOf: (line: number) => Verdict | null): void {
    let number = 0;
    for (const row of this.rows) {
      if (row.page.data.trim() === "") continue;
      const verdict = verdictOf(++number);
      row.element.dataset["verdict"] = verdict ?? "";
      for (const thumb of row.thumbs?.children ?? []) thumb.setAttribute("aria-pressed", String(thumb.classList.contains(`icon-${verdict}`)));
    }
  }

  /** Of several lines each can be liked and rejected by itself. */
  private thumb(): void {
    let number = 0;
    for (const row of this.rows) {
      if (row.page.data.trim() === "") continue;
      const line = ++number;
      if (row.thumbs || !row.line) continue;
      const thumbs = THUMBS.map(([verdict, way]) => {
        const pressed = button(`${verdict}-${this.id}-${line}`, "", `icon-button icon-only small-icon icon-${verdict}`, () => this.judged(verdict, line));
        pressed.setAttribute("aria-label", verdict === "kept" ? `Good: line ${line}` : `Reject line ${line}`);
        pressed.title = verdict === "kept" ? "A good line: the voice may learn from it" : "Not like this";
        pressed.setAttribute("aria-pressed", "false");
        pressed.dataset["thumb"] = way;
        return pressed;
      });
      row.thumbs = el("span", { class: "thumbs" }, ...thumbs);
      row.element.prepend(row.thumbs);
    }
  }

  private addRow(): Row {
    const page = document.createTextNode("");
    const element = el("div", { class: "take-line" }, el("p", {}, page));
    this.element.append(element);
    return { element, page, line: null, heard: null, thumbs: null };
  }
}

/** How many lines that are not blank a text has, to the one that holds an offset. */
function numLines(text: string, offset: number): number {
  const end = text.indexOf("\n", offset);
  const lines = text.slice(0, end === -1 ? text.length : end).split("\n");
  return lines.filter((line) => line.trim() !== "").length;
}
