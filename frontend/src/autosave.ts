// Autosave: the words of one lyric on their way to the server. Knows the journal and the API; no editor, no page.
//
// Every change is in the journal before anything else happens, and leaves it only when the server has acknowledged
// exactly these words. A conflict is never settled here: it is handed to the writer with both texts.

import { ApiError, call, type Lyric } from "./api.ts";
import type { Journal } from "./journal.ts";
import { currentWriter, ensureWriter } from "./writer.ts";

export type SaveState =
  | { kind: "blank" }
  | { kind: "saved" }
  | { kind: "saving" }
  | { kind: "offline"; why: string }
  | { kind: "refused"; why: string; status: number }
  | { kind: "conflict"; theirs: Lyric; mine: Words };

export interface Words {
  title: string;
  text: string;
}

const DEBOUNCE_MS = 600;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000];
/** Browsers refuse keepalive requests with larger bodies; the journal holds what is longer. */
const MAX_KEEPALIVE_CHARS = 20_000;

export class Autosave {
  id: string | null;
  private name: string;
  private revision: number;
  private words: Words;
  private acknowledged: Words;
  private isRetired = false;
  private timer: number | undefined;
  private failures = 0;
  private running: Promise<void> | null = null;
  private state: SaveState = { kind: "blank" };

  /** For one lyric: as the server has it, or null for a fresh sheet. */
  constructor(
    private readonly opened: Lyric | null,
    private readonly journal: Journal,
    private readonly tell: (state: SaveState) => void,
    private readonly created: (id: string) => void,
  ) {
    this.id = opened?.id ?? null;
    this.revision = opened?.revision ?? 0;
    this.name = opened?.id ?? journal.draftName();
    this.words = this.acknowledged = { title: opened?.title ?? "", text: opened?.text ?? "" };
    window.addEventListener("online", () => this.hurry());
    window.addEventListener("pagehide", () => this.leave());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.hurry();
    });
  }

  /** The journal's name of what is being edited. */
  get openName(): string {
    return this.name;
  }

  get isDirty(): boolean {
    return !same(this.words, this.acknowledged);
  }

  /** The words to show first: the journal's, where they are newer than the server's. */
  begin(): Words {
    const lyric = this.opened;
    this.become({ kind: lyric ? "saved" : "blank" });
    if (!lyric) return this.words;
    const kept = this.journal.read(lyric.id);
    if (!kept || same(kept, this.words)) {
      this.journal.clear(lyric.id);
      return this.words;
    }
    this.words = { title: kept.title, text: kept.text };
    if (kept.revision === this.revision) this.hurry();
    else this.become({ kind: "conflict", theirs: lyric, mine: this.words });
    return this.words;
  }

  /** Another lyric takes the page: send what is left, without a word to it. */
  retire(): void {
    this.isRetired = true;
    this.hurry();
  }

  /** Take up a draft that another page of this writer left in the journal. */
  adopt(name: string, words: Words): void {
    this.name = name;
    this.words = { title: words.title, text: words.text };
    this.hurry();
  }

  /** Some words changed. Kept at once; sent when the writer pauses. */
  change(words: Words): void {
    if (same(words, this.words)) return;
    this.words = words;
    if (!this.isDirty && !this.running) {
      this.journal.clear(this.name);
      this.become(this.id ? { kind: "saved" } : { kind: "blank" });
      return;
    }
    const isKept = this.keep();
    if (this.state.kind === "conflict") return;
    if (!isKept) this.become({ kind: "offline", why: "This browser keeps nothing, so stay on this page until it is saved." });
    else if (this.state.kind !== "offline") this.become({ kind: "saving" });
    this.later(DEBOUNCE_MS);
  }

  /** Send now what is not yet acknowledged; resolves when it is, or when it could not be. */
  async flush(): Promise<void> {
    window.clearTimeout(this.timer);
    if (this.running) await this.running;
    if (!this.isDirty || this.state.kind === "conflict") return;
    this.running = this.send().finally(() => {
      this.running = null;
    });
    await this.running;
    if (this.isDirty && this.state.kind === "saving") this.later(DEBOUNCE_MS);
  }

  /** The lyric is deleted: nothing of it is to be sent any more. */
  abandon(): void {
    window.clearTimeout(this.timer);
    this.isRetired = true;
    this.acknowledged = this.words;
    this.journal.clear(this.name);
  }

  /** The server has these words under this revision now, by another way than autosave (a restored version). */
  acknowledge(lyric: Lyric): void {
    this.revision = lyric.revision;
    this.acknowledged = { title: lyric.title, text: lyric.text };
    this.words = this.acknowledged;
    this.journal.clear(this.name);
    this.become({ kind: "saved" });
  }

  /** Settle a conflict: these words stand, on top of the revision that the writer has now seen. */
  async settle(words: Words, theirs: Lyric): Promise<void> {
    this.revision = theirs.revision;
    this.acknowledged = { title: theirs.title, text: theirs.text };
    this.words = words;
    if (!this.isDirty) {
      this.journal.clear(this.name);
      this.become({ kind: "saved" });
      return;
    }
    this.keep();
    this.become({ kind: "saving" });
    await this.flush();
  }

  private async send(): Promise<void> {
    const sending = this.words;
    this.become({ kind: "saving" });
    try {
      if (this.id === null) await this.create(sending);
      else this.revision = (await call<Lyric>("PATCH", `/api/v1/lyrics/${this.id}`, { ...sending, revision: this.revision })).revision;
      this.acknowledged = sending;
      this.failures = 0;
      if (this.isDirty) return;
      this.journal.clear(this.name);
      this.become({ kind: "saved" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      await this.cope(error, sending);
    }
  }

  private async create(sending: Words): Promise<void> {
    await ensureWriter();
    const lyric = await call<Lyric>("POST", "/api/v1/lyrics", sending);
    const draft = this.name;
    this.id = this.name = lyric.id;
    this.revision = lyric.revision;
    this.keep();
    this.journal.clear(draft);
    if (!this.isRetired) this.created(lyric.id);
  }

  private async cope(error: ApiError, sent: Words): Promise<void> {
    if (error.status === 409 && this.id !== null) {
      await this.compare(sent);
    } else if (error.status === 404 && this.id !== null) {
      this.id = null; // deleted elsewhere: what stands here becomes a new lyric
      this.revision = 0;
      this.acknowledged = { title: "", text: "" };
      this.later(0);
    } else if (error.isPassing) {
      this.become({ kind: "offline", why: error.message });
      const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)] ?? 15_000;
      this.later(Math.max(wait, (error.retryAfterS ?? 0) * 1_000));
    } else {
      this.become({ kind: "refused", why: error.message, status: error.status });
    }
  }

  /** A 409 may be our own save whose answer was lost: then the server has what we sent and there is no conflict. */
  private async compare(sent: Words): Promise<void> {
    try {
      const theirs = await call<Lyric>("GET", `/api/v1/lyrics/${this.id}`);
      if (!same(theirs, sent) && !same(theirs, this.acknowledged)) {
        this.become({ kind: "conflict", theirs, mine: this.words });
        return;
      }
      this.revision = theirs.revision;
      this.acknowledged = { title: theirs.title, text: theirs.text };
      if (this.isDirty) {
        this.later(0);
        return;
      }
      this.journal.clear(this.name);
      this.become({ kind: "saved" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.become({ kind: "offline", why: error.message });
      this.later(RETRY_MS[1] ?? 2_000);
    }
  }

  private hurry(): void {
    if (this.isDirty) void this.flush();
  }

  /** The page goes away: one last send that may outlive it. The journal stays until a later visit confirms it. */
  private leave(): void {
    if (!this.isDirty || this.running || this.state.kind === "conflict") return;
    const { title, text } = this.words;
    if (text.length > MAX_KEEPALIVE_CHARS || this.id === null) return;
    call("PATCH", `/api/v1/lyrics/${this.id}`, { title, text, revision: this.revision }, true).catch(() => undefined);
  }

  private later(ms: number): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.flush(), ms);
  }

  private keep(): boolean {
    return this.journal.write(this.name, { writer: currentWriter()?.id ?? "", ...this.words, revision: this.revision });
  }

  private become(state: SaveState): void {
    this.state = state;
    if (!this.isRetired) this.tell(state);
  }
}

/** Whether the server would keep the two alike: it folds the spaces of a title. */
export function same(a: Words, b: Words): boolean {
  return folded(a.title) === folded(b.title) && a.text === b.text;
}

function folded(title: string): string {
  return title.trim().replace(/\s+/g, " ");
}
