// The account menu without a reload: the theme changes at once and is stored by the form's own post.
// Contract: layout/_top.html, <form data-c="theme" action="/settings/quick"> with buttons name="theme".

import type { Controller } from "./core";
import { post } from "./net";
import { page } from "./page";

export const theme: Controller = (form, signal) => {
  form.addEventListener("submit", (e) => {
    const button = (e as SubmitEvent).submitter as HTMLButtonElement;
    e.preventDefault();
    document.documentElement.dataset.theme = button.value;
    for (const other of form.querySelectorAll("button")) other.ariaPressed = String(other === button);
    void post("/settings/quick", new URLSearchParams({ _t: page().csrf, theme: button.value, back: location.pathname }));
  }, { signal });
};

/** <details> used as a menu: closes on Escape, on a click elsewhere and when something in it was chosen. */
export function startMenus(): void {
  const menus = () => document.querySelectorAll<HTMLDetailsElement>("details[open]:has(> .menu)");
  document.addEventListener("click", (e) => {
    for (const menu of menus()) {
      const inside = menu.contains(e.target as Node);
      const chosen = inside && (e.target as Element).closest(".menu :is(a, button):not([data-stay])") && !(e.target as Element).closest("[data-c=theme]");
      if (!inside || chosen) menu.open = false;
    }
  });
  document.addEventListener("keydown", (e) => {
    const menu = (e.target as Element).closest?.("details[open]:has(> .menu)") as HTMLDetailsElement | null;
    if (!menu) return;
    const items = [...menu.querySelectorAll<HTMLElement>(".menu :is(a, button, summary, input, select)")].filter((i) => i.checkVisibility());
    const at = items.indexOf(document.activeElement as HTMLElement);
    if (e.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary")?.focus();
    } else if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      items[(at + (e.key === "ArrowDown" ? 1 : items.length - 1) + (at < 0 && e.key === "ArrowUp" ? 1 : 0)) % items.length]?.focus();
    } else return;
    e.preventDefault();
    e.stopPropagation();
  });
}

/** A banner that may be put away: remembered for this session of the browser. */
export const banner: Controller = (node, signal) => {
  const key = `banner:${node.dataset.id ?? ""}`;
  const close = node.querySelector<HTMLButtonElement>("[data-close]");
  if (sessionStorage.getItem(key)) node.remove();
  else if (close) {
    close.hidden = false;
    close.addEventListener("click", () => { sessionStorage.setItem(key, "1"); node.remove(); }, { signal });
  }
};
