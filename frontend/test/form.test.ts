import assert from "node:assert/strict";
import { test } from "node:test";

import { fieldOf, fieldsOf, formOf, FRESH, syllablesOf } from "../src/form.ts";

test("it works: a form goes through the fields and comes back", () => {
  const form = { ...FRESH, syllables: { min: 11, max: 13 }, metre: "x/x/x/x/", include: ["neon", "running low"], originality: { dataset: "mine", n: 5 } };
  assert.deepEqual(formOf(fieldsOf(form)), form);
});

test("syllables are one number, a range, or one a line", () => {
  assert.equal(syllablesOf("", 4), null);
  assert.equal(syllablesOf(" 12 ", 4), 12);
  assert.deepEqual(syllablesOf("11-13", 4), { min: 11, max: 13 });
  assert.deepEqual(syllablesOf("11 to 13", 4), { min: 11, max: 13 });
  assert.deepEqual(syllablesOf("8-6-8-6", 4), [8, 6, 8, 6]);
});

test("in a couplet two numbers rise for a range and stand for the lines otherwise", () => {
  assert.deepEqual(syllablesOf("6-8", 2), { min: 6, max: 8 });
  assert.deepEqual(syllablesOf("8-6", 2), [8, 6]);
  assert.deepEqual(syllablesOf("6, 8", 2), [6, 8]);
  assert.deepEqual(formOf({ ...fieldsOf(FRESH), scheme: "AA", syllables: fieldsOf({ ...FRESH, syllables: [6, 8] }).syllables }).syllables, [6, 8]);
});

test("what is no number travels so that the server says what is wrong", () => {
  assert.equal(JSON.stringify(syllablesOf("a dozen", 4)), "[null]");
  assert.equal(JSON.stringify(syllablesOf("11-x", 4)), '{"min":11,"max":null}');
});

test("a complaint finds its field", () => {
  assert.equal(fieldOf("form.scheme", "'!' is no scheme"), "scheme");
  assert.equal(fieldOf("form.originality", "no such data set"), "dataset");
  assert.equal(fieldOf("form", "Syllables names 4 lines and the scheme AA has 2."), "syllables");
  assert.equal(fieldOf("form", "The metre x/x has 3 syllables."), "metre");
  assert.equal(fieldOf(null, "Nothing that we know."), null);
});
