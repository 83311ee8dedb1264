import assert from "node:assert/strict";
import { test } from "node:test";

import { fitted, slotOf } from "../src/seam.ts";

/** The text after lines were put where the server said that they go. */
function put(text: string, body: string, line: number, { replaces = false, isStanza = false } = {}): string {
  const { at, end } = slotOf(text, line, replaces);
  const [before, after] = [text.slice(0, at), text.slice(end)];
  return before + fitted(before, body, after, isStanza) + after;
}

test("it works: a line goes in after another, and the others stay", () => {
  assert.equal(put("one\ntwo", "new", 2), "one\nnew\ntwo");
  assert.equal(put("one", "new", 2), "one\nnew");
  assert.equal(put("one\ntwo", "new", 1), "new\none\ntwo");
});

test("a line is replaced, and only that", () => {
  assert.equal(put("one\ntwo\nthree", "new", 2, { replaces: true }), "one\nnew\nthree");
  assert.equal(put("one\n\nthree", "new", 2, { replaces: true }), "one\nnew\nthree");
  assert.equal(put("one\n", "new", 2, { replaces: true }), "one\nnew");
});

test("a blank line after the new one stays", () => {
  assert.equal(put("one\n\ntwo", "new", 2), "one\nnew\n\ntwo");
});

test("a stanza has blank lines around it, and no more than are needed", () => {
  assert.equal(put("one\ntwo", "new", 4, { isStanza: true }), "one\ntwo\n\nnew");
  assert.equal(put("one\n", "new", 3, { isStanza: true }), "one\n\nnew");
  assert.equal(put("one\n\ntwo", "new", 3, { isStanza: true }), "one\n\nnew\n\ntwo");
  assert.equal(put("one\ntwo", "new", 2, { isStanza: true }), "one\n\nnew\n\ntwo");
  assert.equal(put("one\n\n", "new", 3, { isStanza: true, replaces: true }), "one\n\nnew");
});

test("nothing goes before the first words of an empty sheet", () => {
  assert.equal(put("", "new\nlines", 1, { replaces: true, isStanza: true }), "new\nlines");
});
