// The badges of a line that was written to a form, and behind each the evidence. Draws what the verifier heard.

import type { LineEvidence } from "./api.ts";
import { el } from "./dom.ts";
import { beats } from "./marks.ts";

/** What one badge is about: its icon, its word, the rules that can fail it, and what a press shows. */
interface Badge {
  name: string;
  words: string;
  rules: readonly string[];
  show(): (Node | string)[];
}

const KINDS: Record<string, string> = { perfect: "perfect rhyme", mosaic: "rhyme over several words", near: "near rhyme", assonance: "assonance", multi: "shared vowels", internal: "rhyme within the line", identity: "the same word", none: "no rhyme" };

/** The badges of one line; `id` is unique on the page. */
export function badges(id: string, line: LineEvidence): HTMLElement {
  const row = el("div", { class: "badges" });
  const sheet = el("div", { class: "evidence", id: `evidence-${id}`, hidden: "" });
  const all = badgesOf(line);
  const known = new Set(all.flatMap(({ rules }) => rules));
  const others = line.failures.filter(({ rule }) => !known.has(rule));
  for (const { rule, reason } of others) all.push({ name: "flag", words: rule, rules: [rule], show: () => [reason] });
  for (const badge of all) row.append(drawn(id, badge, line, sheet));
  return el("div", { class: "line-evidence" }, row, sheet);
}

function badgesOf(line: LineEvidence): Badge[] {
  const { partner, grid } = line;
  const found: Badge[] = [];
  const hasFailed = (...rules: string[]): boolean => line.failures.some(({ rule }) => rules.includes(rule));
  if (partner || hasFailed("rhyme", "scheme", "internal rhyme")) {
    const words = hasFailed("rhyme") ? "no rhyme" : partner ? `rhymes with ${partner.word}` : "rhyme";
    found.push({ name: "rhyme", words, rules: ["rhyme", "scheme", "internal rhyme"], show: () => rhymeEvidence(line) });
  }
  const count = `${line.num_syllables} ${line.num_syllables === 1 ? "syllable" : "syllables"}`;
  found.push({ name: "syllables", words: count, rules: ["syllables", "words"], show: () => [spoken(line)] });
  if (grid !== "" || hasFailed("metre")) {
    found.push({ name: "metre", words: hasFailed("metre") ? "off the metre" : "on the metre", rules: ["metre"], show: () => metreEvidence(line) });
  }
  const isCopied = hasFailed("originality", "near-duplicate");
  if (line.nearest || isCopied) {
    found.push({ name: "original", words: isCopied ? "not original" : "original", rules: ["originality", "near-duplicate"], show: () => nearestEvidence(line) });
  }
  return found;
}

function drawn(id: string, badge: Badge, line: LineEvidence, sheet: HTMLElement): HTMLElement {
  const failures = line.failures.filter(({ rule }) => badge.rules.includes(rule));
  const state = failures.length > 0 ? "failed" : "kept";
  const pressed = el(
    "button",
    {
      type: "button",
      id: `badge-${badge.name}-${id}`,
      class: `badge badge-${badge.name}`,
      "data-state": state,
      "aria-expanded": "false",
      "aria-controls": sheet.id,
      "aria-label": `${badge.words}${state === "failed" ? ", broken" : ""}: show the evidence`,
    },
    badge.words,
  );
  pressed.addEventListener("click", () => {
    const isShown = pressed.getAttribute("aria-expanded") === "true";
    for (const other of pressed.parentElement?.children ?? []) other.setAttribute("aria-expanded", "false");
    pressed.setAttribute("aria-expanded", String(!isShown));
    sheet.hidden = isShown;
    if (!isShown) sheet.replaceChildren(...failures.map(({ reason }) => el("p", { class: "reason" }, reason)), ...badge.show());
  });
  return pressed;
}

function rhymeEvidence(line: LineEvidence): (Node | string)[] {
  const last = line.words.at(-1);
  const end = last ? `\u201c${last.word}\u201d ${last.phones.join(" ")}` : "";
  if (!line.partner) return [el("p", {}, end)];
  const { word, kind, line: number } = line.partner;
  const where = number > 0 ? `, the end of line ${number}` : "";
  return [el("p", {}, `${capital(KINDS[kind] ?? kind)} with \u201c${word}\u201d${where}.`), el("p", { class: "phones" }, end)];
}

function capital(words: string): string {
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** Word by word: how it is said and where it is stressed. */
function spoken({ words }: LineEvidence): HTMLElement {
  const cells = words.map(({ word, phones, is_guessed: isGuessed }) => {
    const stresses = phones.flatMap((phone) => (/\d$/.test(phone) ? [Number(phone.at(-1))] : []));
    const heard = el("dd", {}, el("span", { class: "phones" }, phones.join(" ")), el("span", { class: "beats", "aria-label": stressWords(stresses) }, beats(stresses)));
    if (isGuessed) heard.append(el("span", { class: "guess" }, "guessed"));
    return el("div", {}, el("dt", {}, word), heard);
  });
  return el("dl", { class: "spoken" }, ...cells);
}

function stressWords(stresses: readonly number[]): string {
  return stresses.map((stress) => (stress > 0 ? "strong" : "weak")).join(" ");
}

function metreEvidence(line: LineEvidence): (Node | string)[] {
  const grid = [...line.grid].map((place) => (place === "/" ? 1 : 0));
  const rows: [string, number[]][] = [["asked", grid], ["heard", line.stresses]];
  return [el("dl", { class: "grid" }, ...rows.map(([name, beat]) => el("div", {}, el("dt", {}, name), el("dd", { class: "beats", "aria-label": stressWords(beat) }, beats(beat)))))];
}

function nearestEvidence({ nearest }: LineEvidence): (Node | string)[] {
  if (!nearest) return []; // copied, and the reason says from where
  const overlap = nearest.overlap === 1 ? "1 word" : `${nearest.overlap} words`;
  return [
    el("p", {}, `The nearest line of ${nearest.index} (line ${nearest.number}):`),
    el("blockquote", {}, nearest.line),
    el("p", {}, `${Math.round(100 * nearest.ratio)} % alike, ${overlap} in a row in common.`),
  ];
}
