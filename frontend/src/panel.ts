// The form panel: fields of a form, presets to begin with, and the chip that says the rule in words.
//
// What is typed is checked by the server; the form that stands is always one that the server has understood.

import { ApiError, call } from "./api.ts";
import { button, el, must } from "./dom.ts";
import { FEET, FRESH, fieldOf, fieldsOf, formOf, OWN_GRID, type Fields, type Form } from "./form.ts";

interface Section {
  name: string;
  stanzas: number;
  form: Form;
}

interface Preset {
  name: string;
  words: string;
  sections: Section[];
}

interface Standing {
  form: Form;
  words: string;
}

type Control = HTMLInputElement | HTMLSelectElement;

const MEMORY = "ghost:form:";
const PAUSE_MS = 300;
const NO_FORM = "No form";
const STRICTNESSES: [string, string][] = [
  ["perfect", "Strict"],
  ["near", "Near too"],
  ["assonance", "Assonance"],
  ["multi:2", "Two syllables"],
  ["multi:3", "Three syllables"],
  ["multi:4", "Four syllables"],
];
const SCHEMES = ["AABB", "ABAB", "ABBA", "AAAA", "XAXA", "AABBA", "AABBCCDD"];

export class FormPanel {
  private standing: Standing | null = null;
  private name = "";
  private timer: number | undefined;
  private checks = 0;
  private readonly presets: Preset[] = songs();
  private readonly controls = new Map<keyof Fields, Control>();
  private readonly preset = select("form-preset", [["", "No form"], ["own", "Your own"]]);
  private readonly section = select("form-section", []);
  private readonly sectionRow = field("Section", this.section);
  private readonly rules = el("div", { class: "form-rules" });
  private readonly trouble = el("p", { id: "form-trouble", class: "field-error", role: "alert" });

  constructor(private readonly changed: () => void) {
    this.layOut();
    this.preset.addEventListener("change", () => this.choose());
    this.section.addEventListener("change", () => this.chooseSection());
    this.rules.addEventListener("input", () => this.later());
    this.dress();
  }

  /** The form that stands, or null when the voice goes on freely. */
  get form(): Form | null {
    return this.standing?.form ?? null;
  }

  /** Take up the form of another lyric; `name` is the journal's name of it. */
  open(name: string): void {
    this.name = name;
    this.standing = recalled(name);
    this.fill();
  }

  /** The open lyric got its id. */
  rename(name: string): void {
    localStorage.removeItem(MEMORY + this.name);
    this.name = name;
    this.remember();
  }

  /** Let a form stand that somebody else made, such as an offer. */
  use(form: Form): void {
    this.standing = { form, words: "" };
    this.fill();
    void this.check(form);
  }

  private choose(): void {
    const name = this.preset.value;
    const preset = this.presets.find((one) => one.name === name);
    this.section.replaceChildren(...(preset?.sections ?? []).map(({ name: title, stanzas }, i) => el("option", { value: String(i) }, stanzas > 1 ? `${title} (${stanzas} stanzas)` : title)));
    this.sectionRow.hidden = (preset?.sections.length ?? 0) < 2;
    if (preset) this.chooseSection();
    else if (name === "") this.stand(null);
    else this.use(this.standing?.form ?? FRESH);
  }

  /** The section's rules; how it is written (mode, alternatives, words, originality) stays as the writer has it. */
  private chooseSection(): void {
    const section = this.presets.find(({ name }) => name === this.preset.value)?.sections[Number(this.section.value)];
    if (!section) return;
    const { mode, alternatives, include, exclude, explicit, originality } = this.standing?.form ?? FRESH;
    const chosen = [this.preset.value, this.section.value];
    this.use({ ...section.form, mode, alternatives, include, exclude, explicit, originality });
    [this.preset.value = "", this.section.value = ""] = chosen;
    this.sectionRow.hidden = this.section.options.length < 2;
  }

  private later(): void {
    this.preset.value = "own";
    this.sectionRow.hidden = true;
    this.grid.hidden = this.value("metre") !== OWN_GRID;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.check(formOf(this.fields)), PAUSE_MS);
  }

  private async check(form: Form): Promise<void> {
    const turn = ++this.checks;
    try {
      const understood = await call<Standing>("POST", "/api/v1/forms", { form });
      if (turn === this.checks) this.stand(understood);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn === this.checks) this.complain(error);
    }
  }

  private stand(standing: Standing | null): void {
    this.checks++;
    this.standing = standing;
    this.forgive();
    this.remember();
    this.dress();
    this.changed();
  }

  private complain({ field: name, message }: ApiError): void {
    this.forgive();
    const wrong = this.controls.get(fieldOf(name, message) ?? "scheme");
    this.trouble.textContent = message;
    wrong?.setAttribute("aria-invalid", "true");
    wrong?.setAttribute("aria-describedby", this.trouble.id);
    wrong?.closest(".form-field")?.append(this.trouble);
  }

  private forgive(): void {
    this.trouble.textContent = "";
    for (const control of this.controls.values()) control.removeAttribute("aria-invalid");
  }

  /** The fields say what stands. */
  private fill(): void {
    const fields = fieldsOf(this.form ?? FRESH);
    for (const [name, control] of this.controls) {
      const value = fields[name];
      if (typeof value === "boolean") (control as HTMLInputElement).checked = value;
      else control.value = value;
    }
    this.grid.hidden = fields.metre !== OWN_GRID;
    this.preset.value = this.form ? "own" : "";
    this.sectionRow.hidden = true;
    this.forgive();
    this.dress();
    this.changed();
  }

  private dress(): void {
    const { form } = this;
    this.rules.hidden = form === null;
    const words = form === null ? NO_FORM : this.standing?.words || form.scheme;
    must("form-words").textContent = words;
    must("form-words").title = words;
    document.documentElement.toggleAttribute("data-form", form !== null);
  }

  private remember(): void {
    if (this.name === "") return;
    try {
      if (this.standing) localStorage.setItem(MEMORY + this.name, JSON.stringify(this.standing));
      else localStorage.removeItem(MEMORY + this.name);
    } catch {
      return; // a full or closed store only costs the form of a reload
    }
  }

  private get fields(): Fields {
    const text = (name: keyof Fields): string => this.value(name);
    const isOn = (name: keyof Fields): boolean => (this.controls.get(name) as HTMLInputElement).checked;
    return {
      scheme: text("scheme"),
      strictness: text("strictness"),
      syllables: text("syllables"),
      metre: text("metre"),
      grid: text("grid"),
      internal: isOn("internal"),
      include: text("include"),
      exclude: text("exclude"),
      explicit: isOn("explicit"),
      dataset: text("dataset"),
      n: text("n"),
      mode: text("mode"),
      alternatives: text("alternatives"),
    };
  }

  private value(name: keyof Fields): string {
    return this.controls.get(name)?.value ?? "";
  }

  private get grid(): HTMLElement {
    return this.controls.get("grid")?.closest<HTMLElement>(".form-field") ?? must("form-panel");
  }

  private layOut(): void {
    const feet: [string, string][] = [["", "Free"], ...FEET.map((foot): [string, string] => [foot, foot[0]?.toUpperCase() + foot.slice(1)]), [OWN_GRID, "Your own grid"]];
    const put = <T extends Control>(name: keyof Fields, control: T): T => {
      this.controls.set(name, control);
      return control;
    };
    const schemes = el("datalist", { id: "form-schemes" }, ...SCHEMES.map((scheme) => el("option", { value: scheme })));
    const scheme = put("scheme", input("form-scheme", { list: schemes.id, placeholder: "AABB", autocapitalize: "characters" }));
    const rest = el(
      "div",
      {},
      field("Must have", put("include", input("form-include", { placeholder: "midnight, low" })), "words, with commas"),
      field("Must not have", put("exclude", input("form-exclude", { placeholder: "baby, heart" })), "words, with commas"),
      check("Explicit words are allowed", put("explicit", input("form-explicit", { type: "checkbox" }))),
      pair(
        field("No copies of", put("dataset", input("form-dataset", { placeholder: "a data set" })), "empty: not compared"),
        field("Words in a row", put("n", select("form-n", [4, 5, 6, 7, 8].map((n): [string, string] => [String(n), `fewer than ${n}`])))),
      ),
      pair(
        field("Written", put("mode", select("form-mode", [["crafted", "With care, ranked"], ["fast", "Fast, as it comes"]]))),
        field("Alternatives", put("alternatives", select("form-alternatives", [1, 2, 3, 4, 5, 6, 8, 10].map((n): [string, string] => [String(n), String(n)])))),
      ),
    );
    this.rules.append(
      schemes,
      pair(field("Scheme", scheme, "X rhymes not"), field("Rhymes", put("strictness", select("form-strictness", STRICTNESSES)))),
      pair(field("Syllables", put("syllables", input("form-syllables", { placeholder: "any" })), "12, 11-13 or 8-6-8-6"), field("Metre", put("metre", select("form-metre", feet)))),
      field("Grid", put("grid", input("form-grid", { placeholder: "x/x/x/x/" })), "x weak, / strong"),
      check("A rhyme inside each line", put("internal", input("form-internal", { type: "checkbox" }))),
      el("details", { class: "form-rest", id: "form-rest" }, el("summary", { id: "form-rest-open" }, "Words, originality, how it is written"), rest),
    );
    const none = button("form-none", "No form", "button small quiet", () => this.drop());
    this.rules.append(none);
    this.preset.append(el("optgroup", { label: "Presets" }, ...this.presets.map(({ name, words }) => el("option", { value: name, title: words }, name))));
    must("form-panel").replaceChildren(field("Form", this.preset), this.sectionRow, this.rules);
  }

  private drop(): void {
    this.stand(null);
    this.fill();
    this.preset.focus();
  }
}

/** The presets that the server has put into the page. */
function songs(): Preset[] {
  return JSON.parse(must("form-panel").dataset["presets"] ?? "[]") as Preset[];
}

function recalled(name: string): Standing | null {
  try {
    return JSON.parse(localStorage.getItem(MEMORY + name) ?? "null") as Standing | null;
  } catch {
    return null;
  }
}

function input(id: string, attributes: Record<string, string>): HTMLInputElement {
  return el("input", { id, type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
}

function select(id: string, options: [string, string][]): HTMLSelectElement {
  return el("select", { id }, ...options.map(([value, label]) => el("option", { value }, label)));
}

function field(label: string, control: Control, hint = ""): HTMLElement {
  return el("div", { class: "form-field" }, el("label", { for: control.id }, label, ...(hint ? [el("small", {}, hint)] : [])), control);
}

function check(label: string, control: Control): HTMLElement {
  return el("label", { class: "form-check" }, control, label);
}

function pair(...fields: HTMLElement[]): HTMLElement {
  return el("div", { class: "form-pair" }, ...fields);
}
