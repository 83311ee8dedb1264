// Undo and redo as buttons: a phone has no Ctrl key.

import { button } from "./dom.ts";
import type { Editor } from "./editor.ts";
import { say } from "./notice.ts";

export class Steps {
  private readonly undo = stepper("undo", "Undo", "Ctrl Z", () => this.take("undo"));
  private readonly redo = stepper("redo", "Redo", "Ctrl Shift Z", () => this.take("redo"));
  readonly elements: readonly HTMLElement[] = [this.undo, this.redo];

  constructor(private readonly editor: () => Editor) {}

  /** The text has changed: only what can be done can be pressed. */
  dress(): void {
    const { undo, redo } = this.editor().numSteps;
    this.undo.disabled = undo === 0;
    this.redo.disabled = redo === 0;
  }

  private take(way: "undo" | "redo"): void {
    this.editor().step(way);
    say(way === "undo" ? "Undone." : "Redone.");
  }
}

/** It leaves the focus where it is, so that a phone's keyboard neither comes nor goes. */
function stepper(id: string, label: string, keys: string, press: () => void): HTMLButtonElement {
  const made = button(id, "", `icon-button icon-only icon-${id}`, press);
  made.setAttribute("aria-label", label);
  made.title = `${label} (${keys})`;
  made.addEventListener("mousedown", (event) => event.preventDefault());
  return made;
}
