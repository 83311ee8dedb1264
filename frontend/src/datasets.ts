// The builder's pages where Dash is not enough: files sent with a bar each, and songs reviewed from the keyboard.
// What a key does is what its button does; the buttons, and what they mean, belong to Dash.

import { ApiError, call, cookie, type Complaint } from "./api.ts";
import { el, must } from "./dom.ts";
import { say, tell } from "./notice.ts";
import { isBuilder } from "./rooms.ts";
import { label as labelTheme } from "./theme.ts";

const KEYS: Record<string, string> = { a: "review-accept", r: "review-replace", d: "review-drop", n: "review-next", u: "review-undo" };
const PATIENCE_MS = 5_000;
const FILES = ".txt,.zip,.csv,.jsonl,.docx,.lrc";
/** The table to review, and the one to state rights in. */
const GRIDS = ["songs", "rights-songs"] as const;

/** The rows of the table, as far as the review asks for them. */
interface Grid {
  getDisplayedRowCount(): number;
  getDisplayedRowAtIndex(at: number): Row | undefined;
  getRowNode(id: string): Row | undefined;
  ensureIndexVisible(at: number): void;
  refreshInfiniteCache(): void;
  purgeInfiniteCache(): void;
}

interface Row {
  id?: string;
  data?: { id: string };
  rowIndex: number | null;
  setSelected(isSelected: boolean, clearsOthers?: boolean): void;
}

declare global {
  interface Window {
    dash_ag_grid?: { getApi(id: string): Grid | undefined };
  }
}

/** What the review asks the server to do, and which song comes after it. */
export interface Wish {
  act: string;
  song: string;
  next: string | null;
  text?: string;
  at: number;
}

function grid(id: string = GRIDS[0]): Grid | undefined {
  try {
    return document.getElementById(id) ? window.dash_ag_grid?.getApi(id) : undefined;
  } catch {
    return undefined; // the table is not drawn yet
  }
}

/** The song that stands below this one in the table as it is shown now; the first, when there is none below. */
export function songAfter(song: string | null): string | null {
  const rows = grid();
  if (!rows) return null;
  const count = rows.getDisplayedRowCount();
  const at = song === null ? -1 : (rows.getRowNode(song)?.rowIndex ?? -1);
  for (const place of [at + 1, 0]) {
    const found = place < count ? rows.getDisplayedRowAtIndex(place)?.data?.id : undefined;
    if (found !== undefined && found !== song) return found;
  }
  return null;
}

/** The same, once the table has its first rows; one that is empty has none for `PATIENCE_MS`. */
export async function songAfterSoon(song: string | null): Promise<string | null> {
  for (const since = Date.now(); Date.now() - since < PATIENCE_MS; ) {
    if (grid()?.getDisplayedRowAtIndex(0)?.data) break;
    await new Promise((resume) => window.setTimeout(resume, 50));
  }
  return songAfter(song);
}

export function wish(button: string | undefined, song: string | null, text: string | null): Wish | null {
  const act = (button ?? "").replace("review-", "").replace("replace-send", "replace");
  if (act !== "undo" && song === null) return null;
  return { act, song: song ?? "", next: act === "replace" || act === "undo" ? song : songAfter(song), ...(act === "replace" ? { text: text ?? "" } : {}), at: Date.now() };
}

/** The songs have changed on the server: the rows that are in sight are asked for again, and stay where they are. */
export function refresh(): void {
  for (const id of GRIDS) grid(id)?.refreshInfiniteCache();
}

/** Another choice of songs is shown: from the top. */
export function restart(): void {
  for (const id of GRIDS) grid(id)?.purgeInfiniteCache();
}

/** The table marks the song that is open beside it. */
export function mark(song: string | null): void {
  const row = song === null ? undefined : grid()?.getRowNode(song);
  if (!row) return;
  row.setSelected(true, true);
  if (row.rowIndex !== null) grid()?.ensureIndexVisible(row.rowIndex);
}

/** Go to another page of the builder without loading everything anew. */
function goTo(path: string): void {
  history.pushState(null, "", path);
  window.dispatchEvent(new PopStateEvent("popstate"));
}

export function shown(path: string | null): void {
  document.documentElement.toggleAttribute("data-builder", isBuilder(path));
  const toggle = document.getElementById("theme-toggle");
  if (toggle && !toggle.hasAttribute("aria-label")) labelTheme(toggle);
}

export function listen(): void {
  document.addEventListener("keydown", review);
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    if (target.closest("#upload-choose")) choose();
    if (target.closest("#review-replace")) openReplace();
  });
  for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, (event) => drag(event as DragEvent));
}

function review(event: KeyboardEvent): void {
  if (!isBuilder() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const pressed = KEYS[event.key.toLowerCase()];
  const target = event.target as HTMLElement;
  if (!pressed || document.querySelector("dialog[open]") || target.closest("input, textarea, select, [contenteditable]")) return;
  const found = document.getElementById(pressed) as HTMLButtonElement | null;
  if (!found || found.disabled) return;
  event.preventDefault();
  found.click();
}

function openReplace(): void {
  const dialog = document.getElementById("replace") as HTMLDialogElement | null;
  dialog?.showModal();
  document.getElementById("replace-text")?.focus();
}

export function closeReplace(): void {
  (document.getElementById("replace") as HTMLDialogElement | null)?.close();
}

function choose(): void {
  const files = el("input", { type: "file", id: "upload-files", accept: FILES, multiple: "", hidden: "" });
  document.getElementById("upload-files")?.remove();
  files.addEventListener("change", () => void send([...(files.files ?? [])]));
  must("upload-zone").append(files);
  files.click();
}

function drag(event: DragEvent): void {
  const zone = (event.target as Element).closest?.("#upload-zone");
  if (!zone) return;
  event.preventDefault();
  zone.toggleAttribute("data-over", event.type === "dragover");
  if (event.type === "drop") void send([...(event.dataTransfer?.files ?? [])]);
}

/** Send files one after the other; the first makes the dataset where there is none yet. */
async function send(files: File[]): Promise<void> {
  const zone = document.getElementById("upload-zone");
  if (!zone || files.length === 0) return;
  const list = must("uploads");
  const rows = files.map((file) => upload(file, list));
  let dataset = zone.dataset["dataset"] ?? "";
  let isMade = false;
  let hasArrived = false;
  for (const row of rows) {
    try {
      if (!dataset) {
        dataset = (await call<{ id: string }>("POST", "/api/v1/datasets", { name: chosenName() || nameOf(row.file) })).id;
        isMade = true;
      }
      await row.send(`/api/v1/datasets/${dataset}/uploads`);
      hasArrived = true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      row.refuse(error.message);
    }
  }
  if (isMade && !hasArrived) await call("DELETE", `/api/v1/datasets/${dataset}`).catch(() => undefined); // empty: nobody asked for it
  if (!hasArrived) return;
  tell(files.length === 1 ? "The file has arrived and is being read." : "The files have arrived and are being read.");
  if (isMade && rows.every((row) => !row.isRefused)) goTo(`/datasets/${dataset}`);
  else if (isMade) list.append(el("li", {}, el("a", { href: `/datasets/${dataset}`, id: "uploads-open" }, "Open the dataset with what has arrived")));
  else window.dash_clientside.set_props("touched", { data: Date.now() });
}

function chosenName(): string {
  return document.querySelector<HTMLInputElement>("#dataset-name")?.value.trim() ?? "";
}

export function nameOf(file: { name: string }): string {
  return file.name.replace(/\.[a-z0-9]+$/i, "").slice(0, 200) || "Uploaded songs";
}

interface Upload {
  file: File;
  isRefused: boolean;
  send(path: string): Promise<void>;
  refuse(why: string): void;
}

function upload(file: File, list: HTMLElement): Upload {
  const bar = el("progress", { max: "1", value: "0", "aria-label": `Sending ${file.name}` });
  const words = el("span", { class: "upload-words" }, "waits");
  const row = el("li", { class: "upload" }, el("strong", {}, file.name), bar, words);
  list.append(row);
  const made: Upload = {
    file,
    isRefused: false,
    send: (path) =>
      post(path, file, (share) => {
        bar.value = share;
        words.textContent = share < 1 ? `${Math.floor(share * 100)} % sent` : "sent";
      }).then(() => say(`${file.name} has arrived.`)),
    refuse: (why) => {
      made.isRefused = true;
      row.dataset["state"] = "refused";
      words.setAttribute("role", "alert");
      words.textContent = why;
      bar.remove();
    },
  };
  return made;
}

/** Only XMLHttpRequest tells how much of a body has gone out. */
function post(path: string, file: File, progress: (share: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("file", file, file.name);
    request.open("POST", path);
    request.setRequestHeader("X-CSRFToken", cookie("_csrf_token"));
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(total ? loaded / total : 0));
    request.addEventListener("load", () => {
      progress(1);
      if (request.status < 300) resolve();
      else reject(refusal(request));
    });
    request.addEventListener("error", () => reject(new ApiError(0, "unreachable", "It broke off before all had arrived; nothing of it was kept. Check the connection and send it again.")));
    request.send(body);
  });
}

function refusal(request: XMLHttpRequest): ApiError {
  let error: Complaint | undefined;
  try {
    error = (JSON.parse(request.responseText) as { error?: Complaint }).error;
  } catch {
    error = undefined; // not our own words: a proxy's
  }
  return new ApiError(request.status, error?.code ?? "refused", error?.message ?? `The server did not take this file (${request.status}).`);
}
