// The message list: selection, keyboard, windows of a long list, groups, drag.
//
// Contract
//   <section class="col lc" id="list" data-title="Posteingang">
//     <div class="bar" data-bar="normal"> <input type="checkbox" data-check="all" aria-label="Alle auswählen"> <h1>…
//     <div class="bar" data-bar="selection" hidden> <input type="checkbox" checked data-check="none" aria-label="…">
//       <h1 data-selected></h1> <button class="ib" form="do" name="op" value="archive" data-op …>…        (actions.ts)
//     <div class="filters" role="group"> <a class="chip" href="?filter=unread" aria-pressed="false" hx-get …>
//     <form id="do" method="post" action="/mail/do"> {token} <input type="hidden" name="from" value="{folder}">
//        <input type="hidden" name="filter" value="unread,attachment"> <input type="hidden" name="state" value="{modseq}">
//     </form>
//     <div class="listbox"> <button class="newpill" data-pill hidden></button>
//     <div class="list" id="rows" role="grid" data-c="mail-list" aria-label="Posteingang" aria-multiselectable="true"
//          aria-rowcount="{total}" data-folder="{folder}" data-rows="/mail/{folder}/rows" data-query="filter=unread&sort=…"
//          data-total="{total}" data-modseq="{modseq}">
//       <div class="win" data-offset="0" data-count="50"> rows and group heads </div>
//     </div></div>
//     <nav class="pages"> links "Neuere", "Ältere" for pages without scripts </nav>
//   </section>
//   GET {data-rows}?offset=50&{data-query} answers the next <div class="win" data-offset="50" data-count="…"> … </div>
//   (also when there are fewer rows; none at all: data-count="0"). Empty lists have no .list but ui::empty in .listbox.
//   The address of the page itself takes ?offset= for the links without scripts.
//
//   Group head:  <div class="grp" role="row" data-group="today"><span role="gridcell">Heute</span></div>
//     A window names the group of its first row again; the script hides the second head of one group.
//
//   Row (a conversation or a message; ids are opaque to the script and say by themselves which of the two they mean):
//   <div class="row un" role="row" id="r-{id}" data-id="{id}" data-m="{message} {message}" data-href="/mail/{folder}/{id}"
//        data-unread data-star tabindex="-1" aria-rowindex="{offset+1}" aria-selected="false" draggable="true">
//     <div class="mk" role="gridcell"><i></i><input type="checkbox" form="do" name="ids" value="{id}" tabindex="-1"
//          aria-label="Auswählen: {subject}"></div>
//     <div class="rb" role="gridcell"><span class="vh">Ungelesen.</span>      (only when unread)
//       <a class="open" href="/mail/{folder}/{id}" tabindex="-1" hx-get="/mail/{folder}/{id}" hx-target="#reader"
//          hx-swap="outerHTML" hx-push-url="true" hx-preload="mousedown">
//         <span class="l1"><span class="from ell">…</span><span class="n">3</span><time class="num" datetime title>10:42</time></span>
//         <span class="l2"><span class="sj ell grow">…</span><span class="ic">icons</span></span>
//         <span class="l3"><span class="ell grow">snippet</span><span class="tag k1">Arbeit</span></span></a></div>
//     <div class="hv" role="gridcell"> <button class="ib" form="do" name="one" value="archive:{id}" aria-label="…">…
//       (archive, delete, read or unread; `one` = op:id for this row alone, whatever is ticked) </div>
//     <div class="sc" role="gridcell"><button class="st" form="do" name="one" value="star:{id}" aria-pressed="false" …></div>
//   </div>
//   .un, data-unread: unread. data-star: starred. [aria-selected=true]: ticked or open.
export {};
