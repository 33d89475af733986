// Live updates: one event stream for all tabs of this browser.
//
// Contract: GET /events?after={modseq} (text/event-stream; Last-Event-ID wins over `after`). Every event has `id:` = modseq,
// `event:` = one of the names below, `data:` = one line of JSON. Comment lines every 25 s. Folders by the ids of the links.
//   mail.new    {"folder", "ids": [message…], "unread": n}          list refreshes or shows the pill
//   mail.flags  {"folder", "ids", "set": ["seen"], "cleared": ["flagged"]}     seen flagged answered forwarded
//   mail.gone   {"folder", "ids"}
//   folders     {}                                                   folder column refreshes
//   count       {"folder", "unread", "total", "role"}                counters; role "inbox" also the rail and the title
//   draft       {"draft", "rev", "by"}     outbox {"id", "state": "sent|failed|waiting"}
//   quota       {}      prefs {}      session.end {"reason"}      reset {}      bye {"retry": ms}
// GET /events/since?after={modseq} answers {"id": modseq, "events": [{"event": …, "data": {…}}, …]} (asked every 60 s when the
// stream breaks twice). 401 on either: the session is over.
export {};
