// Where the writer's text ends and a take begins, and how the two are joined. Pure text; knows no editor.

/** More than this is left out from the top of a prompt: a voice sees about a thousand tokens, its own included. */
export const MAX_PROMPT_CHARS = 2400;

export interface Seam {
  /** Where the take goes in, as an offset into the text. */
  at: number;
  /** What the voice is asked to go on from. */
  prompt: string;
  /** What stands between the text and the take: a line break when the line was complete. */
  lead: string;
}

/**
 * The seam after the line that holds the cursor, so that a take never splits a line.
 * A line that ends in a space or a hyphen is unfinished: the take goes on in it. Any other line is complete.
 */
export function seamAt(text: string, cursor: number): Seam {
  const lineEnd = text.indexOf("\n", cursor);
  let at = lineEnd === -1 ? text.length : lineEnd;
  if (text.slice(0, at).trim() === "") at = text.length;
  const before = text.slice(0, at);
  const lead = before === "" || /[\s-]$/.test(before) ? "" : "\n";
  return { at, prompt: tail(before) + lead, lead };
}

/** The end of the text, cut at the start of a line where there is one. */
function tail(text: string): string {
  if (text.length <= MAX_PROMPT_CHARS) return text;
  const cut = text.slice(-MAX_PROMPT_CHARS);
  const lineStart = cut.indexOf("\n") + 1;
  return lineStart > 0 && lineStart < cut.length ? cut.slice(lineStart) : cut;
}

/** A take as it is shown: without the line breaks that a voice likes to begin with, and only what is text. */
export function shown(take: string): string {
  return take.replace(/\r\n?/g, "\n").replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, "").replace(/^\s*\n/, "");
}

/** The first line of a take that has any words: what the server counts as line 1. */
export function firstLine(take: string): string {
  return (shown(take).trimStart().split("\n")[0] ?? "").trimEnd();
}

/** What stands whole in a take that was cut at its length: its lines without the last, or all of its only line. */
export function wholeLines(take: string): string {
  const text = shown(take);
  const whole = text.slice(0, Math.max(0, text.lastIndexOf("\n"))).trimEnd();
  return whole === "" ? take : whole;
}

/** What to insert between `before` and `after` so that the take stands on lines of its own, or finishes the writer's. */
export function joined(before: string, take: string, after: string, lead: string): string {
  const body = shown(take).trimEnd();
  const head = before === "" || before.endsWith("\n") ? "" : lead;
  const foot = after === "" || after.startsWith("\n") ? "" : "\n";
  return head + body + foot;
}

/** A part of the text by its offsets; empty where something is only to be put in. */
export interface Slot {
  at: number;
  end: number;
}

/** The slot of lines that will stand at `line` (from 1): that line itself when it is replaced, else the place for it. */
export function slotOf(text: string, line: number, replaces: boolean): Slot {
  const lines = text.split("\n");
  const startOf = (number: number): number => lines.slice(0, number - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const endOf = (number: number): number => startOf(number) + (lines[number - 1]?.length ?? 0);
  if (line > lines.length + 1) return { at: text.length, end: text.length };
  if (replaces) return { at: Math.min(startOf(line), text.length), end: Math.min(endOf(line), text.length) };
  const isAfterWords = line > 1 && lines[line - 2]?.trim() !== "";
  const at = Math.min(isAfterWords ? endOf(line - 1) : startOf(line), text.length);
  return { at, end: at };
}

/** What to put between `before` and `after` so that `body` has lines of its own, and a stanza's blank lines around it. */
export function fitted(before: string, body: string, after: string, isStanza: boolean): string {
  const gap = isStanza ? "\n\n" : "\n";
  const head = before.trim() === "" ? "" : missing(before, gap, (text, breaks) => text.endsWith(breaks));
  const foot = after.trim() === "" ? "" : missing(after, gap, (text, breaks) => text.startsWith(breaks));
  return head + body + foot;
}

/** The line breaks of `gap` that a text still lacks at one end. */
function missing(text: string, gap: string, has: (text: string, breaks: string) => boolean): string {
  if (has(text, gap)) return "";
  return has(text, "\n") ? gap.slice(1) : gap;
}
