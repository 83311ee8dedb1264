// A form as the writer fills it in and as the API takes it. Pure; knows no page. What is right is the server's to say.

export interface Range {
  min: number;
  max: number;
}

/** The `form` of the API: the rules of one stanza. */
export interface Form {
  scheme: string;
  strictness: string;
  syllables: number | number[] | Range | null;
  metre: string | null;
  internal_rhyme: boolean;
  include: string[];
  exclude: string[];
  explicit: boolean;
  originality: { dataset: string; n: number } | null;
  mode: "fast" | "crafted";
  alternatives: number;
  rhymes?: Record<string, string[]>;
}

/** What stands in the panel's fields. */
export interface Fields {
  scheme: string;
  strictness: string;
  syllables: string;
  /** A foot by name, "" for none, or OWN_GRID. */
  metre: string;
  grid: string;
  internal: boolean;
  include: string;
  exclude: string;
  explicit: boolean;
  dataset: string;
  n: string;
  mode: string;
  alternatives: string;
}

export const OWN_GRID = "own";
export const FEET = ["iambic", "trochaic", "anapaestic", "dactylic", "amphibrachic"];

export const FRESH: Form = {
  scheme: "AABB",
  strictness: "perfect",
  syllables: null,
  metre: null,
  internal_rhyme: false,
  include: [],
  exclude: [],
  explicit: false,
  originality: null,
  mode: "crafted",
  alternatives: 5,
};

export function fieldsOf(form: Form): Fields {
  const isFoot = form.metre === null || FEET.includes(form.metre);
  return {
    scheme: form.scheme,
    strictness: form.strictness,
    syllables: syllablesInWords(form.syllables),
    metre: isFoot ? (form.metre ?? "") : OWN_GRID,
    grid: isFoot ? "" : (form.metre ?? ""),
    internal: form.internal_rhyme,
    include: form.include.join(", "),
    exclude: form.exclude.join(", "),
    explicit: form.explicit,
    dataset: form.originality?.dataset ?? "",
    n: String(form.originality?.n ?? 6),
    mode: form.mode,
    alternatives: String(form.alternatives),
  };
}

export function formOf(fields: Fields): Form {
  const dataset = fields.dataset.trim();
  return {
    scheme: fields.scheme.trim(),
    strictness: fields.strictness,
    syllables: syllablesOf(fields.syllables, fields.scheme.replace(/[^A-Za-z]/g, "").length),
    metre: fields.metre === OWN_GRID ? fields.grid.replace(/\s/g, "") || null : fields.metre || null,
    internal_rhyme: fields.internal,
    include: wordsOf(fields.include),
    exclude: wordsOf(fields.exclude),
    explicit: fields.explicit,
    originality: dataset === "" ? null : { dataset, n: Number(fields.n) },
    mode: fields.mode === "fast" ? "fast" : "crafted",
    alternatives: Number(fields.alternatives),
  };
}

/**
 * `12`, `11-13` or `8-6-8-6`. Two numbers are a range, but in a stanza of two lines only when they rise and no comma
 * parts them. What cannot be read becomes NaN, which travels as null in a list: the server says what is wrong.
 */
export function syllablesOf(text: string, numLines: number): Form["syllables"] {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  const numbers = trimmed.split(/\s*(?:[-\u2013,]|to)\s*/).map((part) => (/^\d+$/.test(part) ? Number(part) : NaN));
  const [first = NaN, second = NaN] = numbers;
  if (numbers.length === 1) return Number.isNaN(first) ? [first] : first;
  const isRange = numbers.length === 2 && !trimmed.includes(",") && (numLines !== 2 || first < second);
  return isRange ? { min: first, max: second } : numbers;
}

function syllablesInWords(syllables: Form["syllables"]): string {
  if (syllables === null) return "";
  if (typeof syllables === "number") return String(syllables);
  if (!Array.isArray(syllables)) return `${syllables.min}-${syllables.max}`;
  return syllables.join(syllables.length === 2 ? ", " : "-");
}

function wordsOf(text: string): string[] {
  return text.split(/[,;\n]/).map((word) => word.trim()).filter((word) => word !== "");
}

/** The field that a complaint is about, by the name that the server gives it or that its sentence begins with. */
export function fieldOf(field: string | null, message: string): keyof Fields | null {
  const name = field?.replace(/^form\.?/, "").split(".")[0] || /^\W*(?:the )?(\w+)/i.exec(message)?.[1]?.toLowerCase() || "";
  const known = name === "originality" ? "dataset" : name;
  return NAMES.find((one) => one === known) ?? null;
}

const NAMES: readonly (keyof Fields)[] = ["scheme", "strictness", "syllables", "metre", "include", "exclude", "dataset", "n", "mode", "alternatives"];
