// The end of a session: a dialog on top of the page, so that nothing typed is lost; and the connection's state.

import { el, icon, page, t } from "./page";

let asked: HTMLDialogElement | null = null;

/** Says that the session is over and offers to sign in again in a window of its own. */
function sessionOver(): void {
  if (asked?.isConnected) return;
  const link = el("a", { class: "btn pri", href: "/login", target: "_blank", rel: "opener" }, t("sign-in"));
  const dialog = el("dialog", { "aria-labelledby": "over-h" },
    el("h2", { class: "dh", id: "over-h" }, t("over")), el("p", { class: "db" }, t("over-text")), el("div", { class: "df" }, link));
  asked = dialog;
  document.body.append(dialog);
  dialog.showModal();
  // Back from the other window: the session there is the session here, with a token of its own.
  const look = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("page-data") as HTMLTemplateElement | null;
    if (!fresh) return;
    page().csrf = (JSON.parse(fresh.content.textContent ?? "{}") as { csrf: string }).csrf;
    for (const field of document.querySelectorAll<HTMLInputElement>("input[name=_t]")) field.value = page().csrf;
    window.removeEventListener("focus", look);
    dialog.close();
    dialog.remove();
  };
  window.addEventListener("focus", look);
  dialog.addEventListener("cancel", (e) => e.preventDefault());
}

/** Says so when a request or the event stream finds the session gone. */
export function watchSession(): void {
  document.addEventListener("session:over", sessionOver);
}

/** A banner while the browser is offline. */
export function watchConnection(): void {
  let banner: HTMLElement | null = null;
  const show = () => {
    if (!navigator.onLine && !banner?.isConnected) {
      banner = el("div", { class: "hint", role: "status" }, icon("offline"), el("span", {}, t("offline")));
      document.getElementById("banners")?.prepend(banner);
    } else if (navigator.onLine) {
      banner?.remove();
      banner = null;
    }
  };
  window.addEventListener("online", show);
  window.addEventListener("offline", show);
  show();
}
