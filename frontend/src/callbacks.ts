// What Dash calls in the browser: the clientside callbacks, named in dashboards/studio.py. They translate and call one
// verb of the studio; the only studio of the page lives here.

import type { DeedKind, Lyric } from "./api.ts";
import * as cards from "./cards.ts";
import * as comparing from "./comparing.ts";
import * as datasets from "./datasets.ts";
import { button, el, must } from "./dom.ts";
import { tell } from "./notice.ts";
import { isAnalysis, isAway, isBuilder } from "./rooms.ts";
import { dressWrite, NO_VOICE, type Settings } from "./shelf.ts";
import { Studio, type Opened } from "./studio.ts";
import { choose } from "./voice.ts";
import { arrived, type Writer } from "./writer.ts";

const DEEDS: Record<string, DeedKind> = { "next-line": "next_line", fill: "fill", rewrite: "rewrite", verse: "verse" };

let studio: Studio | null = null;

function theStudio(): Studio {
  return (studio ??= new Studio());
}

/** Nothing can be opened: better no sheet than an empty one that looks like the lyric. */
export function showAway(why: string): void {
  if (studio) return;
  const again = button("reload", "Try again", "button small", () => location.reload());
  must("sheet").replaceChildren(el("div", { class: "away" }, el("div", { class: "trouble", role: "alert" }, el("p", {}, why), el("div", { class: "notice-actions" }, again))));
}

type Controls = [
  voice: string | null,
  length: number | null,
  spice: number | null,
  n: number | null,
  topP: number | null,
  topK: number | null,
  penalty: number | null,
  seed: number | null,
];

function settingsOf([voice, length, spice, n, topP, topK, penalty, seed]: Controls): Settings {
  return {
    voice: voice ?? "",
    max_tokens: Number(length ?? 64),
    temperature: Number(spice ?? 0.8),
    n: Number(n ?? 1),
    top_p: Number(topP ?? 0.95),
    top_k: Number(topK ?? 0),
    repetition_penalty: Number(penalty ?? 1),
    seed: seed === null || seed === undefined ? null : Number(seed),
  };
}

function spiceWord(spice: number): string {
  if (spice < 0.05) return "predictable";
  if (spice < 0.6) return "careful";
  if (spice < 0.95) return "warm";
  if (spice < 1.3) return "hot";
  return "unhinged";
}

/** The address named a voice, and another was chosen since: a reload is not to bring the first one back. */
function forgetAsked(voice: string | null): void {
  const asked = new URLSearchParams(location.search).get("voice");
  if (asked === null || asked === voice || isAway()) return;
  history.replaceState(null, "", location.pathname);
  window.dispatchEvent(new PopStateEvent("popstate"));
}

export const callbacks = {
  arrived(writer: Writer | null): void {
    if (writer) arrived(writer);
  },
  open(opened: Opened | null): void {
    if (!opened) return;
    if (opened.is_away) {
      if (studio) studio.stay(opened.error ?? "");
      else showAway(opened.error ?? "");
      return;
    }
    if (opened.writer) arrived(opened.writer);
    theStudio().open(opened);
  },
  write(clicks: number | null, submits: number | null, line: string | null, ...controls: Controls): void {
    if (clicks || submits) theStudio().write(settingsOf(controls), line ?? "");
  },
  deed(...given: [next: number | null, fill: number | null, rewrite: number | null, verse: number | null, line: string | null, ...controls: Controls]): void {
    const [next, fill, rewrite, verse, line, ...controls] = given;
    const kind = DEEDS[window.dash_clientside.callback_context.triggered_id ?? ""];
    if (kind && (next || fill || rewrite || verse)) theStudio().deed(kind, settingsOf(controls), line ?? "");
  },
  retry(clicks: number | null, ...controls: Controls): void {
    if (clicks) theStudio().retry(settingsOf(controls));
  },
  stop(clicks: number | null): void {
    if (clicks) theStudio().stop();
  },
  restored(lyric: Lyric | null): void {
    if (lyric) theStudio().restored(lyric);
  },
  deleted(gone: { id: string } | null): void {
    if (gone) theStudio().deleted(gone.id);
  },
  /** Which of the first two rooms is shown: the studio, or the analysis with the words of the lyric that is open. */
  rooms(path: string | null, text: string | null): [boolean, boolean, string] {
    const isAsked = isAnalysis(path);
    if (isAsked) document.title = "Analyse \u00b7 Ghost Rhymes";
    else if (!isAway(path)) studio?.dress();
    return [isAway(path), !isAsked, text || (isAsked ? (studio?.text ?? "") : "")];
  },
  /** The third room, and the address of the page that it is to show. */
  builder(path: string | null): [boolean, string] {
    datasets.shown(path);
    return [!isBuilder(path), isBuilder(path) ? (path ?? "") : ""];
  },
  named(title: string | null): void {
    if (title && isBuilder()) document.title = `${title} \u00b7 Ghost Rhymes`;
  },
  refreshSongs(): void {
    datasets.refresh();
  },
  restartSongs(): void {
    datasets.restart();
  },
  markSong(song: string | null): void {
    datasets.mark(song);
  },
  /** A row was chosen; the table tells so too when it was the review that marked it. */
  pickedSong(rows: { id: string }[] | null, song: string | null): unknown {
    const picked = rows?.[0]?.id;
    return picked === undefined || picked === song ? window.dash_clientside["no_update"] : picked;
  },
  async nextSong(clicks: number | null, song: string | null): Promise<unknown> {
    return (clicks ? await datasets.songAfterSoon(song) : null) ?? window.dash_clientside["no_update"];
  },
  wish(...given: unknown[]): unknown {
    const [song, text] = given.slice(-2) as [string | null, string | null];
    const clicks = given.slice(0, -2);
    const wish = clicks.some(Boolean) ? datasets.wish(window.dash_clientside.callback_context.triggered_id, song, text) : null;
    if (wish?.act === "replace") datasets.closeReplace();
    return wish ?? window.dash_clientside["no_update"];
  },
  voiceTitle(voice: string | null, options: { value: string; title: string }[] | null): string {
    const title = options?.find(({ value }) => value === voice)?.title;
    document.documentElement.toggleAttribute("data-voiceless", title === undefined);
    dressWrite();
    choose(title ?? "");
    if (title !== undefined) forgetAsked(voice);
    return title ?? NO_VOICE;
  },
  cards(dealing: cards.Dealing | null): string {
    cards.open(dealing);
    return "";
  },
  comparing(id: string | null): string {
    comparing.open(id);
    return "";
  },
  tell(notice: { message: string } | null): void {
    if (notice) tell(notice.message);
  },
  dials(length: number | null, spice: number | null, n: number | null): [string, string, string] {
    const tokens = Number(length ?? 64);
    const lines = Math.max(1, Math.round(tokens / 10));
    const heat = Number(spice ?? 0.8);
    const words: [string, string, string] = [`about ${lines} lines`, `${heat.toFixed(2)} ${spiceWord(heat)}`, Number(n ?? 1) === 1 ? "1 take" : `${n} takes`];
    ["length", "spice", "takes"].forEach((id, i) => document.getElementById(id)?.setAttribute("aria-valuetext", words[i] ?? ""));
    return words;
  },
};
