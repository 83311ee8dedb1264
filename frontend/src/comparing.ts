// A blind comparison: two texts side by side, picked by button or arrow key; in the end who won, and how sure that is.
// Everything comes from the API, which does not say before the end which voice stands where.

import { call } from "./api.ts";
import { deed, trouble, words } from "./cards.ts";
import { button, el } from "./dom.ts";

interface Pair {
  number: number;
  prompt: string;
  form: string;
  is_ready: boolean;
  left: string;
  right: string;
  trouble: string;
}

interface Result {
  wins_a: number;
  wins_b: number;
  ties: number;
  share: number;
  low: number;
  high: number;
  is_sure: boolean;
  words: string;
}

interface Judged {
  number: number;
  prompt: string;
  a: string;
  b: string;
  pick: "a" | "b" | "tie";
}

interface Comparison {
  id: string;
  voice_a: string;
  voice_b: string;
  title_a: string;
  title_b: string;
  num_pairs: number;
  num_picked: number;
  pair: Pair | null;
  result: Result | null;
  judged: Judged[];
}

type Pick = "left" | "right" | "tie";

const POLL_MS = 300;
const KEYS: Record<string, string> = { ArrowLeft: "pick-left", ArrowRight: "pick-right", ArrowDown: "pick-tie", t: "pick-tie" };
const NOTHING = "(nothing)";

/** The page of a comparison is shown. */
export function open(id: string | null): void {
  const room = document.getElementById("comparison");
  if (id && room) void new Board(room, id).look();
}

export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).closest("input, textarea, select, dialog")) return;
    const pressed = document.getElementById(KEYS[event.key] ?? "");
    if (!pressed) return;
    event.preventDefault();
    pressed.click();
  });
}

class Board {
  private isBusy = false;

  constructor(
    private readonly room: HTMLElement,
    private readonly id: string,
  ) {}

  async look(): Promise<void> {
    await this.ask("GET", "");
  }

  /** Ask, and show what there is then; a pair that is still being written is asked for again. */
  private async ask(method: string, path: string, body?: unknown): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      let found = await call<Comparison>(method, `/api/v1/comparisons/${this.id}${path}`, body);
      while (found.pair && !found.pair.is_ready && found.pair.trouble === "" && this.room.isConnected) {
        this.show(found);
        await new Promise((resume) => window.setTimeout(resume, POLL_MS));
        found = await call<Comparison>("GET", `/api/v1/comparisons/${this.id}`);
      }
      this.show(found);
      window.dash_clientside.set_props("finished", { data: { id: null, at: Date.now() } });
    } catch (error) {
      const again = button("compare-again", "Try again", "button small", () => void this.look());
      this.room.replaceChildren(...trouble(words(error)), el("div", { class: "actions" }, again));
    } finally {
      this.isBusy = false;
    }
  }

  private show(found: Comparison): void {
    if (found.result) this.room.replaceChildren(...ended(found, found.result));
    else if (found.pair) this.room.replaceChildren(...this.pair(found, found.pair));
  }

  private pair(found: Comparison, pair: Pair): HTMLElement[] {
    const done = found.num_picked;
    const bar = el("div", { class: "card-progress", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": String(found.num_pairs), "aria-valuenow": String(done), "aria-label": `${done} of ${found.num_pairs} picked` });
    for (let i = 0; i < found.num_pairs; i++) bar.append(el("i", { class: i === done ? "now" : i < done ? "kept" : "" }));
    const beginning = el("p", { class: "card-prompt" }, pair.prompt);
    if (pair.form) beginning.append(el("small", {}, pair.form));
    const stuck = pair.trouble === "" ? [] : [...trouble(pair.trouble), el("div", { class: "actions" }, button("compare-go-on", "Go on", "button small", () => void this.ask("POST", "/go-on")))];
    if (!pair.is_ready) {
      const blank = (): HTMLElement => el("article", { class: "verse waiting", "aria-busy": "true" }, el("p", { class: "card-line" }, "\u2026"));
      return [bar, beginning, ...(stuck.length > 0 ? stuck : [el("div", { class: "sides" }, blank(), blank())])];
    }
    const pick = (which: Pick): void => void this.ask("POST", `/pairs/${pair.number}`, { pick: which });
    const side = (which: "left" | "right", key: string): HTMLElement =>
      el(
        "article",
        { class: "verse", id: `side-${which}`, "aria-label": `The ${which} text` },
        el("p", { class: "card-line" }, pair[which] || NOTHING),
        deed(`pick-${which}`, `The ${which} one`, key, "", () => pick(which)),
      );
    const tie = deed("pick-tie", "No difference", "\u2193", "quiet", () => pick("tie"));
    return [bar, beginning, el("div", { class: "sides" }, side("left", "\u2190"), side("right", "\u2192")), el("div", { class: "card-deeds" }, tie)];
  }
}

/** Who won, the share with its interval, and every pair with whose it was. */
function ended(found: Comparison, result: Result): HTMLElement[] {
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  const leads = result.wins_a >= result.wins_b;
  const [low, high] = leads ? [result.low, result.high] : [1 - result.high, 1 - result.low];
  const share = leads ? result.share : 1 - result.share;
  const title = leads ? found.title_a : found.title_b;
  const interval = el("div", { class: "interval", role: "img", "aria-label": `${title}: ${percent(share)}, interval ${percent(low)} to ${percent(high)}` });
  const reach = el("i", { class: "reach" });
  reach.style.left = `${100 * low}%`;
  reach.style.width = `${100 * (high - low)}%`;
  const point = el("i", { class: "point" });
  point.style.left = `${100 * share}%`;
  interval.append(el("i", { class: "half" }), reach, point);
  const scale = el("div", { class: "interval-scale", "aria-hidden": "true" }, el("span", {}, "0 %"), el("span", {}, "as often"), el("span", {}, "100 %"));
  const hint = result.is_sure ? "The whole interval lies on one side: that is no chance." : "The interval reaches over the middle: more picks would tell.";
  const rows = found.judged.map((one) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, el("span", { class: "card-prompt" }, one.prompt)),
      el("td", one.pick === "a" ? { class: "picked" } : {}, one.a || NOTHING),
      el("td", one.pick === "b" ? { class: "picked" } : {}, one.b || NOTHING),
    ),
  );
  const head = el("tr", {}, el("th", { scope: "col" }, "Beginning"), el("th", { scope: "col" }, found.title_a), el("th", { scope: "col" }, found.title_b));
  const table = el("table", { class: "judged" }, el("thead", {}, head), el("tbody", {}, ...rows));
  return [
    el("p", { class: "blind-result", id: "comparison-result" }, result.words),
    interval,
    scale,
    el("p", { class: "hint" }, hint),
    el("div", { class: "scrolled", tabindex: "0" }, table),
  ];
}
