// What the writer thinks of a take and of its lines, told to the server one after another: what is kept, as it was left,
// can train the next version of a voice. Nothing here stands in the way of writing: what cannot be told is said, no more.

import { ApiError, call } from "./api.ts";
import { say } from "./notice.ts";

export type Verdict = "kept" | "rejected";

/** Which of a generation's texts a take is. */
export interface Source {
  generation: string;
  take: number;
}

/** A verdict as the server knows it. `text` is what was sent with it; null: as the voice wrote it. */
export interface Noted {
  id: string;
  verdict: Verdict;
  text: string | null;
}

/** What was said of one take: of all of it under 0, of a line under its number among those that are not blank. */
export type Notes = Record<number, Noted>;

interface Said {
  id: string;
  next_number: number | null;
  words: string;
}

export class Verdicts {
  private last: Promise<unknown> = Promise.resolve();
  private notes: Notes = {};
  source: Source | null = null;

  /** `changed` hears what there is of that voice now, in words, or "". */
  constructor(private readonly changed: (words: string) => void) {}

  get all(): Notes {
    return this.notes;
  }

  recall(source: Source | undefined, notes: Notes | undefined): void {
    this.source = source ?? this.source;
    this.notes = notes ?? this.notes;
  }

  of(line: number): Verdict | null {
    return this.notes[line]?.verdict ?? null;
  }

  /** Say it, or with the same verdict on the same text again leave it. */
  note(verdict: Verdict, line: number, text: string | null): void {
    const { source } = this;
    const known = this.notes[line];
    if (!source || (known?.verdict === verdict && known.text === text)) return;
    this.soon(async () => {
      const body = { generation_id: source.generation, take: source.take, verdict, ...(line > 0 ? { line } : {}), ...(text === null ? {} : { text }) };
      const said = await call<Said>("POST", "/api/v1/feedback", body);
      this.notes[line] = { id: said.id, verdict, text };
      return said;
    });
  }

  forget(line: number): void {
    this.soon(async () => {
      const known = this.notes[line];
      if (!known) return null;
      delete this.notes[line];
      return await call<Said>("DELETE", `/api/v1/feedback/${known.id}`);
    });
  }

  private soon(tell: () => Promise<Said | null>): void {
    this.last = this.last.then(tell).then(
      (said) => this.changed(said?.next_number ? `${said.words}.` : ""),
      (error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
        if (error.status !== 404) say(error.message);
        this.changed("");
      },
    );
  }
}
