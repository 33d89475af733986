// Opening the compose dock (compose.ts), whose code comes when somebody is about to write.

import { type Controller, register } from "./core";
import { FLAG } from "./drafts";
import { el } from "./page";

const BUNDLE: string = "/assets/@compose.js";
const bundle = () => import(BUNDLE) as Promise<typeof import("./compose")>;

const later = (name: "compose" | "chips"): Controller => (node, signal) => void bundle().then((m) => { if (!signal.aborted) m[name](node, signal); });

const flagged = () => { try { return localStorage.getItem(FLAG) !== null; } catch { return false; } };

export function startDocks(): void {
  register("compose", later("compose"));
  register("chips", later("chips"));
  register("sign-out", (form, signal) => form.addEventListener("submit", (e) => {
    if (!flagged() && !document.querySelector("[data-c=compose]")) return;
    e.preventDefault();
    void bundle().then((m) => m.maySignOut()).then((may) => { if (may) (form as HTMLFormElement).submit(); });
  }, { signal }));
  const open = (href: string) => void bundle().then((m) => m.openCompose(href));
  document.addEventListener("click", (e) => {
    const opener = (e.target as Element).closest<HTMLAnchorElement>("a[data-compose]");
    if (!opener || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    e.preventDefault();
    open(opener.href);
  });
  document.addEventListener("compose", (e) => open((e as CustomEvent<{ href: string }>).detail.href));
  // Both bundles are on their way when the pointer or the keyboard comes near.
  let fetched = false;
  const ahead = (e: Event) => {
    if (fetched || !(e.target as Element).closest?.("a[data-compose]")) return;
    fetched = true;
    void bundle();
    document.head.append(el("link", { rel: "modulepreload", href: "/assets/@editor.js" }));
  };
  document.addEventListener("pointerover", ahead);
  document.addEventListener("focusin", ahead);
  if (flagged()) void bundle().then((m) => m.offerLost());
}
