// The journal: words that the server has not acknowledged yet, kept in this browser so that no crash loses them.

export interface Entry {
  writer: string;
  title: string;
  text: string;
  /** The revision the writer saw when typing; 0 for a lyric that the server has never had. */
  revision: number;
  at: number;
}

export interface Shelf {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const PREFIX = "ghost:journal:";
const DRAFT = "draft-";

export class Journal {
  constructor(
    private readonly shelf: Shelf,
    private readonly now: () => number,
  ) {}

  /** A name for a lyric that has no id yet. */
  draftName(): string {
    return DRAFT + this.now().toString(36) + Math.random().toString(36).slice(2, 8);
  }

  /** False when the browser would not take it (full, or storage switched off). */
  write(name: string, entry: Omit<Entry, "at">): boolean {
    try {
      this.shelf.setItem(PREFIX + name, JSON.stringify({ ...entry, at: this.now() }));
      return true;
    } catch {
      return false;
    }
  }

  read(name: string): Entry | null {
    const raw = this.shelf.getItem(PREFIX + name);
    if (raw === null) return null;
    try {
      return JSON.parse(raw) as Entry;
    } catch {
      return null;
    }
  }

  clear(name: string): void {
    this.shelf.removeItem(PREFIX + name);
  }

  /** The newest draft that this writer left behind. */
  orphan(writer: string): { name: string; entry: Entry } | null {
    let newest: { name: string; entry: Entry } | null = null;
    for (let i = 0; i < this.shelf.length; i++) {
      const name = this.shelf.key(i)?.slice(PREFIX.length) ?? "";
      if (!name.startsWith(DRAFT)) continue;
      const entry = this.read(name);
      if (!entry || (entry.writer !== "" && entry.writer !== writer)) continue;
      if (!newest || entry.at > newest.entry.at) newest = { name, entry };
    }
    return newest;
  }
}
