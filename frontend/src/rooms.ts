// Which room the address shows: the studio, the analysis, or the builder's: datasets, training, voices.

import { must } from "./dom.ts";

const ANALYSIS = "/analyse";
const BUILDER = /^\/(datasets|jobs|train|runs|voices|compare)(\/|$)/;

export function isAnalysis(path: string | null = location.pathname): boolean {
  return path === ANALYSIS;
}

export function isBuilder(path: string | null = location.pathname): boolean {
  return BUILDER.test(path ?? "");
}

/** Whether the studio is out of sight. */
export function isAway(path: string | null = location.pathname): boolean {
  return isAnalysis(path) || isBuilder(path);
}

export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (isAnalysis() && event.key === "Enter" && (event.ctrlKey || event.metaKey)) must("analyse").click();
  });
}
