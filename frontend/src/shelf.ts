// The shelf: asks for takes, follows them while they are written, and remembers them across a reload of this tab.

import { ApiError, call, type Ask, type Started } from "./api.ts";
import { el, must } from "./dom.ts";
import type { Editor } from "./editor.ts";
import { follow, type Listener } from "./stream.ts";
import { Batch, type Place, type WayOut } from "./takes.ts";

/** What the controls say: an ask without the words. */
export type Settings = Omit<Ask, "prompt" | "lyric_id">;

interface Remembered {
  prompt: string;
  lead: string;
  at: number;
  caption: string;
  texts: string[];
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

export class Shelf {
  private batches: Batch[] = [];
  private current: Run | null = null;
  private count = 0;
  private name = "";

  constructor(
    private readonly editor: Editor,
    private readonly deeds: { retry(): void; finished(id: string | null): void; isGuest(): boolean },
  ) {
    window.addEventListener("pagehide", () => this.remember());
  }

  get isWriting(): boolean {
    return this.current !== null;
  }

  /** Where Retry would go on from. */
  get lastPlace(): Place | null {
    return this.batches[0]?.place ?? null;
  }

  /** Show the takes of another lyric; `name` is the journal's name of it. */
  open(name: string): void {
    void this.stop();
    this.remember();
    this.name = name;
    this.batches = [];
    must("shelf").replaceChildren();
    for (const kept of this.recall().reverse()) {
      const place = { prompt: kept.prompt, lead: kept.lead, anchor: this.editor.anchor(kept.at) };
      const batch = this.add(place, kept.texts.length, kept.caption);
      batch.finish(kept.texts.map((text) => ({ text })));
    }
    this.dress();
  }

  /** The open lyric got its id: its takes are remembered under that. */
  rename(name: string): void {
    this.forget();
    this.name = name;
    this.remember();
  }

  /** `ready` resolves to the lyric's id (or null) once there is a writer and the words are saved as far as possible. */
  async write(place: Place, settings: Settings, ready: Promise<string | null>): Promise<void> {
    if (this.current) return;
    const voice = voiceTitle(settings.voice);
    const batch = this.add(place, settings.n, `${voice} · spice ${settings.temperature}`);
    const run: Run = (this.current = { batch, id: null, isStopped: false, close: () => undefined });
    this.dress();
    batch.element.scrollIntoView({ block: "nearest" });
    say(settings.n === 1 ? "Writing a take." : `Writing ${settings.n} takes.`);
    const slow = window.setTimeout(() => run.isStopped || batch.wait(`${voice} is warming up; the first words after a rest take a few seconds more.`), SLOW_MS);
    try {
      const lyricId = await ready;
      const ask: Ask = { ...settings, prompt: place.prompt, ...(lyricId === null ? {} : { lyric_id: lyricId }) };
      const started = await call<Started>("POST", "/api/v1/generations", ask);
      run.id = started.id;
      run.close = follow(started, this.listener(run, () => window.clearTimeout(slow)));
      if (run.isStopped) await this.cancel(run);
    } catch (error) {
      window.clearTimeout(slow);
      if (!(error instanceof ApiError)) throw error;
      this.refuse(run, error);
    }
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

  dismiss(batch: Batch): void {
    if (this.current?.batch === batch) void this.stop();
    this.editor.release(batch.place.anchor);
    this.batches = this.batches.filter((other) => other !== batch);
    batch.element.remove();
    this.remember();
    this.dress();
  }

  private listener(run: Run, hasNews: () => void): Listener {
    const { batch } = run;
    return {
      token: (take, text) => {
        hasNews();
        batch.wait("");
        batch.token(take, text);
      },
      replay: () => batch.replay(),
      waiting: (why) => batch.wait(why),
      done: (ends) => {
        hasNews();
        batch.finish(ends);
        this.end(run, batch.num === 1 ? "The take is done." : `${batch.num} takes are done.`);
      },
      failed: (_code, message) => {
        hasNews();
        if (!run.isStopped) batch.fail(message, [], true);
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
      keep: (kept, text) => {
        this.editor.keep(kept.place.anchor, text, kept.place.lead);
        say("Kept. Control Z takes it back.");
      },
      retry: (failed) => {
        this.batches = [failed, ...this.batches.filter((other) => other !== failed)];
        this.deeds.retry();
      },
      dismiss: (away) => this.dismiss(away),
    });
    this.batches.unshift(batch);
    for (const old of this.batches.splice(MAX_BATCHES)) old.element.remove();
    must("shelf").prepend(batch.element);
    return batch;
  }

  private refuse(run: Run, error: ApiError): void {
    const next = encodeURIComponent(location.pathname);
    const isGuest = this.deeds.isGuest();
    const ways: WayOut[] = [];
    if (error.status === 402 && isGuest) ways.push({ label: "Sign up free", href: `/signup?next=${next}` });
    if (error.status === 401 || (error.status === 402 && isGuest)) ways.push({ label: "Log in", href: `/login?next=${next}` });
    run.batch.fail(error.message, ways, error.status !== 402);
    run.batch.element.classList.toggle("batch-spent", error.status === 402);
    this.end(run, error.message);
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
    document.documentElement.toggleAttribute("data-has-takes", this.batches.length > 0);
    must<HTMLButtonElement>("write").disabled = this.isWriting;
    must<HTMLButtonElement>("stop").disabled = !this.isWriting;
    must<HTMLButtonElement>("retry").disabled = this.isWriting || this.batches.length === 0;
  }

  private remember(): void {
    if (this.name === "") return;
    const kept: Remembered[] = this.batches
      .filter((batch) => batch.hasText)
      .map(({ place, caption, texts }) => ({ prompt: place.prompt, lead: place.lead, at: place.anchor.at, caption, texts }));
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

/** One sentence for those who listen instead of looking. */
export function say(words: string): void {
  must("status").replaceChildren(el("span", {}, words));
}

function voiceTitle(voice: string): string {
  return document.getElementById("voice-title")?.textContent || voice || "The voice";
}
