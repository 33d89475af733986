// Writing: docks, recipients as chips, files, drafts that save themselves, checks before sending, undo send.
//
// Opening: a link <a href="/mail/compose?…" data-compose> is fetched with HX-Request and put into #compose as a dock; without
// scripts it is a page of its own. GET /mail/compose changes nothing: the draft id in the form is random and made by the
// server, the first POST creates the draft. The block `compose` is exactly:
//   <section class="comp" role="dialog" aria-label="Neue Nachricht" id="d-{draft}" data-c="compose" data-draft="{draft}">
//   <form method="post" action="/mail/draft/{draft}/send" enctype="multipart/form-data"> {token}
//     <input type="hidden" name="rev" value="{revision, 0 = not stored yet}"> <input type="hidden" name="page" value="{random}">
//     (tells this page's own savings from somebody else's) <input type="hidden" name="sure" value="{1: send without asking}">
//     <input type="hidden" name="reply|forward" …>
//     <div class="ch"><span class="grow ell" data-heading>…</span> <span data-status class="mut"></span>
//       <button type="button" data-do="min"> <button type="button" data-do="full"> <button type="submit" formaction="/mail/draft/{draft}" data-do="close"></div>
//     <div class="fl"><label for="from-{draft}">Von</label><select name="from" id=…>…</select></div>      (hidden if only one)
//     <div class="fl" data-c="chips"><label for="to-{draft}">An</label><input name="to" id="to-{draft}" value="A <a@b>, …"
//        autocomplete="off"> <button type="button" data-do="cc">Cc</button> <button type="button" data-do="bcc">Bcc</button></div>
//     the same for cc and bcc (<div … data-field="cc" hidden> when empty; without scripts they are shown)
//     <div class="fl"><label>Betreff</label><input name="subject"></div>
//     <div class="banbox" data-errors></div>
//     <textarea class="ed" name="text">…</textarea>                        the text; what counts while format=text (always so
//                                                                          without scripts; the script switches to data-prefer)
//     <textarea name="html" hidden>…cleaned HTML…</textarea> <input type="hidden" name="format" value="text" data-prefer="html|text">
//     <iframe class="ed" data-editor src="/mail/editor" title="Nachrichtentext" hidden></iframe>
//     <div class="up" data-files> file rows </div>
//     <div class="tb" role="toolbar" data-tools hidden> <button type="button" data-cmd="bold" aria-pressed="false"> … </div>
//        data-cmd: bold italic underline strikethrough ul ol indent outdent quote link image clear color:{hex} size:{px}
//     <div class="ft"> <button class="btn pri" data-do="send">Senden</button> <label class="ib"><input type="file" name="file" multiple
//        class="vh" data-pick></label> … <button type="submit" formaction="/mail/draft/{draft}/discard" data-do="discard"></div>
//   </form></section>
//   The signature and the quoted mail stand in text/html already; the script looks for words about attachments only above
//   the first element with class "quote" or "sig" (HTML) or the first line "-- " or beginning with ">" (text).
//   Further data-do: "plain" (switch to plain text), "save". Links that open a dock may carry data-key.
//
// Requests of the script send Accept: application/json and get JSON:
//   POST /mail/draft/{draft}            all fields, close=1 when the dock goes away → {"rev": 3, "saved": "Entwurf gespeichert 10:51"}; 409 {"draft": "{other}"}
//                                       when somebody else changed it: the script goes on under that id (both are kept);
//                                       507 {"saved": "Speicher voll: …"}: text stays in this browser
//   POST /mail/draft/{draft}/file       multipart: _t, file, [inline=1] → 200 HTML of one file row, and for inline pictures
//                                       header X-Part: {address to show}; 413/507 {"error": "…"}
//   POST /mail/draft/{draft}/file/{n}/remove  → 204
//   POST /mail/draft/{draft}/send       all fields → 200, HX-Trigger {"toast": {"text": …, "undo": "{token}", "seconds": 10,
//                                       "now": "/mail/outbox/{id}/now"}, …}; 422 {"errors": [{"field": "to", "text": "…"}]}
//   POST /mail/draft/{draft}/discard    → 200 with a toast whose undo brings it back
//   Without that Accept: 303 to the compose page of the draft (file, remove, save), to the list (send, discard), or 422 with the page.
//   POST /undo/{token} of a sent message: HX-Trigger {"compose": {"href": "/mail/compose?draft={draft}"}}.
//   File row: <div class="att" id="a-{n}"><span class="ty k5">PDF</span><span class="grow"><span class="ell">name</span><small>640 KB</small></span>
//     <button class="ib s" type="submit" formaction="/mail/draft/{draft}/file/{n}/remove" data-do="remove" aria-label="…"></div>
//
// GET /people?q=mir → JSON [{"name": "Miriam Hofmann", "address": "m.hofmann@…", "initials": "MH", "hue": 4}], best first, at most 8.

import { parse, valid } from "./chips";
import type { Controller } from "./core";
import { confirmed } from "./dialog";
import * as drafts from "./drafts";
import type { EditorApi } from "./editor";
import { Uploads } from "./files";
import { get, post } from "./net";
import { el, icon, page, t } from "./page";
import { failed, toast } from "./say";

const SAVE_AFTER_MS = 2000;
const SAVE_AT_LEAST_MS = 20_000;
const BEACON_BYTES = 60_000;
const MANY = 20;
const DOCKS = 4;
const ATTACHED = /\b(anhang|anhänge|angehängt|anbei|beigefügt\w*|beiliegend\w*|anlage|attached|attachments?|enclosed)\b/i;

interface Dock { save(): Promise<boolean>; local: boolean }
const docks = new Map<HTMLElement, Dock>();

/** Opens a dock for a compose address (or goes there, when this page has no place for docks). */
export async function openCompose(href: string): Promise<void> {
  const place = document.getElementById("compose");
  const same = new URL(href, location.href).searchParams.get("draft");
  const there = same ? document.getElementById(`d-${same}`) : null;
  if (there) { delete there.dataset.state; place?.prepend(there); return; }
  if (!place || document.querySelector("[data-c=compose]:not(#compose *)")) { location.assign(href); return; }
  if (place.children.length >= DOCKS) { toast({ text: t("docks-full") }); return; }
  const answer = await get(href);
  if (!answer?.ok) return failed(() => void openCompose(href));
  const made = document.createElement("template");
  made.innerHTML = await answer.text();
  const dock = made.content.querySelector<HTMLElement>(".comp");
  if (!dock) { location.assign(href); return; }
  for (const other of place.children) (other as HTMLElement).dataset.state = "min";
  const again = document.getElementById(dock.id);
  if (again) again.replaceWith(dock); else place.prepend(dock);
}

export const compose: Controller = (box, signal) => {
  const form = box.querySelector("form");
  if (!form) return;
  const docked = box.closest("#compose") !== null;
  const field = <T extends HTMLElement = HTMLInputElement>(name: string) => form.querySelector<T>(`[name="${name}"]`);
  const status = box.querySelector<HTMLElement>("[data-status]");
  const errors = box.querySelector<HTMLElement>("[data-errors]");
  const frame = box.querySelector<HTMLIFrameElement>("[data-editor]");
  const text = field<HTMLTextAreaElement>("text");
  const html = field<HTMLTextAreaElement>("html");
  const format = field("format");
  const before = document.activeElement as HTMLElement | null;
  let editor: EditorApi | null = null;
  let draft = box.dataset.draft ?? "";
  let dirty = false, leaving = false, saving: Promise<boolean> | null = null, since = 0, timer = 0, keepTimer = 0, closed = false;

  const rich = () => format?.value === "html" && editor !== null;
  const sync = () => { if (rich() && html && editor) html.value = editor.get(); };
  const fields = (): FormData => {
    sync();
    const data = new FormData(form);
    data.delete("file");
    data.set("_t", page().csrf);
    if (leaving) data.set("close", "1");
    return data;
  };
  const say = (words: string) => { if (status) status.textContent = words; };
  const uploads = new Uploads(box.querySelector<HTMLElement>("[data-files]") ?? box, () => draft, () => changed());

  // --- saving ----------------------------------------------------------------------------------------------------
  const changed = () => {
    if (closed) return;
    dirty = true;
    since ||= Date.now();
    clearTimeout(timer);
    timer = window.setTimeout(() => void save(), Math.max(0, Math.min(SAVE_AFTER_MS, since + SAVE_AT_LEAST_MS - Date.now())));
    clearTimeout(keepTimer);
    keepTimer = window.setTimeout(keepLocal, 400);
    const heading = box.querySelector("[data-heading]");
    const subject = field("subject")?.value;
    if (heading && subject) heading.textContent = subject;
  };
  const keepLocal = () => {
    if (closed) return;
    const all: Record<string, string> = {};
    for (const [name, value] of fields()) if (typeof value === "string" && name !== "_t") all[name] = value;
    void drafts.keep({ draft, fields: all, at: Date.now() });
  };
  const save = async (): Promise<boolean> => {
    clearTimeout(timer);
    if (saving) await saving;
    if (!dirty || closed) return true;
    dirty = false;
    since = 0;
    saving = store();
    const done = await saving;
    saving = null;
    return done;
  };
  const store = async (): Promise<boolean> => {
    const answer = await post(`/mail/draft/${draft}`, fields(), { json: true });
    const told = answer?.headers.get("Content-Type")?.includes("json") ? ((await answer.json()) as { rev?: number; saved?: string; draft?: string }) : {};
    if (answer?.ok) {
      const rev = field("rev");
      if (rev && told.rev !== undefined) rev.value = String(told.rev);
      say(told.saved ?? "");
      if (!dirty) { clearTimeout(keepTimer); void drafts.drop(draft); }
      return true;
    }
    if (answer?.status === 409 && told.draft) {
      void drafts.drop(draft);
      const moved = (address: string) => address.replace(/\/draft\/\d+/, `/draft/${told.draft}`);
      form.setAttribute("action", moved(form.getAttribute("action") ?? ""));
      form.querySelectorAll("[formaction]").forEach((at) => { at.setAttribute("formaction", moved(at.getAttribute("formaction") ?? "")); });
      draft = told.draft;
      box.dataset.draft = draft;
      const rev = field("rev");
      if (rev) rev.value = String(told.rev ?? 0);
      note(t("draft-both"), "");
      return store();
    }
    keepLocal();
    say(told.saved ?? t("kept-local"));
    dirty = true;
    since = Date.now();
    if (answer?.status !== 507) timer = window.setTimeout(() => void save(), SAVE_AT_LEAST_MS);
    return false;
  };
  docks.set(box, { save, get local() { return dirty; } });

  const finish = () => {
    closed = true;
    clearTimeout(timer);
    clearTimeout(keepTimer);
    docks.delete(box);
    if (docked) {
      box.remove();
      const next = document.querySelector<HTMLElement>("#compose .comp");
      if (next && before?.isConnected !== true) next.querySelector<HTMLElement>("button")?.focus();
      else before?.focus?.();
    }
  };

  // --- the editor -------------------------------------------------------------------------------------------------
  const useRich = () => {
    const api = (frame?.contentWindow as (Window & { postamtEditor?: EditorApi }) | null)?.postamtEditor;
    if (!frame || !api || !format || !text || !html) return;
    editor = api;
    format.value = "html";
    frame.hidden = false;
    text.hidden = true;
    const tools = box.querySelector<HTMLElement>("[data-tools]");
    if (tools) tools.hidden = false;
    // The editor reports what it makes of the given text, too: only what a hand changes is a change.
    let began: string | null = null;
    api.start({
      html: html.value,
      changed: () => { if (began === null || (!dirty && api.get() === began)) return; began = ""; changed(); },
      key: (e) => keys(e),
      files: (files) => void pictures(files),
      state: (on) => box.querySelectorAll<HTMLElement>("[data-cmd]").forEach((b) => { if (b.ariaPressed !== null) b.ariaPressed = String(on.includes(b.dataset.cmd ?? "")); }),
      look: { theme: document.documentElement.dataset.theme ?? "system", font: document.documentElement.dataset.font ?? "inter" },
    });
    began = api.get();
    if (field("to")?.value) api.focus();
  };
  const usePlain = () => {
    if (!format || !text) return;
    if (editor) text.value = editor.text();
    format.value = "text";
    text.hidden = false;
    if (frame) frame.hidden = true;
    const tools = box.querySelector<HTMLElement>("[data-tools]");
    if (tools) tools.hidden = true;
    editor = null;
    text.focus();
    changed();
  };
  const pictures = async (files: File[]) => {
    for (const file of files) {
      if (!file.type.startsWith("image/") || !editor) { uploads.add([file]); continue; }
      const address = await uploads.inline(file);
      if (address) editor.picture(address);
    }
  };
  const begin = async () => {
    const local = await drafts.find(draft);
    if (local && Number(local.fields.rev ?? 0) >= Number(field("rev")?.value ?? 0)) {
      for (const [name, value] of Object.entries(local.fields)) {
        const target = field(name);
        if (!target || ["rev", "format", "page", "sure"].includes(name)) continue;
        if (target.type === "checkbox") target.checked = true; else target.value = value;
        target.dispatchEvent(new Event("chips:set"));
        const line = target.closest<HTMLElement>(".fl");
        if (line?.hidden && value) line.hidden = false;
      }
      dirty = true;
      timer = window.setTimeout(() => void save(), SAVE_AFTER_MS);
    }
    if (format?.dataset.prefer === "html" && frame) {
      frame.addEventListener("load", useRich, { signal });
      if (frame.contentDocument?.readyState === "complete" && frame.contentDocument.URL !== "about:blank") useRich();
    }
    const first = field("to");
    if (docked) {
      if (!first?.value) box.querySelector<HTMLElement>(".pills input")?.focus();
      else if (text && !text.hidden) { text.focus(); text.setSelectionRange(0, 0); }
    }
  };
  void begin();

  // --- sending ----------------------------------------------------------------------------------------------------
  const note = (words: string, name: string) => {
    errors?.append(el("div", { class: "ban r", role: "alert" }, icon("warn"), el("span", { class: "grow" }, words)));
    if (name) (form.querySelector<HTMLElement>(`.fl:has([name="${name}"]) .pills input`) ?? field(name))?.focus();
  };
  const own = (): string => {
    if (rich() && html) {
      const doc = new DOMParser().parseFromString(html.value, "text/html");
      const stop = doc.querySelector(".quote, .sig, blockquote");
      if (stop) { const range = doc.createRange(); range.setStartBefore(stop); range.setEndAfter(doc.body.lastChild ?? stop); range.deleteContents(); }
      return doc.body.textContent ?? "";
    }
    const lines = (text?.value ?? "").split("\n");
    const end = lines.findIndex((l) => l.startsWith(">") || l.trimEnd() === "--");
    return lines.slice(0, end < 0 ? undefined : end).join("\n");
  };
  const ready = async (): Promise<boolean> => {
    errors?.replaceChildren();
    form.querySelectorAll("[name=to], [name=cc], [name=bcc]").forEach((f) => f.dispatchEvent(new Event("chips:commit")));
    sync();
    const people = ["to", "cc", "bcc"].map((name) => ({ name, list: parse(field(name)?.value ?? "") }));
    if (people.every((p) => p.list.length === 0)) { note(t("no-recipient"), "to"); return false; }
    for (const p of people) {
      const bad = p.list.find((one) => !valid(one.address));
      if (bad) { note(`${t("bad-address")}: ${bad.address}`, p.name); return false; }
    }
    if (uploads.busy) { note(t("still-uploading"), ""); return false; }
    if (!field("subject")?.value.trim() && !(await confirmed(t("no-subject"), t("send")))) { field("subject")?.focus(); return false; }
    const files = box.querySelectorAll("[data-files] .att:not(.r)").length;
    if (page().client.remind && !files && ATTACHED.test(own()) && !(await confirmed(t("no-attachment"), t("send")))) return false;
    if (people.slice(0, 2).reduce((n, p) => n + p.list.length, 0) > MANY && !(await confirmed(t("many"), t("send")))) return false;
    return true;
  };
  const send = async (button: HTMLElement | null) => {
    if (!(await ready())) return;
    if (saving) await saving;
    clearTimeout(timer);
    button?.setAttribute("aria-busy", "true");
    if (!docked) {
      closed = true;
      void drafts.drop(draft);
      field("file")?.remove();
      const sure = field("sure");
      if (sure) sure.value = "1";
      form.submit();
      return;
    }
    const answer = await post(`/mail/draft/${draft}/send`, fields(), { json: true });
    button?.removeAttribute("aria-busy");
    if (answer?.ok) {
      dirty = false;
      void drafts.drop(draft);
      finish();
    } else if (answer?.status === 422) {
      for (const one of ((await answer.json()) as { errors: { field: string; text: string }[] }).errors) note(one.text, one.field);
    } else {
      changed();
      failed(() => void send(button));
    }
  };

  // --- buttons, keys, files -----------------------------------------------------------------------------------------
  const reveal = (name: string) => {
    const line = box.querySelector<HTMLElement>(`.fl[data-field="${name}"]`);
    if (line) line.hidden = false;
    line?.querySelector<HTMLElement>(".pills input")?.focus();
    box.querySelector<HTMLElement>(`[data-do="${name}"]`)?.setAttribute("hidden", "");
  };
  const does: Record<string, (button: HTMLElement) => void> = {
    cc: () => reveal("cc"),
    bcc: () => reveal("bcc"),
    min: () => { if (box.dataset.state === "min") delete box.dataset.state; else box.dataset.state = "min"; },
    full: () => { if (box.dataset.state === "full") delete box.dataset.state; else box.dataset.state = "full"; },
    plain: () => void confirmed(t("plain-ask"), t("yes")).then((yes) => { if (yes) usePlain(); }),
    save: () => { dirty = true; void save(); },
    send: (button) => void send(button),
    // The last saving renews the message in Drafts at once, unless nothing was ever written.
    close: () => {
      leaving = true;
      dirty ||= field("rev")?.value !== "0";
      void save().then((done) => { leaving = false; if (done) finish(); else failed(() => does.close?.(box), t("kept-local")); });
    },
    discard: () => {
      closed = true;
      clearTimeout(timer);
      void drafts.drop(draft);
      if (field("rev")?.value !== "0" || saving) void post(`/mail/draft/${draft}/discard`, new URLSearchParams({ _t: page().csrf }), { json: true }).then((a) => { if (!a?.ok) failed(); });
      finish();
    },
    remove: (button) => {
      const row = button.closest<HTMLElement>(".att");
      const address = (button as HTMLButtonElement).formAction;
      row?.setAttribute("hidden", "");
      void post(address, new URLSearchParams({ _t: page().csrf }), { json: true }).then((a) => { if (a?.ok) row?.remove(); else { row?.removeAttribute("hidden"); failed(); } });
    },
  };
  const commands = (button: HTMLElement) => {
    const cmd = button.dataset.cmd ?? "";
    if (cmd === "link") void link().then((href) => { if (href !== null) editor?.cmd("link", href); });
    else if (cmd === "image") {
      const pick = el("input", { type: "file", accept: "image/*" });
      pick.onchange = () => void pictures([...(pick.files ?? [])]);
      pick.click();
    } else editor?.cmd(cmd);
  };
  const keys = (e: KeyboardEvent): boolean => {
    const ctrl = e.ctrlKey || e.metaKey;
    const key = e.key.toLowerCase();
    if (ctrl && e.key === "Enter") void send(box.querySelector("[data-do=send]"));
    else if (ctrl && !e.shiftKey && key === "s") does.save?.(box);
    else if (ctrl && e.shiftKey && key === "c") reveal("cc");
    else if (ctrl && e.shiftKey && key === "b") reveal("bcc");
    else if (e.key === "Escape" && docked) box.dataset.state = "min";
    else return false;
    return true;
  };
  box.addEventListener("keydown", (e) => {
    if (!e.defaultPrevented && keys(e)) { e.preventDefault(); e.stopPropagation(); }
    else if (e.key === "Enter" && (e.target as Element).matches("[name=subject]")) { e.preventDefault(); if (rich()) editor?.focus(); else text?.focus(); }
  }, { signal });
  box.addEventListener("click", (e) => {
    const tool = (e.target as Element).closest<HTMLElement>("[data-cmd]");
    if (tool) { e.preventDefault(); commands(tool); return; }
    const button = (e.target as Element).closest<HTMLElement>("[data-do]");
    const run = button && does[button.dataset.do ?? ""];
    // A page of its own leaves closing and discarding to the form.
    if (button && run && (docked || !["close", "discard"].includes(button.dataset.do ?? ""))) { e.preventDefault(); run(button); }
    else if (box.dataset.state === "min") delete box.dataset.state;
  }, { signal });
  form.addEventListener("submit", (e) => {
    const target = (e as SubmitEvent).submitter as HTMLButtonElement | null;
    if (target?.dataset.do === "close" || target?.dataset.do === "discard") { sync(); closed = true; void drafts.drop(draft); return; }
    e.preventDefault();
    void send(box.querySelector("[data-do=send]"));
  }, { signal });
  form.addEventListener("input", (e) => { if (!(e.target as Element).matches("[type=file], .pills input")) changed(); }, { signal });
  form.addEventListener("change", (e) => {
    const pick = e.target as HTMLInputElement;
    if (pick.matches("[data-pick]")) { uploads.add([...(pick.files ?? [])]); pick.value = ""; }
    else changed();
  }, { signal });
  box.addEventListener("focusout", (e) => { if (!box.contains(e.relatedTarget as Node | null)) void save(); }, { signal });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden || !dirty || closed) return;
    keepLocal();
    leaving = true;
    const body = fields();
    leaving = false;
    const size = [...body].reduce((sum, [name, value]) => sum + name.length + 90 + String(value).length * 2, 0);
    if (size < BEACON_BYTES) navigator.sendBeacon(`/mail/draft/${draft}`, body);
  }, { signal });
  document.addEventListener("mail:draft", (e) => {
    const told = (e as CustomEvent<{ draft?: string; rev?: number }>).detail;
    if (told.draft !== draft) return;
    setTimeout(() => { if (!closed && Number(told.rev) > Number(field("rev")?.value ?? 0) && !saving) note(t("draft-elsewhere"), ""); }, 1000);
  }, { signal });

  let veil: HTMLElement | null = null;
  const carries = (e: DragEvent) => e.dataTransfer?.types.includes("Files") ?? false;
  box.addEventListener("dragover", (e) => {
    if (!carries(e)) return;
    e.preventDefault();
    veil ??= el("div", { class: "dropping" }, t("drop"));
    if (!veil.isConnected) form.append(veil);
  }, { signal });
  box.addEventListener("dragleave", (e) => { if (!box.contains(e.relatedTarget as Node | null)) veil?.remove(); }, { signal });
  box.addEventListener("drop", (e) => {
    if (!carries(e)) return;
    e.preventDefault();
    veil?.remove();
    uploads.add([...(e.dataTransfer?.files ?? [])]);
  }, { signal });
  box.addEventListener("paste", (e) => {
    const files = [...(e.clipboardData?.files ?? [])];
    if (!files.length) return;
    e.preventDefault();
    void pictures(files);
  }, { signal });
  signal.addEventListener("abort", () => { if (!closed && dirty) void save(); docks.delete(box); });
};

/** Asks for the address of a link; empty takes the link away, null changes nothing. */
function link(): Promise<string | null> {
  const field = el("input", { class: "in", type: "url", name: "href", placeholder: "https://", "aria-label": t("link") });
  const dialog = el("dialog", { "aria-label": t("link") }, el("form", { method: "dialog" }, el("p", { class: "dh" }, t("link")), el("div", { class: "db" }, field),
    el("div", { class: "df" }, el("button", { class: "btn", value: "", formnovalidate: "" }, t("cancel")), el("button", { class: "btn pri", value: "1" }, t("yes")))));
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "1" ? field.value.trim() : null); }));
}

/** Text of an earlier visit that never reached the server: offers to open it. */
export async function offerLost(): Promise<void> {
  const lost = (await drafts.left()).find((one) => !document.getElementById(`d-${one.draft}`));
  if (lost) toast({ text: t("found-local"), action: { label: t("open"), run: () => void openCompose(`/mail/compose?draft=${encodeURIComponent(lost.draft)}`) } });
}

/** Saves what is open before signing out (which clears this browser); true when it may go on. */
export async function maySignOut(): Promise<boolean> {
  await Promise.all([...docks.values()].map((dock) => dock.save()));
  const unsent = [...docks.values()].some((dock) => dock.local) || (await drafts.left()).length > 0;
  return !unsent || confirmed(t("unsent"), t("sign-out"));
}

export { chips } from "./chips";
