// Making elements without a framework.

type Child = Node | string;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function button(id: string, label: string, classes: string, press: () => void): HTMLButtonElement {
  const made = el("button", { id, type: "button", class: classes }, label);
  made.addEventListener("click", press);
  return made;
}

/** The element that the page's layout promises to hold. */
export function must<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found as T;
}
