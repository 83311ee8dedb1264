// The takes shelf: what the voice wrote, side by side, with what became of each take. Draws; decides nothing.

import type { Deed, DeedKind, LineEvidence, Offer, Placed, TakeEnd } from "./api.ts";
import { button, el } from "./dom.ts";
import type { Anchor, Bookmark } from "./editor.ts";
import type { Form } from "./form.ts";
import { LinedLeaf, PlainLeaf, type Leaf } from "./leaf.ts";
import { shown, wholeLines } from "./seam.ts";
import { Verdicts, type Notes, type Source, type Verdict } from "./verdicts.ts";

export type TakeState = "waiting" | "writing" | "done" | "stopped" | "failed";

const STATE_WORDS: Record<TakeState, string> = {
  waiting: "Waiting for the first word",
  writing: "Writing",
  done: "Done",
  stopped: "Stopped",
  failed: "Broke off",
};

const DEED_WORDS: Record<DeedKind, string> = { next_line: "Next line", fill: "The middle", rewrite: "Instead of", verse: "A verse" };

/** Where the takes of a batch go on from, and where they would go in. */
export interface Place {
  prompt: string;
  lead: string;
  anchor: Anchor;
  /** What is written to a form, and null for takes that go on from the text. */
  order: Order | null;
}

/** Lines to a form. The server says where they go (`placed`); until then, a bookmark holds the text that it was asked of. */
export interface Order {
  form: Form;
  deed: Deed;
  placed: Placed | null;
  bookmark: Bookmark | null;
}

/** A take as the shelf remembers it. */
export interface KeptTake extends TakeEnd {
  is_pinned?: boolean;
  source?: Source;
  notes?: Notes;
}

export interface Deeds {
  keep(batch: Batch, text: string, take: string): void;
  retry(batch: Batch): void;
  dismiss(batch: Batch): void;
  offer(batch: Batch, offer: Offer): void;
  changed(): void;
}

class Take {
  readonly element: HTMLElement;
  private finishReason: string | null = null;
  private text = "";
  private fresh = "";
  private score: number | null = null;
  private readonly leaf: Leaf;
  private readonly caption = el("span", { class: "take-state" });
  private readonly keepButton: HTMLButtonElement;
  private readonly copyButton: HTMLButtonElement;
  private readonly pinButton: HTMLButtonElement;
  private readonly rejectButton: HTMLButtonElement;
  private readonly verdicts: Verdicts;
  /** The line whose words were put into the lyric last, or 0 for all of it; null while none stand there. */
  private standing: number | null = null;

  constructor(
    readonly id: string,
    readonly index: number,
    private readonly isLined: boolean,
    keep: (text: string) => void,
    pinned: () => void,
    judged: (words: string) => void,
  ) {
    this.leaf = isLined ? new LinedLeaf(id, (verdict, line) => this.toggle(verdict, line)) : new PlainLeaf();
    this.verdicts = new Verdicts((words) => {
      this.dressVerdicts();
      judged(words);
    });
    this.keepButton = button(`keep-${id}`, "Keep", "button small", () => {
      const text = this.chosen();
      const line = this.chosenLine();
      keep(text);
      this.standing = line;
      this.verdicts.note("kept", line, line === 0 && text === this.text ? null : shown(text).trim());
    });
    this.rejectButton = button(`reject-${id}`, "", "icon-button icon-only small-icon icon-rejected", () => this.toggle("rejected", this.chosenLine()));
    this.rejectButton.setAttribute("aria-label", `Reject take ${index + 1}`);
    this.rejectButton.addEventListener("mousedown", (event) => event.preventDefault());
    this.keepButton.addEventListener("mousedown", (event) => event.preventDefault()); // a press must not undo the selection
    this.copyButton = button(`copy-${id}`, "Copy", "button small quiet", () => void this.copy());
    this.pinButton = button(`pin-${id}`, "", "icon-button icon-only small-icon icon-pin", () => {
      this.pin(!this.isPinned);
      pinned();
    });
    const foot = el("footer", { class: "take-foot" }, this.caption, ...(isLined ? [this.pinButton] : []), this.rejectButton, this.copyButton, this.keepButton);
    this.element = el("article", { id: `take-${id}`, class: "take", "aria-label": `Take ${index + 1}` }, this.leaf.element, foot);
    this.name(this.copyButton, "Copy");
    this.pin(false);
    this.dressVerdicts();
    this.markKept(false);
    this.become("waiting");
  }

  get state(): TakeState {
    return this.element.dataset["state"] as TakeState;
  }

  get hasText(): boolean {
    return this.text.trim() !== "";
  }

  get isPinned(): boolean {
    return this.pinButton.getAttribute("aria-pressed") === "true";
  }

  /** A pinned take stays when the others are written anew. */
  pin(isPinned: boolean): void {
    this.pinButton.setAttribute("aria-pressed", String(isPinned));
    this.pinButton.setAttribute("aria-label", `Pin take ${this.index + 1}`);
    this.pinButton.title = isPinned ? "Pinned: Retry leaves it" : "Pin: Retry leaves it";
    this.element.toggleAttribute("data-pinned", isPinned);
  }

  /** What the shelf remembers of it. */
  get end(): KeptTake {
    const { source, all: notes } = this.verdicts;
    const end: KeptTake = { text: this.text + this.fresh, finish_reason: this.finishReason, ...(source ? { source, notes } : {}) };
    return this.isLined ? { ...end, lines: this.leaf.lines, score: this.score, is_pinned: this.isPinned } : end;
  }

  hear(line: LineEvidence): void {
    this.leaf.hear(line);
  }

  add(text: string): void {
    this.fresh += text;
  }

  /** Everything comes again: what is shown stays until the first of it is here. */
  replay(): void {
    this.text = "";
    this.fresh = "";
    this.leaf.clear();
  }

  /** Draw what has come since the last frame. */
  draw(): void {
    if (this.fresh === "") return;
    this.text += this.fresh;
    this.fresh = "";
    this.leaf.show(this.text);
    if (this.state === "waiting") this.become("writing");
    this.settleButtons();
  }

  /** The whole text, where the server says it; never less than what is already here. */
  finish({ text = "", finish_reason: reason = null, lines = [], score = null, is_pinned: isPinned = false, source, notes }: KeptTake = {}): void {
    this.verdicts.recall(source, notes);
    if (text.length > this.text.length + this.fresh.length) {
      this.text = "";
      this.fresh = text;
    }
    this.draw();
    for (const line of lines) this.hear(line);
    this.score = score ?? this.score;
    if (isPinned) this.pin(true);
    this.dressVerdicts();
    const isStopped = reason === "cancelled" || (this.state === "stopped" && reason === null);
    this.finishReason = isStopped ? "cancelled" : reason;
    this.become(isStopped ? "stopped" : "done");
  }

  become(state: TakeState): void {
    if (state === "stopped") this.finishReason = "cancelled";
    this.element.dataset["state"] = state;
    this.caption.textContent = state === "done" && this.isCut ? "Cut at the length" : state === "done" && this.score !== null ? `No. ${this.index + 1}` : STATE_WORDS[state];
    this.caption.title = this.score === null ? "" : `${this.score.toFixed(2)} bits a token; the best stands first`;
    this.keepButton.title = this.isCut ? "Keeps the whole lines. Select words to keep just those." : "";
    this.settleButtons();
  }

  /** It is this text of this generation. */
  comesFrom(generation: string, take: number): void {
    this.verdicts.source = { generation, take };
  }

  /** The words of it as they stand in the lyric now: the writer's edits count, and what was taken out was not kept. */
  follow(words: string | null): void {
    const line = this.standing;
    if (line === null || this.verdicts.of(line) !== "kept") return;
    if (words !== null && words.trim() !== "") {
      if (words !== shown(this.text).trim() || line > 0) this.verdicts.note("kept", line, words);
      return;
    }
    this.standing = null;
    this.verdicts.forget(line);
  }

  private toggle(verdict: Verdict, line: number): void {
    if (this.verdicts.of(line) === verdict) this.verdicts.forget(line);
    else this.verdicts.note(verdict, line, null);
  }

  private dressVerdicts(): void {
    const isRejected = this.verdicts.of(0) === "rejected";
    this.rejectButton.setAttribute("aria-pressed", String(isRejected));
    this.rejectButton.title = isRejected ? "Rejected. Press again to take it back" : "Reject: not like this. Select words to reject just their line";
    this.element.toggleAttribute("data-rejected", isRejected);
    this.leaf.judge((line) => this.verdicts.of(line));
  }

  /** Whether words of it stand in the lyric now. */
  markKept(isKept: boolean): void {
    this.element.toggleAttribute("data-kept", isKept);
    this.name(this.keepButton, isKept ? "Keep again" : "Keep");
  }

  private get isCut(): boolean {
    return this.finishReason === "length";
  }

  /** A button of one take among many: its word for the eye, the take's number too for the ear. */
  private name(pressed: HTMLButtonElement, word: string): void {
    const [verb, ...rest] = word.split(" ");
    pressed.textContent = word;
    pressed.setAttribute("aria-label", [verb, `take ${this.index + 1}`, ...rest].join(" "));
  }

  private settleButtons(): void {
    this.keepButton.disabled = this.copyButton.disabled = this.pinButton.disabled = this.rejectButton.disabled = !this.hasText;
    if (!this.hasText && this.state === "done") this.caption.textContent = "The voice had nothing to add";
  }

  /** What is selected inside this take. */
  private get selection(): Range | null {
    const selection = window.getSelection();
    const isInside = selection?.anchorNode && this.leaf.element.contains(selection.anchorNode) && this.leaf.element.contains(selection.focusNode);
    return isInside && selection.toString().trim() !== "" ? selection.getRangeAt(0) : null;
  }

  /** The words selected inside this take, or all of it that is whole. */
  private chosen(): string {
    if (this.selection) return window.getSelection()?.toString() ?? "";
    return this.isCut ? wholeLines(this.text) : this.text;
  }

  /** The line that the selection begins in, or 0 for the take. */
  private chosenLine(): number {
    const { selection } = this;
    return selection ? this.leaf.lineAt(selection.startContainer, selection.startOffset) : 0;
  }

  private async copy(): Promise<void> {
    const text = shown(this.text).trimEnd();
    try {
      await navigator.clipboard.writeText(text);
      this.name(this.copyButton, "Copied");
    } catch {
      window.getSelection()?.selectAllChildren(this.leaf.element); // no clipboard without https: the reader's Ctrl-C does it
      this.name(this.copyButton, "Selected");
    }
    window.setTimeout(() => this.name(this.copyButton, "Copy"), 1_600);
  }
}

/** The takes of one request, and of its retries where those take their place. */
export class Batch {
  readonly element: HTMLElement;
  private takes: Take[];
  /** Those that are being written, in the order of the stream. */
  private running: Take[];
  private count = 0;
  private readonly row: HTMLElement;
  private readonly heading = el("h2");
  private readonly captionLine: HTMLElement;
  private readonly notice = el("div", { class: "batch-notice", hidden: "" });
  private frame = 0;

  constructor(
    readonly number: number,
    readonly place: Place,
    n: number,
    private captionWords: string,
    private readonly deeds: Deeds,
  ) {
    this.takes = this.running = Array.from({ length: n }, (_, i) => this.fresh(i));
    this.row = el("div", { class: place.order ? "takes alternatives" : "takes" }, ...this.takes.map((take) => take.element));
    this.row.style.setProperty("--num-takes", String(n));
    this.captionLine = el("span", {}, captionWords);
    const dismiss = button(`dismiss-${number}`, "", "icon-button small-icon icon-close", () => deeds.dismiss(this));
    dismiss.setAttribute("aria-label", "Put these takes away");
    const head = el("header", { class: "batch-head" }, this.heading, this.captionLine, dismiss);
    this.element = el("section", { id: `batch-${number}`, class: "batch", "aria-label": `Takes, ${captionWords}` }, head, this.notice, this.row);
    this.name();
  }

  /** How many takes are being written, or were last. */
  get num(): number {
    return this.running.length;
  }

  get numPinned(): number {
    return this.takes.filter((take) => take.isPinned).length;
  }

  get caption(): string {
    return this.captionWords;
  }

  get ends(): KeptTake[] {
    return this.takes.map((take) => take.end);
  }

  get hasText(): boolean {
    return this.takes.some((take) => take.hasText);
  }

  /** Say over the takes what they are; anew when the server has said where they go. */
  name(): void {
    const { prompt, order } = this.place;
    const line = lastLine(prompt);
    const words = order ? named(order, prompt) : line ? `after \u201c${line}\u201d` : "a beginning";
    this.heading.textContent = words;
    this.heading.title = order ? (order.placed?.words ?? "") : line;
  }

  /** New takes in the place of those that nobody pinned, `n` in all. */
  renew(n: number, captionWords: string): void {
    const pinned = this.takes.filter((take) => take.isPinned);
    const free = Array.from({ length: Math.max(n, pinned.length + 1) }, (_, i) => i).filter((i) => !pinned.some(({ index }) => index === i));
    this.running = free.slice(0, Math.max(1, n - pinned.length)).map((i) => this.fresh(i));
    this.takes = [...pinned, ...this.running].sort((a, b) => a.index - b.index);
    this.row.replaceChildren(...this.takes.map((take) => take.element));
    this.captionLine.textContent = this.captionWords = captionWords;
    this.element.classList.remove("batch-wordless");
    this.wait("");
  }

  token(index: number, text: string): void {
    this.running[index]?.add(text);
    this.frame ||= window.requestAnimationFrame(() => this.draw());
  }

  line(index: number, line: LineEvidence): void {
    this.draw();
    this.running[index]?.hear(line);
  }

  replay(): void {
    for (const take of this.running) take.replay();
  }

  /** A line above the takes: what is being waited for. Empty removes it. */
  wait(words: string): void {
    this.notice.className = "batch-notice";
    this.notice.replaceChildren(words);
    this.notice.hidden = words === "";
  }

  /** The ends of those that were written; all of them when the shelf remembers. */
  finish(ends: KeptTake[]): void {
    this.draw();
    this.wait("");
    this.running.forEach((take, i) => take.finish(ends[i]));
  }

  /** The takes that are being written are those of this generation, in its order. */
  comesFrom(generation: string): void {
    this.running.forEach((take, i) => take.comesFrom(generation, i));
  }

  /** Tell each take its words as they stand in the lyric. */
  follow(wordsOf: (take: string) => string | null): void {
    for (const take of this.takes) take.follow(wordsOf(take.id));
  }

  /** Mark the takes whose words stand in the lyric. */
  markKept(isKept: (take: string) => boolean): void {
    for (const take of this.takes) take.markKept(isKept(take.id));
  }

  stop(): void {
    this.draw();
    this.wait("");
    for (const take of this.running) if (take.state !== "done") take.become("stopped");
    this.element.classList.toggle("batch-wordless", !this.hasText);
    if (!this.hasText) this.wait("Stopped before the first word.");
  }

  /** It went wrong: say why and what to do. The text so far stays and may be kept. */
  fail(message: string, offers: readonly Offer[] = []): void {
    this.draw();
    for (const take of this.running) take.become("failed");
    this.element.classList.toggle("batch-wordless", !this.hasText);
    const retry = button(`retry-${this.number}`, "Retry", "button small", () => this.deeds.retry(this));
    const ways = offerButtons(`batch-${this.number}`, offers, (offer) => this.deeds.offer(this, offer));
    this.notice.className = "batch-notice trouble";
    this.notice.replaceChildren(el("p", {}, message), el("div", { class: "notice-actions" }, ...ways, retry));
    this.notice.hidden = false;
  }

  private fresh(index: number): Take {
    const id = `${this.number}-${++this.count}`;
    return new Take(id, index, this.place.order !== null, (text) => this.deeds.keep(this, text, id), () => this.deeds.changed(), (words) => this.judged(words));
  }

  /** Something was said of a take: how much there is now that the voice may learn from, over the takes. */
  private judged(words: string): void {
    if (this.notice.hidden || !this.notice.classList.contains("trouble")) this.wait(words);
    this.deeds.changed();
  }

  private draw(): void {
    window.cancelAnimationFrame(this.frame);
    this.frame = 0;
    for (const take of this.running) take.draw();
  }
}

/** A button for each form that could be kept. */
export function offerButtons(name: string, offers: readonly Offer[], take: (offer: Offer) => void): HTMLElement[] {
  return offers.map((offer, i) => button(`offer-${name}-${i + 1}`, offer.words, "button small offer", () => take(offer)));
}

function named({ deed, placed }: Order, prompt: string): string {
  const kind = placed?.kind ?? deed.kind;
  const lines = prompt.split("\n");
  if (kind === "rewrite") return `${DEED_WORDS.rewrite} \u201c${lines[deed.line - 1]?.trim() ?? ""}\u201d`;
  const before = lastLine(lines.slice(0, deed.line).join("\n"));
  return before ? `${DEED_WORDS[kind]} after \u201c${before}\u201d` : DEED_WORDS[kind];
}

function lastLine(prompt: string): string {
  return prompt.trimEnd().split("\n").at(-1)?.trim() ?? "";
}
