// The takes shelf: what the voice wrote, side by side, with what became of each take. Draws; decides nothing.

import type { TakeEnd } from "./api.ts";
import { button, el } from "./dom.ts";
import type { Anchor } from "./editor.ts";
import { shown, wholeLines } from "./seam.ts";

export type TakeState = "waiting" | "writing" | "done" | "stopped" | "failed";

const STATE_WORDS: Record<TakeState, string> = {
  waiting: "Waiting for the first word",
  writing: "Writing",
  done: "Done",
  stopped: "Stopped",
  failed: "Broke off",
};

/** Where the takes of a batch go on from, and where they would go in. */
export interface Place {
  prompt: string;
  lead: string;
  anchor: Anchor;
}

export interface Deeds {
  keep(batch: Batch, text: string, take: string): void;
  retry(batch: Batch): void;
  dismiss(batch: Batch): void;
}

class Take {
  readonly element: HTMLElement;
  private finishReason: string | null = null;
  private text = "";
  private fresh = "";
  private readonly page = document.createTextNode("");
  private readonly body = el("div", { class: "take-text" }, this.page);
  private readonly caption = el("span", { class: "take-state" });
  private readonly keepButton: HTMLButtonElement;
  private readonly copyButton: HTMLButtonElement;

  constructor(
    readonly id: string,
    private readonly index: number,
    keep: (text: string) => void,
  ) {
    this.keepButton = button(`keep-${id}`, "Keep", "button small", () => keep(this.chosen()));
    this.keepButton.addEventListener("mousedown", (event) => event.preventDefault()); // a press must not undo the selection
    this.copyButton = button(`copy-${id}`, "Copy", "button small quiet", () => void this.copy());
    const foot = el("footer", { class: "take-foot" }, this.caption, this.copyButton, this.keepButton);
    this.element = el("article", { id: `take-${id}`, class: "take", "aria-label": `Take ${index + 1}` }, this.body, foot);
    this.name(this.copyButton, "Copy");
    this.markKept(false);
    this.become("waiting");
  }

  get state(): TakeState {
    return this.element.dataset["state"] as TakeState;
  }

  get hasText(): boolean {
    return this.text.trim() !== "";
  }

  /** What the shelf remembers of it. */
  get end(): TakeEnd {
    return { text: this.text + this.fresh, finish_reason: this.finishReason };
  }

  add(text: string): void {
    this.fresh += text;
  }

  /** Everything comes again: what is shown stays until the first of it is here. */
  replay(): void {
    this.text = "";
    this.fresh = "";
  }

  /** Draw what has come since the last frame. */
  draw(): void {
    if (this.fresh === "") return;
    const before = this.page.data;
    this.text += this.fresh;
    this.fresh = "";
    const now = shown(this.text);
    // appending leaves alone what the reader has selected
    if (now.startsWith(before)) this.page.appendData(now.slice(before.length));
    else this.page.data = now;
    if (this.state === "waiting") this.become("writing");
    this.settleButtons();
  }

  /** The whole text, where the server says it; never less than what is already here. */
  finish({ text = "", finish_reason: reason = null }: TakeEnd = {}): void {
    if (text.length > this.text.length + this.fresh.length) {
      this.text = "";
      this.fresh = text;
    }
    this.draw();
    const isStopped = reason === "cancelled" || (this.state === "stopped" && reason === null);
    this.finishReason = isStopped ? "cancelled" : reason;
    this.become(isStopped ? "stopped" : "done");
  }

  become(state: TakeState): void {
    if (state === "stopped") this.finishReason = "cancelled";
    this.element.dataset["state"] = state;
    this.caption.textContent = state === "done" && this.isCut ? "Cut at the length" : STATE_WORDS[state];
    this.keepButton.title = this.isCut ? "Keeps the whole lines. Select words to keep just those." : "";
    this.settleButtons();
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
    this.keepButton.disabled = this.copyButton.disabled = !this.hasText;
    if (!this.hasText && this.state === "done") this.caption.textContent = "The voice had nothing to add";
  }

  /** The words selected inside this take, or all of it that is whole. */
  private chosen(): string {
    const selection = window.getSelection();
    const isInside = selection?.anchorNode && this.body.contains(selection.anchorNode) && this.body.contains(selection.focusNode);
    const selected = isInside ? selection.toString() : "";
    if (selected.trim() !== "") return selected;
    return this.isCut ? wholeLines(this.text) : this.text;
  }

  private async copy(): Promise<void> {
    const text = shown(this.text).trimEnd();
    try {
      await navigator.clipboard.writeText(text);
      this.name(this.copyButton, "Copied");
    } catch {
      window.getSelection()?.selectAllChildren(this.body); // no clipboard without https: the reader's Ctrl-C does it
      this.name(this.copyButton, "Selected");
    }
    window.setTimeout(() => this.name(this.copyButton, "Copy"), 1_600);
  }
}

/** The takes of one request. */
export class Batch {
  readonly element: HTMLElement;
  private readonly takes: Take[];
  private readonly notice = el("div", { class: "batch-notice", hidden: "" });
  private frame = 0;

  constructor(
    readonly number: number,
    readonly place: Place,
    n: number,
    readonly caption: string,
    private readonly deeds: Deeds,
  ) {
    this.takes = Array.from({ length: n }, (_, i) => {
      const id = `${number}-${i + 1}`;
      return new Take(id, i, (text) => deeds.keep(this, text, id));
    });
    const row = el("div", { class: "takes" }, ...this.takes.map((take) => take.element));
    row.style.setProperty("--num-takes", String(n));
    const dismiss = button(`dismiss-${number}`, "", "icon-button small-icon icon-close", () => deeds.dismiss(this));
    dismiss.setAttribute("aria-label", "Put these takes away");
    const line = lastLine(place.prompt);
    const head = el("header", { class: "batch-head" }, el("h2", { title: line }, line ? `after “${line}”` : "a beginning"), el("span", {}, caption), dismiss);
    this.element = el("section", { id: `batch-${number}`, class: "batch", "aria-label": `Takes, ${caption}` }, head, this.notice, row);
  }

  get num(): number {
    return this.takes.length;
  }

  get ends(): TakeEnd[] {
    return this.takes.map((take) => take.end);
  }

  get hasText(): boolean {
    return this.takes.some((take) => take.hasText);
  }

  token(index: number, text: string): void {
    this.takes[index]?.add(text);
    this.frame ||= window.requestAnimationFrame(() => this.draw());
  }

  replay(): void {
    for (const take of this.takes) take.replay();
  }

  /** A line above the takes: what is being waited for. Empty removes it. */
  wait(words: string): void {
    this.notice.className = "batch-notice";
    this.notice.replaceChildren(words);
    this.notice.hidden = words === "";
  }

  finish(ends: TakeEnd[]): void {
    this.draw();
    this.wait("");
    this.takes.forEach((take, i) => take.finish(ends[i]));
  }

  /** Mark the takes whose words stand in the lyric. */
  markKept(isKept: (take: string) => boolean): void {
    for (const take of this.takes) take.markKept(isKept(take.id));
  }

  stop(): void {
    this.draw();
    this.wait("");
    for (const take of this.takes) if (take.state !== "done") take.become("stopped");
  }

  /** It went wrong: say why and what to do. The text so far stays and may be kept. */
  fail(message: string): void {
    this.draw();
    for (const take of this.takes) take.become("failed");
    this.element.classList.toggle("batch-wordless", !this.hasText);
    const retry = button(`retry-${this.number}`, "Retry", "button small", () => this.deeds.retry(this));
    const actions = el("div", { class: "notice-actions" }, retry);
    this.notice.className = "batch-notice trouble";
    this.notice.replaceChildren(el("p", {}, message), actions);
    this.notice.hidden = false;
  }

  private draw(): void {
    window.cancelAnimationFrame(this.frame);
    this.frame = 0;
    for (const take of this.takes) take.draw();
  }
}

function lastLine(prompt: string): string {
  return prompt.trimEnd().split("\n").at(-1)?.trim() ?? "";
}
