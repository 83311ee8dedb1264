// Which of the two rooms the address shows: the studio, or the analysis.

import { must } from "./dom.ts";

const ANALYSIS = "/analyse";

export function isAnalysis(path: string | null = location.pathname): boolean {
  return path === ANALYSIS;
}

export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (isAnalysis() && event.key === "Enter" && (event.ctrlKey || event.metaKey)) must("analyse").click();
  });
}
