// The leaf of a take: its words as they are shown. Plain, or line by line with what the verifier heard of each.

import type { LineEvidence } from "./api.ts";
import { el } from "./dom.ts";
import { badges } from "./evidence.ts";
import { shown } from "./seam.ts";

export interface Leaf {
  readonly element: HTMLElement;
  /** All of the text so far. */
  show(text: string): void;
  hear(line: LineEvidence): void;
  /** Forget what was heard: everything comes again. */
  clear(): void;
  readonly lines: LineEvidence[];
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
}

export class LinedLeaf implements Leaf {
  readonly element = el("div", { class: "take-text lined" });
  private heard = new Map<number, LineEvidence>();
  private rows: Row[] = [];

  /** `id` is the take's. */
  constructor(private readonly id: string) {}

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
    this.element.toggleAttribute("data-flagged", this.isFlagged);
  }

  private addRow(): Row {
    const page = document.createTextNode("");
    const element = el("div", { class: "take-line" }, el("p", {}, page));
    this.element.append(element);
    return { element, page, line: null, heard: null };
  }
}
