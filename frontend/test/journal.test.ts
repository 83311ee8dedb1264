import assert from "node:assert/strict";
import { test } from "node:test";

import { Journal, type Shelf } from "../src/journal.ts";

class Memory implements Shelf {
  readonly kept = new Map<string, string>();
  get length(): number {
    return this.kept.size;
  }
  key(index: number): string | null {
    return [...this.kept.keys()][index] ?? null;
  }
  getItem(key: string): string | null {
    return this.kept.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.kept.set(key, value);
  }
  removeItem(key: string): void {
    this.kept.delete(key);
  }
}

const words = { title: "", text: "words", revision: 0 };

test("it works", () => {
  const journal = new Journal(new Memory(), () => 7);
  journal.write("a", { writer: "alice", ...words });
  assert.deepEqual(journal.read("a"), { writer: "alice", ...words, at: 7 });
  journal.clear("a");
  assert.equal(journal.read("a"), null);
});

test("the newest draft of this writer is found again", () => {
  let now = 1;
  const journal = new Journal(new Memory(), () => now++);
  const [old, young, bobs] = [journal.draftName(), journal.draftName(), journal.draftName()];
  journal.write(old, { writer: "alice", ...words });
  journal.write(young, { writer: "alice", ...words, text: "younger" });
  journal.write(bobs, { writer: "bob", ...words, text: "bob's" });
  assert.equal(journal.orphan("alice")?.entry.text, "younger");
});

test("another writer's draft is not shown, one from before anybody was known is", () => {
  const journal = new Journal(new Memory(), () => 1);
  const name = journal.draftName();
  journal.write(name, { writer: "bob", ...words });
  assert.equal(journal.orphan("alice"), null);
  journal.write(name, { writer: "", ...words });
  assert.equal(journal.orphan("alice")?.name, name);
});

test("words of a lyric that the server knows are no orphan", () => {
  const journal = new Journal(new Memory(), () => 1);
  journal.write("3f2b", { writer: "alice", ...words, revision: 4 });
  assert.equal(journal.orphan("alice"), null);
});

test("a torn entry counts as none", () => {
  const memory = new Memory();
  memory.setItem("ghost:journal:a", "{");
  assert.equal(new Journal(memory, () => 1).read("a"), null);
});

test("a full store says so instead of throwing", () => {
  const memory = new Memory();
  memory.setItem = () => {
    throw new Error("QuotaExceededError");
  };
  assert.equal(new Journal(memory, () => 1).write("a", { writer: "", ...words }), false);
});
