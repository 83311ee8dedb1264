// Who writes here. A visitor becomes a guest at the first word worth keeping, by the callback `arrive` of the dashboards.

import { ApiError, call } from "./api.ts";

export interface Writer {
  id: string;
  is_guest: boolean;
}

const PATIENCE_MS = 8_000;
const AWAY = "The studio is out of reach. Your words are kept in this browser.";

let current: Writer | null = null;
let waiting: ((writer: Writer) => void)[] = [];

export function currentWriter(): Writer | null {
  return current;
}

export function arrived(writer: Writer): void {
  current = writer;
  for (const resolve of waiting.splice(0)) resolve(writer);
}

/** The writer, made by the server when there is none yet. Throws `ApiError` when the server cannot be reached. */
export function ensureWriter(): Promise<Writer> {
  if (current) return Promise.resolve(current);
  window.dash_clientside.set_props("arriving", { data: Date.now() });
  return new Promise((resolve, reject) => {
    const giveUp = (error: ApiError): void => {
      waiting = waiting.filter((one) => one !== settle);
      reject(error);
    };
    const late = window.setTimeout(() => giveUp(new ApiError(0, "unreachable", AWAY)), PATIENCE_MS);
    const settle = (writer: Writer): void => {
      window.clearTimeout(late);
      resolve(writer);
    };
    waiting.push(settle);
    call("GET", "/health").catch(giveUp); // Dash tells nobody when a callback's request finds no server
  });
}
