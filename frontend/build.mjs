// Bundles the browser's part into ../dashboards/assets/dist. `--test` bundles the unit tests into dist-test instead.
import { build } from "esbuild";
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

if (process.argv.includes("--test")) {
  rmSync(here("dist-test"), { recursive: true, force: true });
  const tests = readdirSync(here("test")).map((name) => here(`test/${name}`));
  await build({ entryPoints: tests, bundle: true, platform: "node", format: "esm", outdir: here("dist-test"), outExtension: { ".js": ".mjs" } });
} else {
  const outdir = here("../dashboards/assets/dist");
  rmSync(outdir, { recursive: true, force: true });
  await build({
    entryPoints: [here("src/ghost.ts"), here("src/page.ts"), here("src/ghost.css")],
    entryNames: "[name]",
    assetNames: "files/[name]-[hash]",
    bundle: true,
    minify: true,
    sourcemap: false,
    format: "iife",
    target: "es2022",
    loader: { ".woff2": "file", ".svg": "dataurl" },
    legalComments: "linked",
    outdir,
    logLevel: "info",
  });
  for (const font of ["newsreader", "instrument-sans"]) {
    copyFileSync(here(`node_modules/@fontsource-variable/${font}/LICENSE`), `${outdir}/files/${font}-OFL.txt`);
  }
}
