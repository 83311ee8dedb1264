// Follows one generation's events until it ends, whatever the line does. Knows the wire; draws nothing.

import { ApiError, call, type Complaint, type GenerationView, type LineEvidence, type Started, type TakeEnd } from "./api.ts";

export interface Listener {
  /** The voice is there; it took so many milliseconds to be loaded, 0 when it was in memory. */
  voice(loadMs: number): void;
  /** More text of one take. */
  token(take: number, text: string): void;
  /** A line of one take has been heard by the verifier. */
  line(take: number, evidence: LineEvidence): void;
  /** Everything comes again from the start: forget the text so far once the first of it arrives. */
  replay(): void;
  /** The line is down, and we are trying again. */
  waiting(why: string): void;
  done(takes: TakeEnd[]): void;
  failed(complaint: Complaint): void;
}

const REOPEN_MS = [500, 1_500, 3_000, 6_000, 10_000, 10_000, 10_000];

/** Begin to follow; the function that comes back ends it without a word to the listener. */
export function follow(started: Started, listener: Listener): () => void {
  let source: EventSource | null = null;
  let attempts = 0;
  let timer: number | undefined;
  let isOver = false;

  const close = (): void => {
    isOver = true;
    window.clearTimeout(timer);
    source?.close();
  };

  const open = (): void => {
    const opened = new EventSource(started.events_url);
    source = opened;
    opened.addEventListener("voice", (event) => listener.voice((JSON.parse(event.data as string) as { load_ms: number }).load_ms));
    opened.addEventListener("token", (event) => {
      attempts = 0;
      const { take, text } = JSON.parse(event.data as string) as { take: number; text: string };
      listener.token(take, text);
    });
    opened.addEventListener("line", (event) => {
      const { take, ...evidence } = JSON.parse(event.data as string) as LineEvidence & { take: number };
      listener.line(take, evidence);
    });
    opened.addEventListener("done", (event) => {
      close();
      const { takes } = JSON.parse(event.data as string) as { takes?: TakeEnd[] };
      listener.done(takes ?? []);
    });
    // The server's own `error` event and the browser's "the line is down" share one name; only the first has data.
    opened.addEventListener("error", (event) => {
      if (event instanceof MessageEvent) {
        close();
        listener.failed(JSON.parse(event.data as string) as Complaint);
      } else if (opened.readyState === EventSource.CONNECTING) {
        listener.waiting("The line is down; trying to reach the studio again.");
      } else {
        void ask();
      }
    });
  };

  /** The browser has given up on the stream (any answer but 200): ask how the generation stands and go on from there. */
  const ask = async (): Promise<void> => {
    if (isOver) return;
    try {
      const view = await call<GenerationView>("GET", `/api/v1/generations/${started.id}`);
      if (view.state === "queued" || view.state === "running") {
        again("The studio is busy; waiting for a free line.");
        return;
      }
      close();
      if (view.error) listener.failed(view.error);
      else listener.done(view.takes);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.isPassing) again(error.message);
      else {
        close();
        listener.failed({ code: error.code, message: error.message, offers: error.offers });
      }
    }
  };

  const again = (why: string): void => {
    const wait = REOPEN_MS[attempts++];
    if (wait === undefined) {
      close();
      listener.failed({ code: "unreachable", message: "The studio could not be reached. What was written so far is kept here." });
      return;
    }
    listener.waiting(why);
    timer = window.setTimeout(() => {
      listener.replay();
      open();
    }, wait);
  };

  open();
  return close;
}
