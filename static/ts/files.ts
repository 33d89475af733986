// Files on their way to a draft: three at a time, with progress, cancel and retry. Own XHR: fetch tells no upload progress.

import { el, icon, page, t } from "./page";

const AT_ONCE = 3;

export class Uploads {
  private waiting: (() => void)[] = [];
  private active = 0;
  constructor(private list: HTMLElement, private draft: () => string, private changed: () => void) {}

  /** True while a file is still on its way. */
  get busy(): boolean { return this.active > 0 || this.waiting.length > 0; }

  add(files: Iterable<File>): void {
    for (const file of files) this.queue(file);
  }

  /** Uploads a picture for the text; gives the address to show it by. */
  inline(file: File): Promise<string | null> {
    return new Promise((resolve) => this.queue(file, resolve));
  }

  private queue(file: File, shown?: (address: string | null) => void): void {
    const bar = el("progress", { max: "100", value: "0" });
    const state = el("small", { class: "num" }, t("uploading"));
    const stop = el("button", { class: "ib s", type: "button", "aria-label": t("cancel") }, icon("x", "s"));
    const type = (file.name.split(".").pop() ?? "").slice(0, 4).toUpperCase();
    const row = el("div", { class: "att" }, el("span", { class: "ty k8", "aria-hidden": "true" }, type), el("span", { class: "grow" }, el("span", { class: "ell" }, file.name), state, bar), stop);
    if (!shown) this.list.append(row);
    const start = () => {
      this.active += 1;
      const body = new FormData();
      body.set("_t", page().csrf);
      if (shown) body.set("inline", "1");
      body.set("file", file, file.name);
      const request = new XMLHttpRequest();
      request.open("POST", `/mail/draft/${this.draft()}/file`);
      request.setRequestHeader("X-CSRF-Token", page().csrf);
      request.setRequestHeader("HX-Request", "true");
      request.setRequestHeader("Accept", "application/json, text/html");
      request.upload.onprogress = (e) => {
        const percent = e.total ? Math.floor((e.loaded / e.total) * 100) : 0;
        bar.value = percent;
        state.textContent = `${t("uploading")} · ${percent} %`;
      };
      const done = () => { this.active -= 1; this.waiting.shift()?.(); };
      request.onload = () => {
        done();
        if (request.status >= 200 && request.status < 300) {
          const made = document.createElement("template");
          made.innerHTML = request.responseText;
          if (shown) { shown(request.getResponseHeader("X-Part")); row.remove(); }
          else row.replaceWith(made.content);
          this.changed();
        } else this.fail(row, state, file, shown, message(request.responseText));
      };
      request.onerror = () => { done(); this.fail(row, state, file, shown, ""); };
      request.onabort = () => { done(); row.remove(); shown?.(null); };
      stop.onclick = () => request.abort();
      request.send(body);
    };
    stop.onclick = () => { this.waiting = this.waiting.filter((w) => w !== start); row.remove(); };
    if (this.active < AT_ONCE) start(); else this.waiting.push(start);
  }

  private fail(row: HTMLElement, state: HTMLElement, file: File, shown: ((a: string | null) => void) | undefined, why: string): void {
    shown?.(null);
    row.classList.add("r");
    row.role = "alert";
    row.querySelector("progress")?.remove();
    state.textContent = why || t("failed");
    const again = el("button", { class: "ib s", type: "button", "aria-label": t("retry") }, icon("refresh", "s"));
    again.onclick = () => { row.remove(); this.queue(file, shown); };
    const close = el("button", { class: "ib s", type: "button", "aria-label": t("cancel") }, icon("x", "s"));
    close.onclick = () => row.remove();
    row.querySelectorAll("button").forEach((b) => b.remove());
    row.append(again, close);
    if (!row.isConnected) this.list.append(row);
  }
}

function message(text: string): string {
  try { return String((JSON.parse(text) as { error?: string }).error ?? ""); } catch { return ""; }
}
