// Actions on messages: at once on the screen, then on the server, and back again when that fails. Undo.
//
// Contract: every form that goes to POST /mail/do, and every button that belongs to one.
//   fields  _t
//           from      folder of the list or conversation
//           ids       (repeated) ids of rows or messages; or all=1 with filter, q and state (the list's modseq: the
//                     server refuses with 409 when rows newer than that would be hit)
//           op        archive | delete | purge | junk | notjunk | read | unread | star | unstar
//           one       op:id, instead of op and ids: a row's own button
//           move      target folder (instead of op)
//           quiet     1: no toast (opened message is marked read)
//   answer  without HX-Request: 303 to the list with a flash message. With it: 200 and
//           HX-Trigger {"toast": {"text": "Archiviert", "undo": "{token}"}}; the body may hold <hx-partial>s.
//           Several events in one HX-Trigger object are fine. 409: stale, 4xx/5xx: rows come back.
//   delete moves to the trash, in trash and junk it is final; buttons for what is final (op=purge, or delete there)
//   carry data-confirm="question" (the dialog has the button's own label).
//   POST /undo/{token} {_t, back}: 303, or with HX-Request 200 and HX-Trigger (toast; mail:list is fired by the script).
//
//   In the reader: <form id="do-read" method="post" action="/mail/do" data-row="{id of its row}"> with from and ids of
//   the open conversation; its buttons may lie elsewhere by form="do-read". Menus for moving hold
//   <button form="…" name="move" value="{folder}">.
export {};
