// Drawers: native dialogs that slide in from the side. Opened by any element with `data-opens`, closed by `data-closes`.
// And what has no room on a narrow screen: folded away under the button that names it in `data-folds`.

export function listen(): void {
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const opener = target.closest<HTMLElement>("[data-opens]");
    if (opener) {
      drawer(opener.dataset["opens"])?.showModal();
      return;
    }
    const open = target.closest("dialog");
    if (!open) return;
    const isOnBackdrop = target === open;
    if (isOnBackdrop || target.closest("[data-closes]") || target.closest("a[href]")) open.close();
  });
  document.addEventListener("click", (event) => {
    const pressed = (event.target as Element).closest<HTMLElement>("[data-folds]");
    for (const fold of document.querySelectorAll<HTMLElement>("[data-folds]")) turn(fold, fold === pressed && !isUnfolded(fold));
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.popover[open]")) {
      if (!menu.contains(event.target as Node)) menu.open = false;
    }
  });
}

/** Close the menu or drawer that is open; false when there is none. */
export function closeOpen(): boolean {
  const menu = document.querySelector<HTMLDetailsElement>("details.popover[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
    return true;
  }
  const fold = document.querySelector<HTMLElement>('[data-folds][aria-expanded="true"]');
  if (fold) {
    turn(fold, false);
    fold.focus();
    return true;
  }
  return document.querySelector("dialog[open]") !== null; // Esc closes a dialog without our help
}

function isUnfolded(fold: HTMLElement): boolean {
  return fold.getAttribute("aria-expanded") === "true";
}

function turn(fold: HTMLElement, isOpen: boolean): void {
  fold.setAttribute("aria-expanded", String(isOpen));
  document.getElementById(fold.dataset["folds"] ?? "")?.toggleAttribute("data-unfolded", isOpen);
}

function drawer(id: string | undefined): HTMLDialogElement | null {
  const found = id === undefined ? null : document.getElementById(id);
  return found instanceof HTMLDialogElement ? found : null;
}
