// Questions in a dialog of the page.

import { el, t } from "./page";

/** Asks before what cannot be taken back. */
export function confirmed(question: string, label = t("yes")): Promise<boolean> {
  const dialog = el("dialog", { "aria-label": question }, el("p", { class: "dh" }, question));
  const foot = el("form", { class: "df", method: "dialog" }, el("button", { class: "btn", value: "" }, t("cancel")), el("button", { class: "btn danger", value: "1" }, label));
  dialog.append(foot);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "1"); }));
}
