// The takes shelf: what the voice wrote, side by side, with what became of each take. Draws; decides nothing.

import type { TakeEnd } from "./api.ts";
import { button, el } from "./dom.ts";
import type { Anchor } from "./editor.ts";
import { shown } from "./seam.ts";

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
  keep(batch: Batch, text: string): void;
  retry(batch: Batch): void;
  dismiss(batch: Batch): void;
}

/** One way out of a refusal: a link to follow. */
export interface WayOut {
  label: string;
  href: string;
}

class Take {
  readonly element: HTMLElement;
  private text = "";
  private fresh = "";
  private readonly page = document.createTextNode("");
  private readonly body = el("div", { class: "take-text" }, this.page);
  private readonly caption = el("span", { class: "take-state" });
  private readonly keepButton: HTMLButtonElement;
  private readonly copyButton: HTMLButtonElement;

  constructor(id: string, index: number, keep: (text: string) => void) {
    this.keepButton = button(`keep-${id}`, "Keep", "button small", () => {
      keep(this.chosen());
      this.element.dataset["kept"] = "";
      this.keepButton.textContent = "Keep again";
    });
    this.keepButton.addEventListener("mousedown", (event) => event.preventDefault()); // a press must not undo the selection
    this.copyButton = button(`copy-${id}`, "Copy", "button small quiet", () => void this.copy());
    const foot = el("footer", { class: "take-foot" }, this.caption, this.copyButton, this.keepButton);
    this.element = el("article", { id: `take-${id}`, class: "take", "aria-label": `Take ${index + 1}` }, this.body, foot);
    this.become("waiting");
  }

  get state(): TakeState {
    return this.element.dataset["state"] as TakeState;
  }

  get hasText(): boolean {
    return this.text.trim() !== "";
  }

  get whole(): string {
    return this.text + this.fresh;
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
  complete(text: string): void {
    if (text.length > this.text.length + this.fresh.length) {
      this.text = "";
      this.fresh = text;
    }
  }

  become(state: TakeState): void {
    this.element.dataset["state"] = state;
    this.caption.textContent = STATE_WORDS[state];
    this.settleButtons();
  }

  private settleButtons(): void {
    this.keepButton.disabled = this.copyButton.disabled = !this.hasText;
    if (!this.hasText && this.state === "done") this.caption.textContent = "The voice had nothing to add";
  }

  /** The words selected inside this take, or all of it. */
  private chosen(): string {
    const selection = window.getSelection();
    const isInside = selection?.anchorNode && this.body.contains(selection.anchorNode) && this.body.contains(selection.focusNode);
    const selected = isInside ? selection.toString() : "";
    return selected.trim() === "" ? this.text : selected;
  }

  private async copy(): Promise<void> {
    const text = shown(this.text).trimEnd();
    try {
      await navigator.clipboard.writeText(text);
      this.copyButton.textContent = "Copied";
    } catch {
      window.getSelection()?.selectAllChildren(this.body); // no clipboard without https: the reader's Ctrl-C does it
      this.copyButton.textContent = "Selected";
    }
    window.setTimeout(() => (this.copyButton.textContent = "Copy"), 1_600);
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
    this.takes = Array.from({ length: n }, (_, i) => new Take(`${number}-${i + 1}`, i, (text) => deeds.keep(this, text)));
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

  get texts(): string[] {
    return this.takes.map((take) => take.whole);
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
    ends.forEach(({ text }, i) => this.takes[i]?.complete(text ?? ""));
    this.draw();
    this.wait("");
    this.takes.forEach((take, i) => {
      const isCut = ends[i]?.finish_reason === "cancelled" || (take.state === "stopped" && ends[i]?.finish_reason == null);
      take.become(isCut ? "stopped" : "done");
    });
  }

  stop(): void {
    this.draw();
    this.wait("");
    for (const take of this.takes) if (take.state !== "done") take.become("stopped");
  }

  /** It went wrong: say why and what to do. The text so far stays and may be kept. */
  fail(message: string, ways: WayOut[], mayRetry: boolean): void {
    this.draw();
    for (const take of this.takes) take.become("failed");
    this.element.classList.toggle("batch-refused", !this.hasText);
    const actions = el("div", { class: "notice-actions" });
    ways.forEach(({ label, href }, i) => {
      actions.append(el("a", { class: `button small${i === 0 ? " primary" : ""}`, href, id: `way-out-${this.number}-${i + 1}` }, label));
    });
    if (mayRetry) actions.append(button(`retry-${this.number}`, "Retry", "button small", () => this.deeds.retry(this)));
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
