// The signed-in page: htmx for swapping parts, and our own controllers. Everything here is an addition: each page
// works as plain links and forms without it.
//
// THE CONTRACT BETWEEN TEMPLATES AND SCRIPTS (each module's own part stands at its top)
//
// General
// * Scripts bind to data-c="name" (several separated by blanks), read data-* and ids, never classes.
// * They send the token as header X-CSRF-Token (htmx requests too); forms carry it as `_t`. Both count.
// * A handler answers the whole page, or for HX-Request (headers::wants_part) only the block named like the target's
//   id. Every pushed address must also answer alone. `Vary: HX-Request, HX-Request-Type` (headers::varies()).
// * Events a handler may fire with HX-Trigger (all on <body>): "toast" (page::Toast::trigger()), "mail:list",
//   "mail:folders", "mail:quota" (refresh that region), "compose" {"href": "/mail/compose?draft=…"} (opens the dock).
// * Words: only page.rs SCRIPT_WORDS. Everything else is HTML from the server or an aria-label in the page.
// * Keys: any button or link may say data-key="r" (or "g i"): pressing it clicks the last visible one on the page, the
//   palette (Ctrl K) lists it under its label, and ui.md 8's table is made from them. Say the key in `title`, too.
//
// The mail page
//   <div class="body mail" id="panes" data-pane="list|read">          which pane a phone shows
//     <aside class="side" id="side"> … <nav id="folders" …> … <div class="quota" id="quota" …>
//     <section class="col lc" id="list" aria-label="…">                list.ts
//     <main class="col rc" id="reader" tabindex="-1" …>                reader.ts
//   </div>
//   <template id="reader-empty">what an empty reader shows</template>
//
// Regions that refresh themselves (the block `list` is exactly <section id="list">…</section>, and so on):
//   #list    data-href="{this list's address}": list.ts fetches it (block `list`), or only the rows that are seen
//   #folders hx-get="/mail/folders/column?at={folder}" hx-trigger="mail:folders from:body" hx-swap="outerMorph"
//   #quota   hx-get="/mail/quota" hx-trigger="mail:quota from:body" hx-swap="outerHTML"
//
// Folder links (folder ids are the opaque ones of the address; special folders use their role name everywhere):
//   <a class="nv" id="f-{folder}" href="/mail/{folder}" data-folder="{folder}" data-role="inbox" data-drop
//      hx-get="/mail/{folder}" hx-target="#list" hx-swap="outerHTML" hx-push-url="true" hx-preload="mousedown"
//      data-key="g i">icon <span class="ell">Posteingang</span><span class="c" data-count="{folder}">12</span></a>
//   The open one has aria-current="page"; after a swap the script moves it. A count of 0 is an empty, hidden span.
//   data-drop: rows may be dropped here. Classes as in the prototype: nv un (has unread), nv in1 (second level).

import "htmx.org";
import "htmx.org/dist/ext/hx-preload.js";
import { startActions } from "./actions";
import { register, start } from "./core";
import { startDocks } from "./dock";
import { startDrag } from "./drag";
import { startForms, startGrip } from "./forms";
import { startHtmx } from "./htmx-page";
import { startKeys } from "./keys";
import { mailList, startList } from "./list";
import { startLive } from "./live";
import { startMail } from "./mail";
import { page } from "./page";
import { mailBody, reader, startReader } from "./reader";
import { watchConnection, watchSession } from "./session";
import { banner, startMenus, theme } from "./theme";
import { hold, startToasts } from "./toast";

register("mail-list", mailList);
register("reader", reader);
register("mail-body", mailBody);
register("theme", theme);
register("banner", banner);
register("toast", (node) => { hold(node, 8000); });

startToasts();
startHtmx();
startMenus();
startActions();
startList();
startReader();
startMail();
startDrag();
startKeys();
startDocks();
startForms();
startGrip();
start();
watchSession();
watchConnection();
if (page().address) startLive();
// When the page has settled: the browser keeps the assets, and says so itself when there is no connection. Not on a machine's own
// address: a worker of a trial run would stay there for whatever is served from it next.
if ("serviceWorker" in navigator && !/^(localhost|[\d.]+|\[.*\])$/.test(location.hostname)) window.addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(() => void navigator.serviceWorker.register("/sw.js").catch(() => undefined)));
