// Toasts: what just happened, with the way back.
//
// Contract: event "toast" on <body> (from HX-Trigger), detail = page::Toast, or a list of them:
//   {"text", "danger"?: true, "undo"?: token, "seconds"?: n (a running count, for a message being sent), "now"?: address to POST}
// A flash message rendered by the server (ui/_toast.html, data-c="toast") goes the same way after its 8 seconds.

import { get, post } from "./net";
import { el, fire, page, t } from "./page";
import { type Toast, failed } from "./say";

const SHOWN_MS = 8000;
const UNDO_MS = 60_000;
let last: { token: string; until: number } | null = null;

function show(what: Toast): void {
  const box = el("div", { class: what.danger ? "toast r" : "toast", role: what.danger ? "alert" : "status" }, el("span", {}, what.text));
  const close = hold(box, what.seconds ? what.seconds * 1000 : SHOWN_MS);
  const button = (label: string, run: () => void) => {
    const made = el("button", { type: "button" }, label);
    made.onclick = () => { close(); run(); };
    box.append(made);
  };
  if (what.seconds) {
    const count = el("span", { class: "cnt", "aria-hidden": "true" });
    const end = Date.now() + what.seconds * 1000;
    const tick = () => {
      const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      count.textContent = `0:${String(left).padStart(2, "0")}`;
      if (box.isConnected && left > 0) setTimeout(tick, 250);
    };
    tick();
    box.append(count);
  }
  if (what.undo) {
    const token = what.undo;
    last = { token, until: Date.now() + UNDO_MS };
    button(t("undo"), () => void undo(token));
  }
  if (what.now) {
    const now = what.now;
    button(t("send-now"), () => { last = null; void post(now, new URLSearchParams({ _t: page().csrf })); });
  }
  if (what.action) button(what.action.label, what.action.run);
  const toasts = document.getElementById("toasts");
  // The newest is enough: an older "undo" would take back something else than what the reader looks at.
  toasts?.replaceChildren(box);
}

/** Takes back the last action, for a minute. */
export async function undo(token = last && last.until > Date.now() ? last.token : ""): Promise<void> {
  if (!token) return;
  if (last?.token === token) last = null;
  const answer = await post(`/undo/${token}`, new URLSearchParams({ _t: page().csrf, back: location.pathname + location.search }));
  if (!answer?.ok) return failed(answer ? undefined : () => void undo(token));
  fire("mail:list");
  fire("mail:folders");
}

/** Removes `box` after `ms`, but not while it is hovered or focused. */
export function hold(box: HTMLElement, ms: number): () => void {
  let timer = setTimeout(() => box.remove(), ms);
  const wait = () => clearTimeout(timer);
  const go = () => { wait(); timer = setTimeout(() => box.remove(), ms); };
  box.addEventListener("pointerenter", wait);
  box.addEventListener("pointerleave", go);
  box.addEventListener("focusin", wait);
  box.addEventListener("focusout", go);
  return () => { wait(); box.remove(); };
}

export function startToasts(): void {
  document.addEventListener("toast", (e) => {
    const detail = (e as CustomEvent<unknown>).detail;
    for (const one of Array.isArray(detail) ? detail : [detail]) show(one as Toast);
  });
  document.addEventListener("htmx:response:error", (e) => {
    const status = (e as CustomEvent<{ ctx?: { response?: { status?: number } } }>).detail.ctx?.response?.status ?? 0;
    if (status >= 500) failed();
    if (status === 401) void get("/events/since?after=0");
  });
}
