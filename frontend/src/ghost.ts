// The studio's bundle: Dash loads it before it draws the page, and finds the clientside callbacks under `ghost`.

import * as drawers from "./drawers.ts";
import { callbacks } from "./studio.ts";
import * as theme from "./theme.ts";

window.dash_clientside = Object.assign(window.dash_clientside ?? {}, { ghost: callbacks });
theme.listen();
drawers.listen();
