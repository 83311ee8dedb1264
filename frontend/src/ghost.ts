// The studio's bundle: Dash loads it before it draws the page, and finds the clientside callbacks under `ghost`.

import { callbacks, showAway } from "./callbacks.ts";
import * as cards from "./cards.ts";
import * as comparing from "./comparing.ts";
import * as datasets from "./datasets.ts";
import * as drawers from "./drawers.ts";
import * as rooms from "./rooms.ts";
import * as theme from "./theme.ts";

window.dash_clientside = Object.assign(window.dash_clientside ?? {}, { ghost: callbacks });
theme.listen();
drawers.listen();
rooms.listen();
datasets.listen();
cards.listen();
comparing.listen();

// Dash says nothing when the request that opens a lyric finds no server: look for ourselves.
const PATIENCE_MS = 12_000;
window.setTimeout(() => {
  if (document.getElementById("sheet")) showAway("The studio does not answer. What you wrote is kept in this browser.");
}, PATIENCE_MS);
