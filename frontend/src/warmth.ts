// Whether a silent voice is still being loaded, or only takes its time. Pure; asks by functions.

import type { Voice } from "./api.ts";

export interface Watch {
  /** The patience between two looks. */
  rest(): Promise<unknown>;
  /** How the voice stands now; null when nobody can say. */
  state(): Promise<Voice["state"] | null>;
  /** Whether the voice has spoken, or nobody waits for it any more. */
  isOver(): boolean;
  tell(isCold: boolean): void;
}

/** Tell of a voice that is being loaded, and again when it is awake. One that was awake all along is left in peace. */
export async function watchWarmth({ rest, state, isOver, tell }: Watch): Promise<void> {
  let wasCold = false;
  for (;;) {
    await rest();
    if (isOver()) return;
    const now = await state();
    if (isOver()) return;
    const isCold = now === "cold" || now === "loading";
    if (isCold !== wasCold) tell(isCold);
    if (!isCold) return;
    wasCold = true;
  }
}
