// The shelf: asks for takes, follows them while they are written, and remembers them across a reload of this tab.

import { ApiError, call, type Ask, type Offer, type Placed, type Started, type Voice } from "./api.ts";
import { button, el, must } from "./dom.ts";
import type { Editor } from "./editor.ts";
import { say } from "./notice.ts";
import { follow, type Listener } from "./stream.ts";
import type { Form } from "./form.ts";
import { shown, slotOf } from "./seam.ts";
import { Batch, offerButtons, type KeptTake, type Order, type Place } from "./takes.ts";
import { loaded } from "./voice.ts";
import { watchWarmth } from "./warmth.ts";

/** What the controls say: an ask without the words. */
export type Settings = Omit<Ask, "prompt" | "lyric_id" | "form" | "deed">;

interface Remembered {
  prompt: string;
  lead: string;
  at: number;
  end: number;
  order: Omit<Order, "bookmark"> | null;
  caption: string;
  takes: KeptTake[];
}

/** A generation under way. */
interface Run {
  batch: Batch;
  id: string | null;
  isStopped: boolean;
  close: () => void;
}

const MAX_BATCHES = 12;
const MEMORY = "ghost:takes:";
const SLOW_MS = 1_800;
const FOLLOW_MS = 2_000;

export class Shelf {
  private batches: Batch[] = [];
  private current: Run | null = null;
  /** Where the takes would have gone in that were refused last. */
  private refused: Place | null = null;
  private count = 0;
  private following: number | undefined;
  private name = "";

  constructor(
    private readonly editor: Editor,
    private readonly deeds: { retry(): void; useForm(form: Form): void; finished(id: string | null): void; isGuest(): boolean },
  ) {
    window.addEventListener("pagehide", () => this.remember());
  }

  get isWriting(): boolean {
    return this.current !== null;
  }

  /** Where Retry would go on from. */
  get lastPlace(): Place | null {
    return this.refused ?? this.batches[0]?.place ?? null;
  }

  /** Show the takes of another lyric; `name` is the journal's name of it. */
  open(name: string): void {
    void this.stop();
    window.clearTimeout(this.following); // these takes are of another text
    this.remember();
    this.name = name;
    this.batches = [];
    this.forgive();
    must("shelf").replaceChildren();
    for (const kept of this.recall().reverse()) {
      const order = kept.order ? { ...kept.order, bookmark: null } : null;
      const place = { prompt: kept.prompt, lead: kept.lead, anchor: this.editor.anchor(kept.at, kept.end), order };
      const batch = this.add(place, kept.takes.length, kept.caption);
      batch.finish(kept.takes);
    }
    this.dress();
  }

  /** The open lyric got its id: its takes are remembered under that. */
  rename(name: string): void {
    this.forget();
    this.name = name;
    this.remember();
  }

  /** The takes that Retry would write anew in their place: those of the newest batch, when it keeps a form. */
  get renewable(): Batch | null {
    const newest = this.batches[0];
    return this.refused || !newest?.place.order ? null : newest;
  }

  /**
   * `ready` resolves to the lyric's id (or null) once there is a writer and the words are saved as far as possible.
   * With `again`, the takes of that batch that nobody pinned are written anew.
   */
  async write(place: Place, settings: Settings, ready: Promise<string | null>, again: Batch | null = null): Promise<void> {
    if (this.current) return;
    this.forgive();
    const voice = voiceTitle(settings.voice);
    const { order } = place;
    const num = order ? numTakes(order) : settings.n;
    const caption = order ? voice : `${voice} \u00b7 spice ${settings.temperature}`;
    again?.renew(num, caption);
    const batch = again ?? this.add(place, num, caption);
    const run: Run = (this.current = { batch, id: null, isStopped: false, close: () => undefined });
    this.dress();
    batch.element.scrollIntoView({ block: "nearest" });
    say(batch.num === 1 ? "Writing a take." : `Writing ${batch.num} takes.`);
    let hasNews = false;
    void watchWarmth({
      rest: () => new Promise((resume) => window.setTimeout(resume, SLOW_MS)),
      state: () => stateOf(settings.voice),
      isOver: () => run.isStopped || hasNews,
      tell: (isCold) => batch.wait(isCold ? `${voice} is warming up; the first words after a rest take a few seconds more.` : ""),
    });
    try {
      const lyricId = await ready;
      const ask: Ask = { ...settings, prompt: place.prompt, ...(lyricId === null ? {} : { lyric_id: lyricId }), ...formed(order, batch.num) };
      const started = await call<Started>("POST", "/api/v1/generations", ask);
      run.id = started.id;
      batch.comesFrom(started.id);
      if (order && started.placed) this.settle(place, order, started.placed);
      batch.name();
      run.close = follow(started, this.listener(run, () => (hasNews = true)));
      if (run.isStopped) await this.cancel(run);
    } catch (error) {
      hasNews = true;
      if (!(error instanceof ApiError)) throw error;
      this.refuse(run, error);
    }
  }

  /** The server has said where the lines go. Retries go to the same place. */
  private settle(place: Place, order: Order, placed: Placed): void {
    order.placed ??= placed;
    if (!order.bookmark) return;
    this.editor.settle(place.anchor, order.bookmark, slotOf(order.bookmark.text, placed.line, placed.replaces));
    order.bookmark = null;
  }

  /** Stop what is being written; the text so far stays, and Write is free at once. */
  async stop(): Promise<void> {
    const run = this.current;
    if (!run) return;
    run.isStopped = true;
    run.batch.stop();
    this.end(run, "Stopped. What was written stays.");
    if (run.id !== null) await this.cancel(run);
  }

  /** The text has changed: the takes show which of them stand in it. */
  markKept(): void {
    for (const batch of this.batches) batch.markKept((take) => this.editor.hasKept(take));
    window.clearTimeout(this.following);
    this.following = window.setTimeout(() => this.follow(), FOLLOW_MS);
  }

  /** The writer has let go of the text for a moment: what was kept is what stands there now. */
  private follow(): void {
    for (const batch of this.batches) batch.follow((take) => this.editor.kept(take));
  }

  dismiss(batch: Batch): void {
    if (this.current?.batch === batch) void this.stop();
    this.remove(batch);
    this.editor.release(batch.place.anchor);
    this.dress();
  }

  private remove(batch: Batch): void {
    this.batches = this.batches.filter((other) => other !== batch);
    batch.element.remove();
    this.remember();
  }

  /** `heard` is told that the voice has spoken, or that the line has. */
  private listener(run: Run, heard: () => void): Listener {
    const { batch } = run;
    return {
      voice: loaded,
      token: (take, text) => {
        heard();
        batch.wait("");
        batch.token(take, text);
      },
      line: (take, evidence) => batch.line(take, evidence),
      replay: () => batch.replay(),
      waiting: (why) => {
        heard();
        batch.wait(why);
      },
      done: (ends) => {
        heard();
        batch.finish(ends);
        this.end(run, batch.num === 1 ? "The take is done." : `${batch.num} takes are done.`);
      },
      failed: ({ message, offers = [] }) => {
        heard();
        if (!run.isStopped) batch.fail(message, offers);
        this.end(run, `It broke off: ${message}`);
      },
    };
  }

  private async cancel(run: Run): Promise<void> {
    try {
      await call("DELETE", `/api/v1/generations/${run.id}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      run.close(); // a generation that nobody reads is stopped by the server itself
    }
  }

  private add(place: Place, n: number, caption: string): Batch {
    const batch = new Batch(++this.count, place, n, caption, {
      keep: (kept, text, take) => {
        const { anchor, lead, order } = kept.place;
        if (order) this.editor.keepLines(anchor, shown(text).trim(), take, order.placed?.starts_stanza ?? false);
        else this.editor.keep(anchor, text, lead, take);
        say("Kept. Control Z takes it back.");
      },
      retry: (failed) => this.retry(failed),
      dismiss: (away) => this.dismiss(away),
      offer: (failed, offer) => {
        this.deeds.useForm(offer.form);
        this.retry(failed);
      },
      changed: () => this.remember(),
    });
    this.batches.unshift(batch);
    for (const old of this.batches.splice(MAX_BATCHES)) old.element.remove();
    must("shelf").prepend(batch.element);
    return batch;
  }

  private retry(batch: Batch): void {
    this.forgive();
    this.batches = [batch, ...this.batches.filter((other) => other !== batch)];
    this.deeds.retry();
  }

  /** Nothing was begun: no takes stand there for it, but a note that says why and what to do. */
  private refuse(run: Run, error: ApiError): void {
    const isRenewed = run.batch.hasText; // takes that were pinned stay, whatever was refused
    if (isRenewed) run.batch.stop();
    else this.remove(run.batch);
    this.refused = isRenewed ? null : run.batch.place;
    const next = encodeURIComponent(location.pathname);
    const isSpent = error.status === 402;
    const ways = offerButtons("refusal", error.offers, (offer: Offer) => {
      this.deeds.useForm(offer.form);
      this.deeds.retry();
    });
    const isGuestSpent = isSpent && this.deeds.isGuest();
    if (isGuestSpent) ways.push(el("a", { id: "refusal-signup", class: "button small primary", href: `/signup?next=${next}` }, "Sign up free"));
    if (error.status === 401 || isGuestSpent) ways.push(el("a", { id: "refusal-login", class: "button small", href: `/login?next=${next}` }, "Log in"));
    if (!isSpent && error.offers.length === 0) ways.push(button("refusal-retry", "Retry", "button small", () => this.deeds.retry()));
    const away = button("refusal-dismiss", "Put away", "button small quiet", () => {
      this.forgive();
      this.dress();
    });
    const note = el("div", { class: isSpent ? "trouble spent" : "trouble" }, el("p", {}, error.message), el("div", { class: "notice-actions" }, ...ways, away));
    must("refusal").replaceChildren(note);
    note.scrollIntoView({ block: "nearest" });
    this.end(run, error.message);
  }

  private forgive(): void {
    if (this.refused) this.editor.release(this.refused.anchor);
    this.refused = null;
    must("refusal").replaceChildren();
  }

  /** A run that was stopped has left the stage already; its end only brings the account up to date. */
  private end(run: Run, words: string): void {
    if (this.current === run) {
      this.current = null;
      say(words);
      this.dress();
    }
    this.remember();
    this.deeds.finished(run.id);
  }

  private dress(): void {
    document.documentElement.toggleAttribute("data-writing", this.isWriting);
    document.documentElement.toggleAttribute("data-has-takes", this.lastPlace !== null);
    dressWrite();
    must<HTMLButtonElement>("stop").disabled = !this.isWriting;
    must<HTMLButtonElement>("retry").disabled = this.isWriting || this.lastPlace === null;
  }

  private remember(): void {
    if (this.name === "") return;
    const kept: Remembered[] = this.batches
      .filter((batch) => batch.hasText)
      .map(({ place: { prompt, lead, anchor, order }, caption, ends }) => {
        const kept = order && { form: order.form, deed: order.deed, placed: order.placed };
        return { prompt, lead, at: anchor.at, end: anchor.end, order: kept, caption, takes: ends };
      });
    try {
      if (kept.length > 0) sessionStorage.setItem(MEMORY + this.name, JSON.stringify(kept));
      else this.forget();
    } catch {
      return; // a full or closed store only costs the takes of a reload; the lyric is kept elsewhere
    }
  }

  private recall(): Remembered[] {
    try {
      return JSON.parse(sessionStorage.getItem(MEMORY + this.name) ?? "[]") as Remembered[];
    } catch {
      return [];
    }
  }

  private forget(): void {
    sessionStorage.removeItem(MEMORY + this.name);
  }
}

/** How a voice stands; null when nobody can say. */
async function stateOf(id: string): Promise<Voice["state"] | null> {
  try {
    const { voices } = await call<{ voices: Voice[] }>("GET", "/api/v1/voices");
    return voices.find((voice) => voice.id === id)?.state ?? null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

export const NO_VOICE = "Voices are waking\u2026";

/** Whether no voice can be asked, since none is up yet. */
export function isVoiceless(): boolean {
  return document.documentElement.hasAttribute("data-voiceless");
}

/** What asks a voice is free when one is there and none is writing. */
export function dressWrite(): void {
  const isBusy = isVoiceless() || document.documentElement.hasAttribute("data-writing");
  for (const id of ["write", "next-line", "fill", "rewrite", "verse"]) {
    const asks = must<HTMLButtonElement>(id);
    asks.disabled = isBusy;
    asks.title = isVoiceless() ? NO_VOICE : (asks.dataset["keys"] ?? "");
  }
}

function voiceTitle(voice: string): string {
  return document.getElementById("voice-title")?.textContent || voice || "The voice";
}

const MAX_SAMPLES = 8;

/** Crafted takes come ranked out of one request for alternatives; fast ones are takes like any others. */
function numTakes({ form }: Order): number {
  return form.mode === "crafted" ? form.alternatives : Math.min(form.alternatives, MAX_SAMPLES);
}

/** What an order adds to the ask for `num` takes. */
function formed(order: Order | null, num: number): Partial<Ask> {
  if (!order) return {};
  const { form, deed } = order;
  return { form: { ...form, alternatives: num }, deed, n: form.mode === "crafted" ? 1 : num };
}
