// The open conversation: height of body frames, keys from inside them, marking read.
//
// Contract
//   <main class="col rc" id="reader" tabindex="-1" data-c="reader" data-title="{subject}" data-row="{row id}"
//         data-folder="{folder}" data-unread="{message} {message}">      unread messages that are open
//     <div class="bar"> <a class="ib only-ph" href="/mail/{folder}" data-back>  buttons form="do-read"  …
//       <button data-go="prev" type="button">, <button data-go="next" type="button"> </div>     previous/next in the list
//     <form id="do-read" …> (actions.ts)
//     <div class="read"><article class="wrap"> <h1 tabindex="-1">subject</h1> <div class="meta">…
//       folded message: <details class="msg" id="m-{message}"> <summary class="fold"> avatar, <b>, snippet, time </summary> …
//       open message:   <article class="msg" id="m-{message}"> <header>…</header>
//         <iframe class="mailbody" data-c="mail-body" src="/mail/m/{message}/body" loading="lazy" referrerpolicy="no-referrer"
//           sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox" title="Nachrichtentext von …"></iframe>
//       foot: <div class="reply"> <a class="btn" href="/mail/compose?reply={message}" data-compose data-key="r"> …
//     <div class="actbar"> the phone's buttons </div>
//   </main>
//   Consent for remote pictures: a form POST /mail/m/{message}/images with `scope` once|sender; with HX-Request the answer
//   is the message's block (hx-target="#m-{message}" hx-swap="outerHTML").
//   "Dunkel anzeigen" in a message's menu: <button type="button" data-dark>; the frame then asks for /mail/m/{message}/body?dark=1.
//   After data client.markRead the script posts /mail/do op=read quiet=1 with the ids of data-unread.

import type { Controller } from "./core";
import { handle } from "./keys";
import * as list from "./list";
import { post } from "./net";
import { page, phone } from "./page";
import { flag } from "./actions";

/** Fits a body frame to its content and hands keys pressed inside it to the page. */
export const mailBody: Controller = (node, signal) => {
  const frame = node as HTMLIFrameElement;
  let watch: ResizeObserver | undefined;
  const ready = () => {
    const inner = frame.contentDocument;
    const root = inner?.documentElement;
    if (!inner || !root || inner.URL === "about:blank") return;
    const fit = () => {
      // Made for a wider sheet: shown smaller, down to half; what is wider still scrolls.
      if (inner.body) {
        inner.body.style.removeProperty("zoom");
        const over = root.scrollWidth / Math.max(1, root.clientWidth);
        if (over > 1.01) inner.body.style.setProperty("zoom", String(Math.max(0.5, Math.floor(1000 / over) / 1000)));
      }
      // The body's own height: the root's is never below the frame's, so a frame could only grow.
      const high = Math.max(inner.body?.scrollHeight ?? 0, Math.ceil(inner.body?.getBoundingClientRect().bottom ?? 0) + 8);
      const wide = root.scrollWidth > root.clientWidth ? 18 : 0;
      const own = getComputedStyle(frame);
      frame.style.height = `${Math.min(high + wide + parseFloat(own.paddingTop) + parseFloat(own.paddingBottom), 200_000)}px`;
    };
    fit();
    watch?.disconnect();
    watch = new ResizeObserver(fit);
    if (inner.body) watch.observe(inner.body);
    for (const picture of inner.images) picture.addEventListener("load", fit, { signal });
    inner.addEventListener("keydown", (e) => { if (handle(e)) e.preventDefault(); }, { signal });
    inner.addEventListener("click", () => document.querySelectorAll<HTMLDetailsElement>("details[open]:has(> .menu)").forEach((menu) => { menu.open = false; }), { signal });
  };
  frame.addEventListener("load", ready, { signal });
  signal.addEventListener("abort", () => watch?.disconnect());
  if (frame.contentDocument?.readyState === "complete") ready();
};

export const reader: Controller = (node, signal) => {
  list.paint();
  const wait = page().client.markRead;
  const unread = (node.dataset.unread ?? "").split(" ").filter(Boolean);
  if (wait !== null && unread.length) {
    const timer = setTimeout(() => {
      if (!node.isConnected || document.hidden) return;
      const row = list.rowOf(node.dataset.row ?? "");
      if (row) flag(row, "read");
      node.dataset.unread = "";
      const body = new URLSearchParams({ _t: page().csrf, op: "read", quiet: "1", from: node.dataset.folder ?? "" });
      unread.forEach((id) => body.append("ids", id));
      void post("/mail/do", body);
    }, wait);
    signal.addEventListener("abort", () => clearTimeout(timer));
  }
  node.addEventListener("click", (e) => {
    const go = (e.target as Element).closest<HTMLElement>("[data-go]")?.dataset.go;
    if (go) { neighbour(go === "next" ? 1 : -1); return; }
    const dark = (e.target as Element).closest("[data-dark]");
    const frame = dark?.closest(".msg")?.querySelector<HTMLIFrameElement>("iframe.mailbody");
    if (frame) {
      const on = frame.toggleAttribute("data-dark");
      const address = new URL(frame.src);
      if (on) address.searchParams.set("dark", "1"); else address.searchParams.delete("dark");
      frame.src = address.href;
      return;
    }
    const back = (e.target as Element).closest<HTMLAnchorElement>("a[data-back]");
    if (back && list.grid() && !e.ctrlKey && !e.metaKey) {
      e.preventDefault();
      history.pushState({ htmx: true }, "", back.href);
      const row = list.openRow();
      list.closeReader();
      list.focusRow(row);
    }
  }, { signal });
};

/** Opens the conversation beside the open one. */
export function neighbour(by: number): void {
  const all = list.rows();
  const at = all.findIndex((row) => row === list.openRow());
  const next = all[at + by];
  if (at >= 0 && next) { list.open(next); next.scrollIntoView({ block: "nearest" }); }
}

export function startReader(): void {
  document.addEventListener("htmx:after:swap", () => {
    const now = document.getElementById("reader");
    const panes = document.getElementById("panes");
    if (!now || !panes || now.dataset.shown) return;
    now.dataset.shown = "1";
    panes.dataset.pane = now.dataset.row ? "read" : "list";
    // On to the new heading, so that it is read out and the keys scroll the text (not while writing).
    if (now.dataset.row && !document.activeElement?.closest("#compose, #q") && (phone.matches || document.activeElement?.closest("#rows, #reader, body"))) {
      now.querySelector<HTMLElement>("h1[tabindex]")?.focus({ preventScroll: true });
    }
  });
}
