// The message list: selection, keyboard, windows of a long list, groups, drag.
//
// Contract
//   <section class="col lc" id="list" data-title="Posteingang" data-href="{address of this list}">
//     <div class="bar" data-bar="normal"> <input type="checkbox" data-check="all" aria-label="Alle auswählen"> <h1>…
//     <div class="bar" data-bar="selection" hidden> <input type="checkbox" checked data-check="none" aria-label="…">
//       <h1 data-selected></h1> <button class="ib" form="do" name="op" value="archive" data-op …>…        (actions.ts)
//     <div class="filters" role="group"> <a class="chip" href="?filter=unread" aria-pressed="false" hx-get …>
//     <form id="do" method="post" action="/mail/do"> {token} <input type="hidden" name="from" value="{folder}">
//        <input type="hidden" name="filter" value="unread,attachment"> <input type="hidden" name="state" value="{modseq}">
//     </form>
//     <div class="listbox"> <button class="newpill" data-pill hidden></button>
//     <div class="list" id="rows" role="grid" data-c="mail-list" aria-label="Posteingang" aria-multiselectable="true"
//          aria-rowcount="{total}" data-folder="{folder}" data-rows="/mail/{folder}/rows" data-query="filter=unread&sort=…"
//          data-total="{total}" data-modseq="{modseq}">
//       <div class="win" data-offset="0" data-count="50"> rows and group heads </div>
//     </div></div>
//     <nav class="pages"> links "Neuere", "Ältere" for pages without scripts </nav>
//   </section>
//     <div class="allbar" data-all hidden><button type="button" class="link">Alle 1 284 Nachrichten in „…“ auswählen</button></div>
//       (stands above .listbox; shown when all loaded rows are ticked and there are more)
//   GET {data-rows}?offset=50&{data-query}[&limit=50][&at={data-first or data-last}&dir=newer|older] answers <div class="win" data-offset="50" data-total="{total}"> … </div>
//   (also when there are fewer rows or none). Any offset may be asked for: rows that were moved away since make them odd.
//   Empty lists have no .list but ui::empty in .listbox.
//   The address of the page itself takes ?offset= for the links without scripts.
//
//   Group head:  <div class="grp" role="row" data-group="today"><span role="gridcell">Heute</span></div>
//     A window names the group of its first row again; the script hides the second head of one group.
//
//   Row (a conversation or a message; ids are opaque to the script and say by themselves which of the two they mean):
//   <div class="row un" role="row" id="r-{id}" data-id="{id}" data-m="{message} {message}" data-href="/mail/{folder}/{id}"
//        data-unread data-star tabindex="-1" aria-rowindex="{offset+1}" aria-selected="false" draggable="true">
//     <div class="mk" role="gridcell"><i></i><input type="checkbox" form="do" name="ids" value="{id}" tabindex="-1"
//          aria-label="Auswählen: {subject}"></div>
//     <div class="rb" role="gridcell"><span class="vh">Ungelesen.</span>      (only when unread)
//       <a class="open" href="/mail/{folder}/{id}" tabindex="-1" hx-get="/mail/{folder}/{id}" hx-target="#reader"
//          hx-swap="outerHTML" hx-push-url="true" hx-preload="mousedown">
//         <span class="l1"><span class="from ell">…</span><span class="n">3</span><time class="num" datetime title>10:42</time></span>
//         <span class="l2"><span class="sj ell grow">…</span><span class="ic">icons</span></span>
//         <span class="l3"><span class="ell grow">snippet</span><span class="tag k1">Arbeit</span></span></a></div>
//     <div class="hv" role="gridcell"> <button class="ib" form="do" name="one" value="archive:{id}" aria-label="…">…
//       (archive, delete, read or unread; `one` = op:id for this row alone, whatever is ticked) </div>
//     <div class="sc" role="gridcell"><button class="st" form="do" name="one" value="star:{id}" aria-pressed="false" …></div>
//   </div>
//   .un, data-unread: unread. data-star: starred. [aria-selected=true]: ticked or open.

import htmx from "htmx.org";
import type { Controller } from "./core";
import { get } from "./net";
import { announce, page, phone, t } from "./page";

const WINDOW = 50;
const KEPT_ROWS = 400;

/** Ids of ticked rows; `all` adds every row of the list, loaded or not. */
export const picked = new Set<string>();
export let all = false;
let anchor: string | null = null;
let stale = false;

export const grid = () => document.getElementById("rows");
export const rows = (): HTMLElement[] => [...(grid()?.querySelectorAll<HTMLElement>(".row:not(.gone)") ?? [])];
export const rowOf = (id: string) => document.getElementById(`r-${id}`);
const idOf = (row: HTMLElement) => row.dataset.id ?? "";
export const openRow = () => rowOf(document.getElementById("reader")?.dataset.row ?? "");

/** The row that has the keyboard, the open one, or the first. */
export function current(): HTMLElement | null {
  const focused = document.activeElement?.closest<HTMLElement>("#rows .row");
  return focused ?? grid()?.querySelector<HTMLElement>(".row[tabindex='0']:not(.gone)") ?? openRow() ?? null;
}

/** What an action is meant for: the ticked rows, else the open conversation's row, else the current one. */
export function targets(): string[] {
  if (picked.size) return [...picked];
  const row = document.activeElement?.closest("#rows") ? current() : openRow() ?? current();
  return row ? [idOf(row)] : [];
}

export function clear(): void {
  picked.clear();
  all = false;
  paint();
}

/** Brings the rows in line with what is ticked and open; renumbers; folds repeated heads. */
export function paint(): void {
  const list = grid();
  const section = document.getElementById("list");
  if (!section) return;
  const open = document.getElementById("reader")?.dataset.row;
  let at = Number(list?.querySelector<HTMLElement>(".win")?.dataset.offset ?? 0);
  let focusable: HTMLElement | null = null;
  const shown = rows();
  for (const row of shown) {
    const on = all || picked.has(idOf(row));
    const box = row.querySelector<HTMLInputElement>(".mk input");
    if (box) box.checked = on;
    row.classList.toggle("sel", on);
    row.classList.toggle("cur", idOf(row) === open);
    row.ariaSelected = String(on || idOf(row) === open);
    row.ariaRowIndex = String(++at);
    if (row.tabIndex === 0) focusable ??= row;
  }
  focusable ??= (open ? rowOf(open) : null) ?? shown[0] ?? null;
  for (const row of shown) row.tabIndex = row === focusable ? 0 : -1;
  heads();
  list?.classList.toggle("picking", picked.size > 0);
  const count = all ? Number(list?.dataset.total ?? 0) : picked.size;
  const bar = (name: string) => section.querySelector<HTMLElement>(`[data-bar=${name}]`);
  const selection = bar("selection");
  if (selection) {
    selection.hidden = count === 0;
    const normal = bar("normal");
    if (normal) normal.hidden = count > 0;
    const label = selection.querySelector("[data-selected]");
    if (label && count) label.textContent = t("selected", count);
    const none = selection.querySelector<HTMLInputElement>("[data-check=none]");
    if (none) none.checked = true;
  }
  const tick = section.querySelector<HTMLInputElement>("[data-check=all]");
  if (tick) tick.checked = false;
  const offer = section.querySelector<HTMLElement>("[data-all]");
  if (offer) offer.hidden = all || !shown.length || picked.size < shown.length || Number(list?.dataset.total ?? 0) <= shown.length;
}

function heads(): void {
  let before = "";
  let head: HTMLElement | null = null;
  for (const node of grid()?.querySelectorAll<HTMLElement>(".grp, .row:not(.gone)") ?? []) {
    if (!node.matches(".grp")) {
      if (head) { head.hidden = head.dataset.group === before; before = head.dataset.group ?? ""; head = null; }
    } else {
      if (head) head.hidden = true;
      head = node;
    }
  }
  if (head) head.hidden = true;
}

export function toggle(row: HTMLElement, on = !picked.has(idOf(row))): void {
  all = false;
  if (on) picked.add(idOf(row)); else picked.delete(idOf(row));
  anchor = idOf(row);
  paint();
}

function range(to: HTMLElement): void {
  const list = rows();
  const a = list.findIndex((r) => idOf(r) === anchor), b = list.indexOf(to);
  if (a < 0) return toggle(to, true);
  for (const row of list.slice(Math.min(a, b), Math.max(a, b) + 1)) picked.add(idOf(row));
  paint();
}

export function focusRow(row: HTMLElement | null | undefined): void {
  if (!row) return;
  for (const other of rows()) other.tabIndex = other === row ? 0 : -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

/** Moves the keyboard by `by` rows; with `extend` the rows on the way are ticked. Opens nothing. */
export function step(by: number, extend = false): void {
  const list = rows();
  const from = current();
  const at = from ? list.indexOf(from) : -1;
  const next = list[Math.max(0, Math.min(list.length - 1, from && document.activeElement !== document.body || at >= 0 ? at + by : 0))];
  if (!next) return;
  if (extend) {
    if (from) picked.add(idOf(from));
    picked.add(idOf(next));
    anchor ??= idOf(from ?? next);
    paint();
  }
  focusRow(next);
}

/** The neighbour of a row that is about to go, as the user has set: older, newer, or none. */
export function neighbour(row: HTMLElement, going: Set<string>): HTMLElement | null {
  const list = rows();
  const at = list.indexOf(row);
  const older = list.slice(at + 1).find((r) => !going.has(idOf(r)));
  const newer = list.slice(0, at).reverse().find((r) => !going.has(idOf(r)));
  switch (page().client.after) {
    case "older": return older ?? newer ?? null;
    case "newer": return newer ?? older ?? null;
    default: return null;
  }
}

export function open(row: HTMLElement | null | undefined): void {
  row?.querySelector<HTMLElement>("a.open")?.click();
}

/** Shows the reader's empty state, at the folder's own address. */
export function closeReader(): void {
  const empty = document.querySelector<HTMLTemplateElement>("#reader-empty");
  const now = document.getElementById("reader");
  if (!empty || !now || !now.dataset.row) return;
  now.replaceWith(empty.content.cloneNode(true));
  const panes = document.getElementById("panes");
  if (panes) panes.dataset.pane = "list";
  paint();
}

// --- windows of a long list ---------------------------------------------------------------------------------------

const rowHeight = () => rows()[0]?.offsetHeight || 76;
const wins = () => [...(grid()?.querySelectorAll<HTMLElement>(".win") ?? [])];
const heightOf = (win: HTMLElement) => [...win.children].reduce((sum, c) => sum + (c as HTMLElement).offsetHeight, 0);
const first = () => Number(wins()[0]?.dataset.offset ?? 0);
const past = () => first() + rows().length;
const total = () => Number(grid()?.dataset.total ?? 0);

function spacer(list: HTMLElement, where: "top" | "bottom"): HTMLElement {
  let found = list.querySelector<HTMLElement>(`:scope > .sp[data-at=${where}]`);
  if (!found) {
    found = document.createElement("div");
    found.className = "sp";
    found.dataset.at = where;
    found.role = "presentation";
    if (where === "top") list.prepend(found); else list.append(found);
  }
  return found;
}

function space(): void {
  const list = grid();
  if (!list) return;
  const height = rowHeight();
  spacer(list, "top").style.height = `${first() * height}px`;
  spacer(list, "bottom").style.height = `${Math.max(0, total() - past()) * height}px`;
}

let loading = false;

async function load(offset: number, where: "before" | "after" | "instead"): Promise<void> {
  const list = grid();
  if (!list || loading) return;
  loading = true;
  const query = list.dataset.query ? `&${list.dataset.query}` : "";
  const limit = where === "before" ? `&limit=${Math.min(WINDOW, first() - offset)}` : "";
  // Next to a window by the row it ends with, anywhere else by number.
  const beside = where === "before" ? wins()[0]?.dataset.first : where === "after" ? wins().at(-1)?.dataset.last : undefined;
  const at = beside ? `&at=${beside}&dir=${where === "before" ? "newer" : "older"}` : "";
  const answer = await get(`${list.dataset.rows}?offset=${offset}${limit}${at}${query}`);
  const made = document.createElement("template");
  if (answer?.ok) made.innerHTML = await answer.text();
  loading = false;
  const win = made.content.querySelector<HTMLElement>(".win");
  if (!win || !list.isConnected) return;
  if (win.dataset.total) list.dataset.total = win.dataset.total;
  for (const row of win.querySelectorAll<HTMLElement>(".row")) if (rowOf(idOf(row)) && where !== "instead") row.remove();
  const top = list.scrollTop;
  const focused = document.activeElement?.closest("#rows .row")?.id;
  if (where === "instead") {
    wins().forEach((w) => w.remove());
    spacer(list, "top").after(win);
  } else if (where === "after") {
    if (!win.querySelector(".row")) list.dataset.total = String(past());
    spacer(list, "bottom").before(win);
    while (rows().length > KEPT_ROWS && wins().length > 1) wins()[0]!.remove();
  } else {
    const before = spacer(list, "top").offsetHeight;
    spacer(list, "top").after(win);
    while (rows().length > KEPT_ROWS && wins().length > 1) wins().at(-1)!.remove();
    space();
    list.scrollTop = top + heightOf(win) - (before - spacer(list, "top").offsetHeight);
  }
  htmx.process(win);
  space();
  paint();
  if (focused && where === "instead") document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Loads what the viewport needs: the next window, the one before, or after a jump the one in the middle of it. */
function fill(): void {
  const list = grid();
  if (!list || loading || !wins().length) return;
  const view = list.clientHeight, top = list.scrollTop;
  const from = spacer(list, "top").offsetHeight;
  const to = list.scrollHeight - spacer(list, "bottom").offsetHeight;
  if (top + view < from || top > to) {
    void load(Math.max(0, Math.floor(top / rowHeight() / WINDOW) * WINDOW), "instead");
  } else if (past() < total() && top + view * 2 > to) void load(past(), "after");
  else if (first() > 0 && top - view < from) void load(Math.max(0, first() - WINDOW), "before");
  if (top < 10 && stale) refresh();
}

/** Fetches again what is shown. A list that was scrolled keeps its place; its head follows when it is at the top. */
export function refresh(): void {
  const list = grid();
  const section = document.getElementById("list");
  if (!section) return;
  if (!list || (first() === 0 && wins().length === 1)) {
    stale = false;
    const address = section.dataset.href ?? section.getAttribute("hx-get") ?? location.pathname + location.search;
    void htmx.ajax("GET", address, { source: section, target: section, swap: "outerMorph" });
    return;
  }
  stale = true;
  const seen = Math.max(0, Math.floor(list.scrollTop / rowHeight() / WINDOW) * WINDOW);
  void load(seen, "instead");
}

/** New mail: at the top the list takes it in, below a pill says so. */
export function arrived(n: number): void {
  const list = grid();
  if (!list || list.scrollTop < 10) refresh();
  else {
    const pill = document.querySelector<HTMLButtonElement>("[data-pill]");
    if (pill) {
      const sum = Number(pill.dataset.n ?? 0) + n;
      pill.dataset.n = String(sum);
      pill.textContent = sum === 1 ? t("new-one") : t("new", sum);
      pill.hidden = false;
    }
    stale = true;
  }
  announce(n === 1 ? t("new-one") : t("new", n));
}

// --- the controller -------------------------------------------------------------------------------------------------

export const mailList: Controller = (list, signal) => {
  picked.clear();
  all = false;
  anchor = null;
  stale = false;
  space();
  paint();
  list.addEventListener("scroll", () => requestAnimationFrame(fill), { signal, passive: true });
  new ResizeObserver(() => { space(); fill(); }).observe(list);
  list.addEventListener("click", (e) => {
    const row = (e.target as Element).closest<HTMLElement>(".row");
    if (!row) return;
    const box = (e.target as Element).closest(".mk");
    if (e.shiftKey) { e.preventDefault(); e.stopPropagation(); range(row); }
    else if (box || e.ctrlKey || e.metaKey) {
      if (!(e.target instanceof HTMLInputElement)) e.preventDefault();
      e.stopPropagation();
      toggle(row);
    } else if (!(e.target as Element).closest("a, button")) open(row);
  }, { signal, capture: true });
  touch(list, signal);
};

/** Fingers: a long press ticks, a swipe to the right archives, to the left deletes. */
function touch(list: HTMLElement, signal: AbortSignal): void {
  let row: HTMLElement | null = null, x = 0, y = 0, dx = 0, timer = 0;
  list.addEventListener("touchstart", (e) => {
    const at = e.touches[0];
    row = (e.target as Element).closest<HTMLElement>(".row");
    if (!row || !at || e.touches.length > 1) { row = null; return; }
    x = at.clientX; y = at.clientY; dx = 0;
    const pressed = row;
    timer = window.setTimeout(() => { toggle(pressed); row = null; }, 500);
  }, { signal, passive: true });
  list.addEventListener("touchmove", (e) => {
    const at = e.touches[0];
    if (!row || !at) return;
    dx = at.clientX - x;
    if (Math.abs(at.clientY - y) > 12 && Math.abs(dx) < 24) { clearTimeout(timer); row = null; return; }
    if (Math.abs(dx) > 12) { clearTimeout(timer); row.style.transform = `translateX(${dx}px)`; }
  }, { signal, passive: true });
  const end = () => {
    clearTimeout(timer);
    if (!row) return;
    const done = row;
    row = null;
    done.style.transform = "";
    if (Math.abs(dx) > Math.min(140, done.offsetWidth / 3)) {
      list.dispatchEvent(new CustomEvent("mail:act", { bubbles: true, detail: { op: dx > 0 ? "archive" : "delete", ids: [idOf(done)] } }));
    }
  };
  list.addEventListener("touchend", end, { signal });
  list.addEventListener("touchcancel", () => { dx = 0; end(); }, { signal });
  list.addEventListener("contextmenu", (e) => { if (phone.matches) e.preventDefault(); }, { signal });
}

export function startList(): void {
  // Capture: the list decides how it refreshes, whatever else listens.
  window.addEventListener("mail:list", (e) => { e.stopImmediatePropagation(); refresh(); }, { capture: true });
  document.addEventListener("click", (e) => {
    const target = e.target as Element;
    if (target.closest("[data-check=all]")) { rows().forEach((r) => picked.add(idOf(r))); paint(); }
    else if (target.closest("[data-check=none]")) clear();
    else if (target.closest("[data-all]")) { all = true; paint(); }
    else if (target.closest("[data-pill]")) {
      const pill = target.closest<HTMLElement>("[data-pill]")!;
      pill.hidden = true;
      delete pill.dataset.n;
      grid()?.scrollTo({ top: 0 });
      if (first() > 0) void load(0, "instead").then(refresh); else refresh();
    }
  });
  document.addEventListener("htmx:after:swap", () => { space(); paint(); requestAnimationFrame(fill); });
}
