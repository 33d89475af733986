// Ctrl K: everything the page can do, by name. And the table of shortcuts.
//
// Contract: nothing of its own. Entries are the visible [data-key] elements, the buttons of open toolbars (name=op), folders,
// areas and settings links of this page, under the names they have for screen readers.

import { el, icon, t, visible } from "./page";

interface Entry { label: string; key: string; node: HTMLElement }

function entries(): Entry[] {
  const found = new Map<string, Entry>();
  for (const node of document.querySelectorAll<HTMLElement>("[data-key], #reader .bar button[name=op], [data-bar=selection] button[name=op], #folders a, .rail a.m, .side nav a, .account a")) {
    if (node.matches(".quota")) continue;
    const said = node.ariaLabel ?? (node.querySelector(".ell, .m > span") ?? node.querySelector("span:not(.bd, .c, .vh)") ?? node).textContent ?? "";
    const label = (said.trim() || node.title).replace(/ \([^)]*\)$/, "").trim();
    if (!label || (!visible(node) && !node.closest(".account"))) continue;
    found.set(label, { label, key: node.dataset.key ?? found.get(label)?.key ?? "", node });
  }
  return [...found.values()];
}

/** Letters of the query in order; earlier and closer together is better. Infinity: no match. */
function distance(label: string, query: string): number {
  const text = label.toLowerCase();
  let at = -1, far = 0;
  for (const letter of query) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return Infinity;
    far += next - at;
    at = next;
  }
  return far + (text.startsWith(query) ? -100 : text.includes(` ${query}`) ? -50 : 0);
}

const caps = (key: string) => el("span", { class: "kb" }, ...key.split(" ").filter(Boolean).map((k) => el("kbd", {}, k.length === 1 ? k.toUpperCase() : k)));

function dialog(label: string): HTMLDialogElement {
  document.querySelector("dialog.pal")?.remove();
  const box = el("dialog", { class: "pal", "aria-label": label });
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (e) => { if (e.target === box) box.close(); });
  document.body.append(box);
  return box;
}

export function palette(): void {
  const all = entries();
  const box = dialog(t("palette"));
  const field = el("input", { role: "combobox", "aria-expanded": "true", "aria-controls": "pal-list", "aria-label": t("palette"), placeholder: t("palette"), autocomplete: "off", spellcheck: "false" });
  const listed = el("ul", { id: "pal-list", role: "listbox", "aria-label": t("palette") });
  let shown: Entry[] = [], at = 0;
  const mark = () => {
    [...listed.children].forEach((item, i) => { item.ariaSelected = String(i === at); if (i === at) item.scrollIntoView({ block: "nearest" }); });
    field.setAttribute("aria-activedescendant", `pal-${at}`);
  };
  const draw = () => {
    const query = field.value.trim().toLowerCase();
    shown = all.map((entry) => ({ entry, far: distance(entry.label, query) })).filter((x) => x.far < Infinity)
      .sort((a, b) => (query ? a.far - b.far : 0)).slice(0, 12).map((x) => x.entry);
    listed.replaceChildren(...shown.map((entry, i) => {
      const item = el("li", { role: "option", id: `pal-${i}` }, entry.node.querySelector("svg.i")?.cloneNode(true) ?? icon("right"), el("span", { class: "ell grow" }, entry.label), caps(entry.key));
      item.onclick = () => choose(i);
      return item;
    }));
    at = 0;
    mark();
  };
  const choose = (i: number) => { const entry = shown[i]; box.close(); entry?.node.click(); };
  field.addEventListener("input", draw);
  field.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") at = (at + (e.key === "ArrowDown" ? 1 : shown.length - 1)) % Math.max(1, shown.length);
    else if (e.key === "Enter") choose(at);
    else return;
    e.preventDefault();
    mark();
  });
  box.append(el("div", { class: "q" }, icon("search"), field, el("kbd", {}, "Esc")), listed);
  draw();
  box.showModal();
  field.focus();
}

export function help(): void {
  const box = dialog(t("keys"));
  const line = (label: string, key: string) => el("tr", {}, el("td", {}, label), el("td", {}, caps(key)));
  const fixed: [string, string][] = [[t("palette"), `${document.documentElement.lang === "de" ? "Strg" : "Ctrl"} K`], [t("key-move"), "J K"], [t("key-open"), "Enter"], [t("key-select"), "X"], [t("key-archive"), "E"],
    [t("key-delete"), "#"], [t("key-junk"), "!"], [t("key-star"), "S"], [t("key-read"), "U"], [t("undo"), "Z"], [t("key-search"), "/"]];
  const more = entries().filter((entry) => entry.key).map((entry): [string, string] => [entry.label, entry.key]);
  box.append(el("h2", { class: "dh" }, t("keys")), el("div", { class: "db", tabindex: "0" }, el("table", {}, el("tbody", {}, ...[...fixed, ...more].map(([a, b]) => line(a, b))))));
  box.showModal();
}
