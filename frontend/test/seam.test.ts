import assert from "node:assert/strict";
import { test } from "node:test";

import { firstLine, joined, MAX_PROMPT_CHARS, seamAt, shown, wholeLines } from "../src/seam.ts";

/** The text after a take is kept at the seam of `text|rest`, where the bar is the cursor. */
function kept(marked: string, take: string): string {
  const cursor = marked.indexOf("|");
  const text = marked.replace("|", "");
  const { at, lead } = seamAt(text, cursor);
  return text.slice(0, at) + joined(text.slice(0, at), take, text.slice(at), lead) + text.slice(at);
}

test("it works", () => {
  assert.equal(kept("Midnight on the corner|", "Neon running low\n"), "Midnight on the corner\nNeon running low");
});

test("a complete line gets its line break in the prompt, so the voice begins a new one", () => {
  assert.deepEqual(seamAt("one", 3), { at: 3, prompt: "one\n", lead: "\n" });
});

test("a line that ends in a space is gone on with", () => {
  assert.equal(seamAt("one ", 4).prompt, "one ");
  assert.equal(kept("one |", "two"), "one two");
});

test("a take never splits the line that holds the cursor", () => {
  assert.equal(kept("first li|ne\nlast line", "between"), "first line\nbetween\nlast line");
});

test("a cursor before all words means the end", () => {
  assert.equal(kept("|\n\nwords", "more"), "\n\nwords\nmore");
});

test("an empty sheet has an empty prompt", () => {
  assert.deepEqual(seamAt("", 0), { at: 0, prompt: "", lead: "" });
});

test("a long lyric is cut from the top at the start of a line", () => {
  const prompt = seamAt("a line of words\n".repeat(1000), 16_000).prompt;
  assert.ok(prompt.length <= MAX_PROMPT_CHARS);
  assert.ok(prompt.startsWith("a line of words\n"));
});

test("line breaks that a voice begins with are not shown, blank lines inside a take are", () => {
  assert.equal(shown("\n \nNow\n\nthen"), "Now\n\nthen");
  assert.equal(shown(" goes on"), " goes on");
});

test("a take that was cut gives its whole lines, or all of its only one", () => {
  assert.equal(wholeLines("\none\ntwo\nthr"), "one\ntwo");
  assert.equal(wholeLines("one\ntwo\n"), "one\ntwo");
  assert.equal(wholeLines(" goes on"), " goes on");
  assert.equal(wholeLines("\nonly this"), "\nonly this");
});

test("control characters, which no lyric may hold, are left out", () => {
  assert.equal(shown("a\u0000b\u001bc\r\nd\te"), "abc\nd\te");
});

test("the first line of a take ends at whatever ends a line", () => {
  assert.equal(firstLine("\n \n one\rtwo\n"), "one");
  assert.equal(firstLine("only this "), "only this");
  assert.equal(firstLine("\r\n"), "");
});
