// Moving between folders and conversations without a new page: current folder, titles, the phone's drawer.
//
// Contract: #list and #reader say data-title; folder links are those of app.ts; <a data-drawer href="#side"> (or a button data-do="drawer") opens the folder column
// on a phone, <a data-search href="#q"> the search field.

import { clear, closeReader, grid } from "./list";
import { el, phone } from "./page";

function follow(): void {
  const here = location.pathname.split("/");
  if (here[1] !== "mail") return;
  for (const link of document.querySelectorAll<HTMLElement>("#folders a[data-folder]")) {
    if (link.dataset.folder === here[2]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = document.getElementById("reader")?.dataset.title ?? document.getElementById("list")?.dataset.title;
  if (title) document.title = `${document.title.match(/^\(\d+\) /)?.[0] ?? ""}${title} – Postamt`;
}

function drawer(open: boolean): void {
  const side = document.getElementById("side");
  side?.toggleAttribute("data-open", open);
  for (const button of document.querySelectorAll("[data-drawer], [data-do=drawer]")) button.ariaExpanded = String(open);
  if (open && side && !document.querySelector(".veil")) side.after(el("div", { class: "veil" }));
}

export function startMail(): void {
  let folder = grid()?.dataset.folder;
  document.addEventListener("htmx:after:swap", () => {
    const now = grid()?.dataset.folder ?? location.pathname.split("/")[2];
    if (now !== folder) {
      folder = now;
      clear();
      // A conversation of another folder is not this list's.
      if (document.getElementById("reader")?.dataset.folder !== now) closeReader();
    }
    follow();
  });
  document.addEventListener("htmx:after:history:push", follow);
  document.addEventListener("click", (e) => {
    const target = e.target as Element;
    if (target.closest("[data-drawer], [data-do=drawer]")) { e.preventDefault(); drawer(true); document.querySelector<HTMLElement>("#folders a")?.focus(); }
    else if (target.closest(".veil, #folders a")) drawer(false);
    if (target.closest("[data-search]")) {
      e.preventDefault();
      document.querySelector(".frame")?.classList.add("searching");
      document.getElementById("q")?.focus();
    }
  });
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") drawer(false); });
  document.addEventListener("focusout", (e) => {
    if ((e.target as Element).id === "q" && phone.matches) document.querySelector(".frame")?.classList.remove("searching");
  });
}
