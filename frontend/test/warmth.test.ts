import assert from "node:assert/strict";
import { test } from "node:test";

import type { Voice } from "../src/api.ts";
import { watchWarmth } from "../src/warmth.ts";

/** What the writer is told while a voice goes through these states. */
async function told(...states: (Voice["state"] | null)[]): Promise<boolean[]> {
  const heard: boolean[] = [];
  const left = [...states];
  await watchWarmth({
    rest: () => Promise.resolve(),
    state: () => Promise.resolve(left.shift() ?? null),
    isOver: () => false,
    tell: (isCold) => heard.push(isCold),
  });
  return heard;
}

test("a voice that is awake is not called cold, however long it takes", async () => {
  assert.deepEqual(await told("resident"), []);
});

test("a voice that is being loaded is told of once, and again when it is awake", async () => {
  assert.deepEqual(await told("cold", "loading", "loading", "resident"), [true, false]);
});

test("nobody knows: nothing is said", async () => {
  assert.deepEqual(await told(null), []);
  assert.deepEqual(await told("loading", null), [true, false]);
});

test("a voice that has spoken while we asked is not called cold any more", async () => {
  const heard: boolean[] = [];
  let hasSpoken = false;
  const state = (): Promise<"loading"> => {
    hasSpoken = true;
    return Promise.resolve("loading");
  };
  await watchWarmth({ rest: () => Promise.resolve(), state, isOver: () => hasSpoken, tell: (isCold) => heard.push(isCold) });
  assert.deepEqual(heard, []);
});
