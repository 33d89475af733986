// Builds static/dist from static/{ts,css,img,icons.txt} and the packages of package-lock.json.
//
// What comes out: bundles, the icon sprite, fonts and pictures under names that carry a hash of their
// content, each text file with a .br and a .gz sibling, licences.txt (whatever ends up in a bundle must
// carry a licence we may ship) and manifest.json (plain name -> hashed name), which src/web/assets.rs reads.
//
// References between assets are written by plain name: url("/assets/@inter-latin.woff2") in CSS,
// "/assets/@editor.css" in TypeScript; they are replaced once the target has its hash.

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const modules = path.join(root, "node_modules");
const dist = path.join(here, "dist");

// Bundles that carry a promise about their size (gzip bytes); a larger one fails the build.
const BUDGET = { "app.js": 30 * 1024, "editor.js": 33 * 1024, "auth.js": 1024, "sw.js": 2 * 1024, "compose.js": 10 * 1024, "app.css": 14 * 1024, "icons.svg": 8 * 1024 };

const LICENCES = new Set(["MIT", "ISC", "0BSD", "BSD-0-Clause", "OFL-1.1", "Apache-2.0", "(MPL-2.0 OR Apache-2.0)"]);

function stop(sentence) {
  console.error(`build: ${sentence}`);
  process.exit(1);
}

if (!fs.existsSync(path.join(modules, "esbuild", "package.json"))) {
  stop("node_modules is missing. Run `npm ci --ignore-scripts` in the top folder first.");
}
const esbuild = await import("esbuild");

/** Plain name -> content, in the order in which references are resolved. */
const files = new Map();

function pictures() {
  for (const size of [180, 192, 512]) files.set(`icon-${size}.png`, fs.readFileSync(path.join(here, "img", `icon-${size}.png`)));
  files.set("favicon.svg", fs.readFileSync(path.join(here, "img", "favicon.svg")));
  const inter = path.join(modules, "@fontsource-variable", "inter", "files");
  files.set("inter-latin.woff2", fs.readFileSync(path.join(inter, "inter-latin-wght-normal.woff2")));
  files.set("inter-latin-ext.woff2", fs.readFileSync(path.join(inter, "inter-latin-ext-wght-normal.woff2")));
}

function sprite() {
  const symbols = [];
  for (const line of fs.readFileSync(path.join(here, "icons.txt"), "utf8").split("\n")) {
    if (!line || line.startsWith("#")) continue;
    const [name, from] = line.split(" ");
    const file = from.startsWith("./") ? path.join(here, from) : path.join(modules, "lucide-static", "icons", `${from}.svg`);
    if (!fs.existsSync(file)) stop(`static/icons.txt names ${from}, which lucide-static does not have.`);
    const svg = fs.readFileSync(file, "utf8").replace(/<!--.*?-->/gs, "");
    const box = svg.match(/viewBox="([^"]+)"/)[1];
    const inner = svg.replace(/^[^]*?<svg[^>]*>/, "").replace(/<\/svg>[^]*$/, "").replace(/\s*\n\s*/g, "").replaceAll(" />", "/>");
    symbols.push(`<symbol id="${name}" viewBox="${box}">${inner}</symbol>`);
  }
  files.set("icons.svg", Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`));
}

async function bundle() {
  const result = await esbuild.build({
    absWorkingDir: root,
    entryPoints: [
      "static/css/editor.css", "static/css/print.css", "static/css/app.css",
      "static/ts/sw.ts", "static/ts/auth.ts", "static/ts/editor.ts", "static/ts/compose.ts", "static/ts/app.ts",
    ],
    outdir: dist,
    entryNames: "[name]",
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: ["es2022", "chrome123", "firefox120", "safari17.5"],
    external: ["/assets/*"],
    legalComments: "none",
    logLevel: "warning",
  });
  for (const out of result.outputFiles) files.set(path.basename(out.path), Buffer.from(out.contents));
  return result.metafile;
}

/** One text with the licence of everything that ends up in what we serve. */
function licences(metafile) {
  const names = new Set(["@fontsource-variable/inter", "lucide-static"]);
  for (const input of Object.keys(metafile.inputs)) {
    const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) names.add(found[1]);
  }
  const parts = [];
  for (const name of [...names].sort()) {
    const folder = path.join(modules, name);
    const pkg = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
    if (!LICENCES.has(pkg.license)) stop(`${name} has the licence "${pkg.license}", which is not on the list of this script.`);
    const file = fs.readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
    const text = file ? fs.readFileSync(path.join(folder, file), "utf8").trim() : "";
    parts.push(`${name} ${pkg.version} (${pkg.license})\n\n${text}\n`);
  }
  files.set("licences.txt", Buffer.from(parts.join(`\n${"-".repeat(78)}\n\n`)));
}

function write() {
  fs.rmSync(dist, { recursive: true, force: true });
  fs.mkdirSync(dist, { recursive: true });
  const manifest = {};
  const over = [];
  for (const [name, raw] of files) {
    let content = raw;
    const text = /\.(js|css|svg|txt)$/.test(name);
    if (text) {
      content = Buffer.from(raw.toString("utf8").replace(/\/assets\/@([a-z0-9.-]+)/g, (_, other) => {
        if (!manifest[other]) stop(`${name} refers to ${other}, which is not an asset (or comes later).`);
        return `/assets/${manifest[other]}`;
      }));
    }
    const hash = createHash("sha256").update(content).digest("hex").slice(0, 10);
    const dot = name.lastIndexOf(".");
    const hashed = `${name.slice(0, dot)}-${hash}${name.slice(dot)}`;
    manifest[name] = hashed;
    fs.writeFileSync(path.join(dist, hashed), content);
    if (!text) continue;
    const gz = zlib.gzipSync(content, { level: 9 });
    const br = zlib.brotliCompressSync(content, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: content.length } });
    fs.writeFileSync(path.join(dist, `${hashed}.gz`), gz);
    fs.writeFileSync(path.join(dist, `${hashed}.br`), br);
    const limit = BUDGET[name];
    console.log(`${name.padEnd(14)} ${String(content.length).padStart(7)}  gz ${String(gz.length).padStart(6)}${limit ? ` of ${limit}` : ""}  br ${String(br.length).padStart(6)}`);
    if (limit && gz.length > limit) over.push(`${name} is ${gz.length} bytes gzipped, its budget is ${limit}`);
  }
  fs.writeFileSync(path.join(dist, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
  if (over.length) stop(`${over.join("; ")}.`);
}

pictures();
sprite();
licences(await bundle());
write();
