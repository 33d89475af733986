// Contrast of the design tokens (WCAG 2.2 1.4.3 and 1.4.11): every pair of text and ground that the sheets use, in light and dark.
// Exits 1 when one is too weak.

import fs from "node:fs";

const css = fs.readFileSync(new URL("./css/tokens.css", import.meta.url), "utf8");
const tokens = new Map([...css.matchAll(/(--[\w-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)/g)].map((m) => [m[1], [m[2], m[3]]]));

function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const grounds = ["surface", "canvas", "sidebar", "selected", "hover", "sunken", "raised", "active"];
const pairs = ["text", "text-2", "text-3"].flatMap((text) => grounds.map((ground) => [text, ground, 4.5]));
pairs.push(
  ["on-fill", "fill", 4.5], ["on-fill", "fill-hover", 4.5], ["fill", "surface", 3], ["fill", "canvas", 3], ["accent-text", "surface", 4.5], ["accent-text", "raised", 4.5],
  ["accent-text", "accent-soft", 4.5], ["accent-text", "selected", 4.5], ["danger", "surface", 4.5], ["danger", "hover", 4.5], ["danger", "raised", 4.5], ["link", "selected", 4.5], ["link", "surface", 4.5],
  ["on-accent", "accent", 4.5], ["on-accent", "accent-hover", 4.5], ["danger-text", "danger-soft", 4.5], ["warn-text", "warn-soft", 4.5], ["ok-text", "ok-soft", 4.5],
  ["ok", "surface", 3], ["control", "surface", 3], ["control", "sidebar", 3], ["accent", "surface", 3], ["accent", "canvas", 3], ["star", "surface", 3], ["star", "selected", 3],
);
const named = pairs.map(([text, ground, need]) => [`--c-${text}`, `--c-${ground}`, need]);
for (let hue = 1; hue <= 8; hue += 1) named.push([`--h${hue}-t`, `--h${hue}-s`, 4.5], [`--h${hue}`, "--c-surface", 3]);

let weak = 0;
for (const [text, ground, need] of named) {
  const [a, b] = [tokens.get(text), tokens.get(ground)];
  if (!a || !b) { console.error(`contrast: tokens.css has no ${a ? ground : text}`); process.exit(1); }
  const found = [0, 1].map((theme) => contrast(a[theme], b[theme]));
  if (Math.min(...found) >= need) continue;
  weak += 1;
  console.error(`contrast: ${text} on ${ground} needs ${need}, has ${found[0].toFixed(2)} (light), ${found[1].toFixed(2)} (dark)`);
}
console.log(`contrast: ${named.length} pairs, ${weak} too weak`);
process.exit(weak ? 1 : 0);
