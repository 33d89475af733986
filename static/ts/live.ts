// Live updates: one event stream for all tabs of this browser.
//
// Contract: GET /events?after={modseq} (text/event-stream; Last-Event-ID wins over `after`). Every event has `id:` = modseq,
// `event:` = one of the names below, `data:` = one line of JSON. Comment lines every 25 s. Folders by the ids of the links.
//   mail.new    {"folder", "ids": [message…], "unread": n}          list refreshes or shows the pill
//   mail.flags  {"folder", "ids", "set": ["seen"], "cleared": ["flagged"]}     seen flagged answered forwarded
//   mail.gone   {"folder", "ids"}
//   folders     {}                                                   folder column refreshes
//   count       {"folder", "unread", "total", "role", "shown"?}     counters; `shown` where the column shows another number
//                                                                    (drafts: total); role "inbox" also the rail and the title
//   draft       {"draft", "rev", "by"}     outbox {"id", "state": "sent|failed|waiting"}
//   quota       {}      prefs {}      session.end {"reason"}      reset {}      bye {"retry": ms}
// GET /events/since?after={modseq} answers {"id": modseq, "events": [{"event": …, "data": {…}}, …]} (asked every 60 s when the
// stream breaks twice). 401 on either: the session is over.

import { flag } from "./actions";
import { get } from "./net";
import { fire, page, t } from "./page";
import * as list from "./list";
import { toast } from "./say";

type Data = Record<string, unknown>;
interface Change { id: number; event: string; data: Data }

const NAMES = ["mail.new", "mail.flags", "mail.gone", "folders", "count", "draft", "outbox", "quota", "prefs", "session.end", "reset", "bye"];
const BURST_MS = 250;
const POLL_MS = 60_000;

let seen = 0;
const channel = new BroadcastChannel("postamt-live");

/** Starts listening. The tab that holds the lock has the stream; when it goes, the next one takes over where it was. */
export function startLive(): void {
  seen = page().client.modseq;
  channel.onmessage = (e: MessageEvent<Change>) => take(e.data);
  const lead = () => new Promise<void>(() => stream());
  if (navigator.locks) void navigator.locks.request("postamt-live", lead);
  else stream();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) flush(); });
}

let breaks = 0;

function stream(wait = 0): void {
  setTimeout(() => {
    const source = new EventSource(`/events?after=${seen}`);
    const opened = Date.now();
    for (const name of NAMES) {
      source.addEventListener(name, (e) => {
        const change = { id: Number(e.lastEventId) || seen, event: name, data: parse(e.data) };
        channel.postMessage(change);
        take(change);
        if (name === "bye") { source.close(); stream(1000 + Math.random() * Number(change.data.retry ?? 4000)); }
      });
    }
    source.onopen = () => { if (Date.now() - opened < 5000) breaks = Math.max(0, breaks - 1); };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      breaks += 1;
      // A proxy that breaks the stream twice will go on doing so: ask instead.
      if (breaks >= 2) void poll(); else stream(2000 + Math.random() * 3000);
    };
  }, wait);
}

async function poll(): Promise<void> {
  const answer = await get(`/events/since?after=${seen}`, { json: true });
  if (answer?.ok) {
    const { id, events } = (await answer.json()) as { id: number; events: { event: string; data: Data }[] };
    for (const one of events) {
      const change = { id, ...one };
      channel.postMessage(change);
      take(change);
    }
    seen = Math.max(seen, id);
  }
  setTimeout(() => void poll(), POLL_MS);
}

function parse(text: string): Data {
  try { return JSON.parse(text) as Data; } catch { return {}; }
}

// --- what comes of it: collected for 250 ms, one request a region -----------------------------------------------------

const due = new Set<"list" | "folders" | "quota">();
let fresh = 0;
let timer = 0;

function take({ id, event, data }: Change): void {
  seen = Math.max(seen, id);
  const here = data.folder !== undefined && data.folder === list.grid()?.dataset.folder;
  const ids = (data.ids as unknown[] | undefined)?.map(String) ?? [];
  switch (event) {
    case "mail.new": if (here || (data.folder !== undefined && data.folder === emptyFolder())) fresh += Math.max(1, ids.length); break;
    case "mail.flags": if (here) flags(ids, data.set as string[] ?? [], data.cleared as string[] ?? []); break;
    case "mail.gone": if (here) gone(ids); break;
    case "folders": due.add("folders"); break;
    case "count": count(String(data.folder), Number(data.unread), data.role as string | undefined, Number(data.shown ?? data.unread)); break;
    case "quota": due.add("quota"); break;
    case "outbox":
      due.add("folders");
      if (data.state === "failed") toast({ text: t("send-failed"), danger: true });
      break;
    case "draft": fire("mail:draft", data); break;
    case "prefs": toast({ text: t("prefs"), action: { label: t("reload"), run: () => location.reload() } }); break;
    case "session.end": fire("session:over"); break;
    case "reset": due.add("list").add("folders").add("quota"); break;
  }
  if (!timer) timer = window.setTimeout(() => { timer = 0; flush(); }, BURST_MS);
}

const emptyFolder = () => (list.grid() ? undefined : document.getElementById("list")?.dataset.folder);

/** Refreshes what changed. A hidden tab waits until it is looked at; its counters are already right. */
function flush(): void {
  if (document.hidden) return;
  if (fresh) { const n = fresh; fresh = 0; due.delete("list"); list.arrived(n); }
  for (const what of due) fire(`mail:${what}`);
  due.clear();
}

const holding = (id: string) => document.querySelector<HTMLElement>(`#rows .row[data-m~="${CSS.escape(id)}"]`);

function flags(ids: string[], set: string[], cleared: string[]): void {
  for (const id of ids) {
    const row = holding(id);
    if (!row) continue;
    // A conversation is unread while one of its messages is: only the server knows.
    if ((row.dataset.m ?? "").includes(" ")) { due.add("list"); continue; }
    if (set.includes("seen")) flag(row, "read");
    if (cleared.includes("seen")) flag(row, "unread");
    if (set.includes("flagged")) flag(row, "star");
    if (cleared.includes("flagged")) flag(row, "unstar");
    if (set.some((f) => f === "answered" || f === "forwarded")) due.add("list");
  }
}

function gone(ids: string[]): void {
  for (const id of ids) {
    const row = holding(id);
    if (!row || row.matches(".out, .gone")) continue;
    if ((row.dataset.m ?? "").includes(" ")) { due.add("list"); continue; }
    const grid = list.grid();
    if (grid) grid.dataset.total = String(Math.max(0, Number(grid.dataset.total) - 1));
    list.picked.delete(row.dataset.id ?? "");
    if (document.activeElement?.closest(".row") === row) list.focusRow(list.neighbour(row, new Set([row.dataset.id ?? ""])));
    row.remove();
  }
  list.paint();
  if (!list.rows().length) due.add("list");
}

/** Counters of the folder column; the inbox's also stands on the rail and in the title. */
function count(folder: string, unread: number, role: string | undefined, shown: number): void {
  for (const node of document.querySelectorAll<HTMLElement>(`[data-count="${CSS.escape(folder)}"]`)) {
    node.textContent = shown > 0 ? String(shown) : "";
    node.hidden = shown <= 0;
    node.closest(".nv")?.classList.toggle("un", unread > 0);
  }
  const head = document.querySelector("#list h1 small");
  if (head && folder === list.grid()?.dataset.folder) head.textContent = unread > 0 ? t("unread-n", unread) : "";
  if (role !== "inbox") return;
  for (const badge of document.querySelectorAll<HTMLElement>("[data-badge=mail]")) {
    badge.textContent = unread > 99 ? "99+" : String(unread);
    badge.hidden = unread <= 0;
  }
  document.title = (unread > 0 ? `(${unread}) ` : "") + document.title.replace(/^\(\d+\) /, "");
  if ("setAppBadge" in navigator) void (unread > 0 ? navigator.setAppBadge(unread) : navigator.clearAppBadge()).catch(() => undefined);
}
