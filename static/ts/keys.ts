// Keyboard (ui.md 8). Matched by character, so they fit every layout; never in fields; switched by the user's setting.
//
// Contract: data-key="r" on a button or link (two letters with a blank for sequences: "g i"). Pressing it clicks the last visible
// one. The list's own keys and those of actions are here. After a mouse click on something with a key, the key is shown
// for 1.5 s, so that one learns it in passing.
// (A table of modifiers does not do: `#` and `/` need Shift on one layout and not on another.)

import { byKey } from "./actions";
import * as list from "./list";
import { el, page, typing, visible } from "./page";
import { help, palette } from "./palette";
import { neighbour } from "./reader";
import { undo } from "./toast";

let pending = "";
let pendingTimer = 0;

const starred = () => list.rowOf(list.targets()[0] ?? "")?.hasAttribute("data-star");
const unread = () => list.rowOf(list.targets()[0] ?? "")?.hasAttribute("data-unread");
const inList = () => document.activeElement?.closest("#rows") !== null;
const reading = () => !!document.getElementById("reader")?.dataset.row && !inList();

const KEYS: Record<string, () => void> = {
  j: () => (reading() ? neighbour(1) : list.step(1)),
  k: () => (reading() ? neighbour(-1) : list.step(-1)),
  J: () => list.step(1, true),
  K: () => list.step(-1, true),
  o: () => list.open(list.current()),
  x: () => { const row = list.current(); if (row) list.toggle(row); },
  z: () => void undo(),
  "/": () => { const field = document.getElementById("q") as HTMLInputElement | null; field?.focus(); field?.select(); },
  "?": help,
  n: () => message(1),
  p: () => message(-1),
};

const ACTS: Record<string, () => void> = {
  e: () => { if (document.querySelector("button[name=op][value=archive]")) byKey("archive"); },
  "#": () => byKey("delete"),
  Delete: () => byKey("delete"),
  "!": () => byKey(document.querySelector("button[name=op][value=notjunk]") ? "notjunk" : "junk"),
  s: () => byKey(starred() ? "unstar" : "star"),
  u: () => byKey(unread() ? "read" : "unread"),
};

const IN_GRID: Record<string, () => void> = {
  ArrowDown: () => list.step(1),
  ArrowUp: () => list.step(-1),
  Home: () => list.step(-1e6),
  End: () => list.step(1e6),
  " ": () => { const row = list.current(); if (row) list.toggle(row); },
  Enter: () => list.open(list.current()),
};

/** To the next or previous message of the open conversation. */
function message(by: number): void {
  const all = [...document.querySelectorAll<HTMLElement>("#reader .msg")];
  const top = document.querySelector(".read")?.getBoundingClientRect().top ?? 0;
  const at = all.findIndex((m) => m.getBoundingClientRect().bottom > top + 8);
  const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
  if (next instanceof HTMLDetailsElement) next.open = true;
  next?.scrollIntoView({ block: "start" });
}

/** Does what a key means; true when it meant something. Also called for keys pressed inside a mail's frame. */
export function handle(e: KeyboardEvent): boolean {
  const mode = page().client.keys;
  const ctrl = e.ctrlKey || e.metaKey;
  if (ctrl && !e.altKey && e.key.toLowerCase() === "k" && !e.shiftKey) { palette(); return true; }
  if (e.isComposing || e.altKey || document.querySelector("dialog[open]")) return false;
  if (ctrl) {
    if (e.key === "a" && inList()) { list.rows().forEach((row) => list.picked.add(row.dataset.id ?? "")); list.paint(); return true; }
    if (e.key === "z" && !typing(e.target)) { void undo(); return true; }
    return false;
  }
  if (typing(e.target) || mode === "off") return false;
  if (inList() && e.target instanceof Element && !e.target.closest("button, input, a:not(.open)")) {
    const run = IN_GRID[e.key];
    if (run) { run(); return true; }
  }
  if (e.key === "Escape") return escape();
  if (mode === "lists" && !inList()) return false;
  if (e.target instanceof Element && e.target.closest("button, summary, a") && (e.key === " " || e.key === "Enter")) return false;
  const sequence = pending + e.key;
  clearTimeout(pendingTimer);
  pending = "";
  // What acts on messages knows by itself which ones: the ticked before the open.
  const acts = ACTS[e.key];
  if (acts && !sequence.includes(" ") && document.getElementById("list")) { acts(); return true; }
  const button = byDataKey(sequence) ?? byDataKey(e.key);
  if (button) { button.click(); return true; }
  if (e.key === "g") {
    pending = "g ";
    pendingTimer = window.setTimeout(() => { pending = ""; }, 1200);
    return true;
  }
  const run = KEYS[e.key];
  if (!run || (!document.getElementById("list") && !["/", "?", "z"].includes(e.key))) return false;
  run();
  return true;
}

function byDataKey(key: string): HTMLElement | undefined {
  const found = [...document.querySelectorAll<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)].filter(visible);
  return (list.picked.size ? found.find((node) => node.closest("[data-bar=selection]")) : undefined) ?? found.at(-1);
}

function escape(): boolean {
  if (list.picked.size) { list.clear(); return true; }
  const back = document.querySelector<HTMLElement>("#reader [data-back]");
  if (back && visible(back)) { back.click(); return true; }
  if (reading()) { list.focusRow(list.openRow()); return true; }
  return false;
}

export function startKeys(): void {
  document.addEventListener("keydown", (e) => { if (!e.defaultPrevented && handle(e)) e.preventDefault(); });
  document.addEventListener("click", (e) => {
    if ((e.target as Element).closest("a[href='/help/keys']") && !e.ctrlKey && !e.metaKey) { e.preventDefault(); help(); return; }
    const button = (e.target as Element).closest<HTMLElement>("[data-key]");
    if (!button || e.detail === 0 || page().client.keys === "off" || matchMedia("(pointer: coarse)").matches) return;
    const at = button.getBoundingClientRect();
    const shown = el("kbd", { class: "keyflash", "aria-hidden": "true" }, button.dataset.key ?? "");
    shown.style.left = `${at.right - 8}px`;
    shown.style.top = `${at.bottom - 8}px`;
    document.body.append(shown);
    setTimeout(() => shown.remove(), 1500);
  });
}
