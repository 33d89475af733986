// Dragging rows of the list onto folders. The way without a pointer is the menu "Verschieben".
//
// Contract: rows have draggable="true" (list.ts); a target has data-drop and data-folder. A branch in <details> opens after 600 ms.

import { act } from "./actions";
import * as list from "./list";
import { el, t } from "./page";

export function startDrag(): void {
  let ids: string[] = [];
  let picture: HTMLElement | null = null;
  let over: HTMLElement | null = null;
  const target = (e: Event) => (e.target as Element).closest?.<HTMLElement>("[data-drop]") ?? null;
  const leave = () => { over?.removeAttribute("data-over"); over = null; };
  document.addEventListener("dragstart", (e) => {
    const row = (e.target as Element).closest?.<HTMLElement>("#rows .row");
    if (!row || !e.dataTransfer) return;
    const id = row.dataset.id ?? "";
    ids = list.picked.has(id) ? [...list.picked] : [id];
    picture = el("div", { class: "dragging" }, ids.length === 1 ? row.querySelector(".sj")?.textContent ?? "" : t("selected", ids.length));
    document.body.append(picture);
    e.dataTransfer.setDragImage(picture, 12, 12);
    e.dataTransfer.setData("application/x-postamt-rows", ids.join(" "));
    e.dataTransfer.effectAllowed = "move";
  });
  document.addEventListener("dragover", (e) => {
    const at = ids.length ? target(e) : null;
    if (at !== over) {
      leave();
      over = at;
      at?.setAttribute("data-over", "");
      const branch = at?.closest("summary")?.parentElement;
      if (branch instanceof HTMLDetailsElement) setTimeout(() => { if (over === at) branch.open = true; }, 600);
    }
    if (at) e.preventDefault();
  });
  document.addEventListener("drop", (e) => {
    const folder = ids.length ? target(e)?.dataset.folder : undefined;
    leave();
    if (folder === undefined) return;
    e.preventDefault();
    if (folder !== list.grid()?.dataset.folder) void act({ move: folder, ids });
  });
  document.addEventListener("dragend", () => { ids = []; leave(); picture?.remove(); });
}
