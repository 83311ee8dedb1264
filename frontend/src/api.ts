// The studio's side of the public HTTP API: same origin, session cookie, CSRF token, one error shape.

import type { Form } from "./form.ts";

export interface Lyric {
  id: string;
  title: string;
  text: string;
  revision: number;
}

export interface Ask {
  voice: string;
  prompt: string;
  max_tokens: number;
  temperature: number;
  top_p: number;
  top_k: number;
  repetition_penalty: number;
  seed: number | null;
  n: number;
  lyric_id?: string;
  form?: Form;
  deed?: Deed;
}

export type DeedKind = "next_line" | "fill" | "rewrite" | "verse";

/** What to write to the form: `line` is the one that holds the cursor, counted from 1, blank lines too. */
export interface Deed {
  kind: DeedKind;
  line: number;
}

/** Where the lines of a deed go: `line` is the number at which the new text will stand. */
export interface Placed {
  kind: DeedKind;
  line: number;
  replaces: boolean;
  starts_stanza: boolean;
  num_lines: number;
  words: string;
}

/** A voice as far as the studio asks for it here; the menu comes from the server. */
export interface Voice {
  id: string;
  state: "resident" | "loading" | "cold" | "refused";
}

export interface Started {
  id: string;
  events_url: string;
  placed?: Placed | null;
}

/** What the verifier heard of one line that was written to a form; `number` counts from 1 in the form. */
export interface LineEvidence {
  number: number;
  text: string;
  num_syllables: number;
  stresses: number[];
  words: { word: string; phones: string[]; is_guessed: boolean }[];
  grid: string;
  partner: { line: number; word: string; kind: string } | null;
  nearest: { index: string; line: string; number: number; ratio: number; overlap: number } | null;
  failures: { rule: string; reason: string }[];
}

/** How one take ended; text and lines stand only in a whole view. */
export interface TakeEnd {
  text?: string;
  finish_reason?: string | null;
  lines?: LineEvidence[];
  score?: number | null;
}

/** A form that can be kept, near to one that cannot. */
export interface Offer {
  words: string;
  form: Form;
}

/** The one error shape of the API. */
export interface Complaint {
  code: string;
  message: string;
  field?: string | null;
  retry_after_s?: number | null;
  offers?: Offer[];
}

export interface GenerationView {
  id: string;
  state: "queued" | "running" | "done" | "cancelled" | "failed";
  takes: TakeEnd[];
  error: Complaint | null;
}

/** What the server refused, in its own words. `status` 0 means that it was not reached at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterS: number | null = null,
    readonly field: string | null = null,
    readonly offers: Offer[] = [],
  ) {
    super(message);
  }

  /** Whether the same call may succeed later without anybody changing anything. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export async function call<T>(method: string, path: string, body?: unknown, keepalive = false): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = cookie("_csrf_token");
  const init: RequestInit = { method, headers, keepalive, credentials: "same-origin" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, "unreachable", "The studio is out of reach. Check the connection; your words are kept here.");
  }
  const answer: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return answer as T;
  throw refusal(response.status, answer);
}

function refusal(status: number, answer: unknown): ApiError {
  const error = (answer as { error?: Complaint } | null)?.error;
  const fallback = status >= 500 ? "The studio stumbled. Your words are kept; try again." : `The studio refused this (${status}).`;
  if (!error) return new ApiError(status, "refused", fallback);
  return new ApiError(status, error.code, error.message, error.retry_after_s ?? null, error.field ?? null, error.offers ?? []);
}

export function cookie(name: string): string {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}
