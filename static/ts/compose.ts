// Writing: docks, recipients as chips, files, drafts that save themselves, checks before sending, undo send.
//
// Opening: a link <a href="/mail/compose?…" data-compose> is fetched with HX-Request and put into #compose as a dock; without
// scripts it is a page of its own. GET /mail/compose changes nothing: the draft id in the form is random and made by the
// server, the first POST creates the draft. The block `compose` is exactly:
//   <section class="comp" role="dialog" aria-label="Neue Nachricht" id="d-{draft}" data-c="compose" data-draft="{draft}">
//   <form method="post" action="/mail/draft/{draft}/send" enctype="multipart/form-data"> {token}
//     <input type="hidden" name="rev" value="{revision, 0 = not stored yet}"> <input type="hidden" name="reply|forward" …>
//     <div class="ch"><span class="grow ell" data-heading>…</span> <span data-status class="mut"></span>
//       <button type="button" data-do="min"> <button type="button" data-do="full"> <button type="submit" formaction="/mail/draft/{draft}" data-do="close"></div>
//     <div class="fl"><label for="from-{draft}">Von</label><select name="from" id=…>…</select></div>      (hidden if only one)
//     <div class="fl" data-c="chips"><label for="to-{draft}">An</label><input name="to" id="to-{draft}" value="A <a@b>, …"
//        autocomplete="off"> <button type="button" data-do="cc">Cc</button> <button type="button" data-do="bcc">Bcc</button></div>
//     the same for cc and bcc (<div … data-field="cc" hidden> when empty; without scripts they are shown)
//     <div class="fl"><label>Betreff</label><input name="subject"></div>
//     <div class="banbox" data-errors></div>
//     <textarea class="ed" name="text">…</textarea>                        the text; the only field when format=text
//     <textarea name="html" hidden>…cleaned HTML…</textarea> <input type="hidden" name="format" value="html|text">
//     <iframe class="ed" data-editor src="/mail/editor" title="Nachrichtentext" hidden></iframe>
//     <div class="up" data-files> file rows </div>
//     <div class="tb" role="toolbar" data-tools hidden> <button type="button" data-cmd="bold" aria-pressed="false"> … </div>
//        data-cmd: bold italic underline strikethrough ul ol indent outdent quote link image clear color:{hex} size:{px}
//     <div class="ft"> <button class="btn pri" data-do="send">Senden</button> <label class="ib"><input type="file" name="file" multiple
//        class="vh" data-pick></label> … <button type="submit" formaction="/mail/draft/{draft}/discard" data-do="discard"></div>
//   </form></section>
//   The signature and the quoted mail stand in text/html already; the script looks for words about attachments only above
//   the first element with class "quote" or "sig" (HTML) or the first line "-- " or beginning with ">" (text).
//
// Requests of the script send Accept: application/json and get JSON:
//   POST /mail/draft/{draft}            all fields → {"rev": 3, "saved": "Entwurf gespeichert 10:51"}; 409 {"draft": "{other}"}
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
export {};
