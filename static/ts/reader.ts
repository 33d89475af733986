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
//   After data client.markRead the script posts /mail/do op=read quiet=1 with the ids of data-unread.
export {};
