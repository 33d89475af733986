// Actions on messages: at once on the screen, then on the server, and back again when that fails. Undo.
//
// Contract: every form that goes to POST /mail/do, and every button that belongs to one.
//   fields  _t
//           from      folder of the list or conversation
//           ids       (repeated) ids of rows or messages; or all=1 with filter, q and state (the list's modseq: the
//                     server refuses with 409 when rows newer than that would be hit)
//           op        archive | delete | purge | junk | notjunk | read | unread | star | unstar
//           one       op:id, instead of op and ids: a row's own button
//           move      target folder (instead of op)
//           quiet     1: no toast (opened message is marked read)
//   answer  without HX-Request: 303 to the list with a flash message. With it: 200 and
//           HX-Trigger {"toast": {"text": "Archiviert", "undo": "{token}"}}; the body may hold <hx-partial>s.
//           Several events in one HX-Trigger object are fine. 409: stale, 4xx/5xx: rows come back.
//   delete moves to the trash, in trash and junk it is final; buttons for what is final (op=purge, or delete there)
//   carry data-confirm="question" (the dialog has the button's own label).
//   POST /undo/{token} {_t, back}: 303, or with HX-Request 200 and HX-Trigger (toast; mail:list is fired by the script).
//
//   In the reader: <form id="do-read" method="post" action="/mail/do" data-row="{id of its row}"> with from and ids of
//   the open conversation; its buttons may lie elsewhere by form="do-read". Menus for moving hold
//   <button form="…" name="move" value="{folder}">.

import htmx from "htmx.org";
import * as list from "./list";
import { post } from "./net";
import { el, page, phone, t, visible } from "./page";
import { confirmed } from "./dialog";
import { failed } from "./say";

export interface Act { op?: string; move?: string; ids: string[]; from?: string; confirm?: string; quiet?: boolean }

/** Ops after which a row is no longer in its list. */
const LEAVES = new Set(["archive", "delete", "purge", "junk", "notjunk"]);

const leaves = (act: Act) => act.move !== undefined || LEAVES.has(act.op ?? "");

/** Does `act`: on the screen at once, then on the server; back again when that fails. */
export async function act(what: Act): Promise<void> {
  if (!what.ids.length && !list.all) return;
  if (what.confirm && !(await confirmed(what.confirm))) return;
  const everything = list.all && what.ids.every((id) => list.picked.has(id));
  const form = document.querySelector<HTMLFormElement>("#do");
  const body = new URLSearchParams({ _t: page().csrf, from: what.from ?? list.grid()?.dataset.folder ?? "" });
  if (what.move !== undefined) body.set("move", what.move); else body.set("op", what.op ?? "");
  if (everything) {
    body.set("all", "1");
    for (const name of ["filter", "q", "state"]) {
      const field = form?.elements.namedItem(name);
      if (field instanceof HTMLInputElement) body.set(name, field.value);
    }
  } else what.ids.forEach((id) => body.append("ids", id));
  if (what.quiet) body.set("quiet", "1");
  const { back, done } = show(what);
  const answer = await post("/mail/do", body);
  if (!answer?.ok) {
    back();
    // 409: the list is not what it was when it was chosen from.
    if (answer?.status === 409) list.refresh();
    failed(answer && answer.status < 500 ? undefined : () => void act(what));
    return;
  }
  const text = await answer.text();
  if (text.trim()) await htmx.swap({ text, target: document.body, sourceElement: document.body, swap: "none" });
  done();
  if (everything) list.refresh();
}

/** The change on the screen; `back` takes it back, `done` lets go of what left. */
function show(what: Act): { back: () => void; done: () => void } {
  const rows = what.ids.map(list.rowOf).filter((row) => row !== null);
  const undo: (() => void)[] = [];
  let kept = true;
  if (leaves(what)) {
    const going = new Set(what.ids);
    const opened = document.getElementById("reader")?.dataset.row ?? "";
    const openRow = list.rowOf(opened);
    const next = openRow && going.has(opened) ? list.neighbour(openRow, going) : null;
    const focused = document.activeElement?.closest<HTMLElement>("#rows .row");
    const focus = focused && going.has(focused.dataset.id ?? "") ? list.neighbour(focused, going) ?? list.rows().find((r) => !going.has(r.dataset.id ?? "")) : null;
    const grid = list.grid();
    const total = Number(grid?.dataset.total ?? 0);
    for (const row of rows) {
      row.classList.add("out");
      const timer = setTimeout(() => { row.classList.replace("out", "gone"); if (!kept) row.remove(); list.paint(); }, matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 160);
      undo.push(() => { clearTimeout(timer); row.classList.remove("out", "gone"); });
    }
    if (grid) {
      grid.dataset.total = String(Math.max(0, total - rows.length));
      undo.push(() => { grid.dataset.total = String(total); });
    }
    list.clear();
    if (opened && going.has(opened)) {
      if (next && !phone.matches) list.open(next); else closeToList();
    }
    if (focus) list.focusRow(focus);
  } else {
    for (const row of rows) undo.push(flag(row, what.op ?? ""));
    if (what.op === "star" || what.op === "unstar") undo.push(...stars(what));
  }
  return {
    back: () => { undo.forEach((one) => one()); list.paint(); },
    done: () => { kept = false; rows.forEach((row) => { if (row.matches(".gone")) row.remove(); }); },
  };
}

function closeToList(): void {
  const href = document.querySelector<HTMLAnchorElement>("#reader [data-back]")?.href ?? document.getElementById("list")?.dataset.href;
  if (href) history.pushState({ htmx: true }, "", href);
  list.closeReader();
}

/** Marks a row; returns what takes it back. */
export function flag(row: HTMLElement, op: string): () => void {
  const before = [row.className, row.hasAttribute("data-unread"), row.hasAttribute("data-star")] as const;
  const set = (unread: boolean, star: boolean) => {
    row.classList.toggle("un", unread);
    row.toggleAttribute("data-unread", unread);
    row.toggleAttribute("data-star", star);
    const spoken = row.querySelector<HTMLElement>(".rb > .vh");
    if (spoken) spoken.hidden = !unread;
    else if (unread) row.querySelector(".rb")?.prepend(el("span", { class: "vh" }, t("unread")));
    const id = row.dataset.id ?? "";
    for (const button of row.querySelectorAll<HTMLButtonElement>("button[name=one]")) {
      const [kind] = button.value.split(":");
      if (kind === "star" || kind === "unstar") { button.ariaPressed = String(star); button.value = `${star ? "unstar" : "star"}:${id}`; }
      if (kind === "read" || kind === "unread") button.value = `${unread ? "read" : "unread"}:${id}`;
    }
  };
  set(op === "read" ? false : op === "unread" ? true : before[1], op === "star" ? true : op === "unstar" ? false : before[2]);
  return () => set(before[1], before[2]);
}

/** The star buttons of the open conversation: of one message (name=one), or of all of it. */
function stars(what: Act): (() => void)[] {
  const buttons = [...document.querySelectorAll<HTMLButtonElement>("#reader button")].filter((button) => {
    const [kind = "", id = ""] = button.name === "one" ? button.value.split(":") : [button.value, document.getElementById("reader")?.dataset.row];
    return (kind === "star" || kind === "unstar") && what.ids.includes(id);
  });
  const set = (button: HTMLButtonElement, star: boolean) => {
    if (button.ariaPressed !== null) button.ariaPressed = String(star);
    button.value = button.value.replace(/^(un)?star/, star ? "unstar" : "star");
  };
  return buttons.map((button) => {
    const star = what.op === "star";
    set(button, star);
    return () => set(button, !star);
  });
}

/** An op by its key: on what list.targets() says, through the visible button for it (which knows what it asks first). */
export function byKey(op: string): void {
  const ids = list.targets();
  if (!ids.length) return;
  const button = [...document.querySelectorAll<HTMLButtonElement>(`button[name=op][value=${op}]`)].find(visible);
  const confirm = button?.dataset.confirm;
  void act({ op, ids, ...(confirm ? { confirm } : {}) });
}

const ownForm = (form: HTMLFormElement) => new URL(form.action, location.href).pathname === "/mail/do";

export function startActions(): void {
  document.addEventListener("submit", (e) => {
    const form = e.target as HTMLFormElement;
    if (!ownForm(form) || e.defaultPrevented) return;
    const button = (e as SubmitEvent).submitter as HTMLButtonElement | null;
    if (!button) return;
    e.preventDefault();
    const data = new FormData(form);
    const from = String(data.get("from") ?? "");
    const confirm = button.dataset.confirm ? { confirm: button.dataset.confirm } : {};
    if (button.name === "one") {
      const at = button.value.indexOf(":");
      void act({ op: button.value.slice(0, at), ids: [button.value.slice(at + 1)], from, ...confirm });
      return;
    }
    // The list's own form speaks for what is ticked, wherever those rows are by now.
    const ids = form.id === "do" ? list.targets() : data.getAll("ids").map(String);
    void act({ ...(button.name === "move" ? { move: button.value } : { op: button.value }), ids, from, ...confirm });
  });
  document.addEventListener("mail:act", (e) => void act((e as CustomEvent<Act>).detail));
  // Other buttons and links for what cannot be taken back ask, too.
  const asked = new WeakSet<Element>();
  const ask = (e: Event, node: HTMLElement | null | undefined, again: () => void) => {
    if (!node?.dataset.confirm || asked.delete(node)) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    void confirmed(node.dataset.confirm, (node.textContent ?? "").trim() || node.ariaLabel || t("yes")).then((sure) => { if (sure) { asked.add(node); again(); } });
  };
  window.addEventListener("submit", (e) => {
    const form = e.target as HTMLFormElement;
    const button = (e as SubmitEvent).submitter;
    if (!ownForm(form)) ask(e, button, () => form.requestSubmit(button));
  }, { capture: true });
  window.addEventListener("click", (e) => {
    const link = (e.target as Element).closest<HTMLElement>("a[data-confirm]");
    ask(e, link, () => link?.click());
  }, { capture: true });
}
