// Small helps in forms of the signed-in pages.
//
// Contract:
//   <button data-show="FIELD_ID" aria-pressed="false" data-on="Passwort verbergen" data-off="Passwort anzeigen" hidden>   as auth.ts
//   <button type="button" data-copy="ID" hidden>    copies that field's value or that element's text
//   <input … data-submit>                            a choice that sends its form by itself (its button is only for no scripts:
//                                                    put it in <noscript>)
//   data-confirm="question" on a button or link      asks first (actions.ts)
//   data-c="grip" is made by the list itself: the width of the list, kept in this browser.

import { type Controller, register } from "./core";
import { el, t } from "./page";
import { toast } from "./say";

const reveal = (root: ParentNode) => root.querySelectorAll<HTMLElement>("button[data-show], button[data-copy]").forEach((button) => { button.hidden = false; });

export function startForms(): void {
  reveal(document);
  document.addEventListener("htmx:after:swap", () => reveal(document));
  document.addEventListener("click", (e) => {
    const show = (e.target as Element).closest<HTMLButtonElement>("button[data-show]");
    const field = show && (document.getElementById(show.dataset.show ?? "") as HTMLInputElement | null);
    if (show && field) {
      const on = field.type === "password";
      field.type = on ? "text" : "password";
      show.ariaPressed = String(on);
      show.ariaLabel = (on ? show.dataset.on : show.dataset.off) ?? show.ariaLabel;
    }
    const copy = (e.target as Element).closest<HTMLButtonElement>("button[data-copy]");
    const from = copy && document.getElementById(copy.dataset.copy ?? "");
    if (from) void navigator.clipboard.writeText(from instanceof HTMLInputElement ? from.value : from.textContent?.trim() ?? "").then(() => toast({ text: t("copied") }));
  });
  document.addEventListener("change", (e) => {
    const field = e.target as HTMLInputElement;
    if (field.matches?.("[data-submit]")) field.form?.requestSubmit();
  });
  register("grip", grip);
}

const KEY = "postamt-list-w";
const LEAST = 300, MOST = 560;

function width(px?: number): number {
  const root = document.documentElement;
  if (px === undefined) return parseFloat(getComputedStyle(root).getPropertyValue("--list-w"));
  const fit = Math.round(Math.max(LEAST, Math.min(MOST, px)));
  root.style.setProperty("--list-w", `${fit}px`);
  return fit;
}

function stored(px?: number): number {
  try {
    if (px !== undefined) localStorage.setItem(KEY, String(px));
    return Number(localStorage.getItem(KEY));
  } catch {
    return 0;
  }
}

const grip: Controller = (node, signal) => {
  const say = (px: number) => { node.ariaValueNow = String(px); };
  say(width());
  node.addEventListener("pointerdown", (e) => {
    const from = e.clientX, before = width();
    node.setPointerCapture(e.pointerId);
    const move = (m: PointerEvent) => say(width(before + m.clientX - from));
    node.addEventListener("pointermove", move, { signal });
    node.addEventListener("pointerup", () => { node.removeEventListener("pointermove", move); stored(width()); }, { signal, once: true });
    e.preventDefault();
  }, { signal });
  node.addEventListener("keydown", (e) => {
    const by = e.key === "ArrowRight" ? 16 : e.key === "ArrowLeft" ? -16 : 0;
    if (!by) return;
    e.preventDefault();
    say(stored(width(width() + by)));
  }, { signal });
};

/** Gives the mail page its grip and the width chosen in this browser. */
export function startGrip(): void {
  const panes = document.getElementById("panes");
  const wide = matchMedia("(min-width: 1181px)");
  const px = stored();
  if (wide.matches && px) width(px);
  wide.addEventListener("change", () => document.documentElement.style.removeProperty("--list-w"));
  if (!panes || document.documentElement.dataset.reader !== "right" || panes.querySelector("[data-c=grip]")) return;
  panes.append(el("div", { class: "grip", "data-c": "grip", role: "separator", tabindex: "0", "aria-orientation": "vertical", "aria-label": t("grip"), "aria-valuemin": String(LEAST), "aria-valuemax": String(MOST) }));
}
