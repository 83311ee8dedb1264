// The pages beside the studio (log in, sign up, errors): only the theme moves there.

import { label, listen } from "./theme.ts";

listen();
const toggle = document.getElementById("theme-toggle");
if (toggle) label(toggle);
