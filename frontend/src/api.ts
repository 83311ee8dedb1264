// The studio's side of the public HTTP API: same origin, session cookie, CSRF token, one error shape.

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
}

export interface Started {
  id: string;
  events_url: string;
}

/** How one take ended; the text stands only in a whole view. */
export interface TakeEnd {
  text?: string;
  finish_reason?: string | null;
}

export interface GenerationView {
  id: string;
  state: "queued" | "running" | "done" | "cancelled" | "failed";
  takes: TakeEnd[];
  error: { code: string; message: string } | null;
}

/** What the server refused, in its own words. `status` 0 means that it was not reached at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterS: number | null = null,
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
  const error = (answer as { error?: { code?: string; message?: string; retry_after_s?: number | null } } | null)?.error;
  const fallback = status >= 500 ? "The studio stumbled. Your words are kept; try again." : `The studio refused this (${status}).`;
  return new ApiError(status, error?.code ?? "refused", error?.message ?? fallback, error?.retry_after_s ?? null);
}

export function cookie(name: string): string {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}
