// What htmx needs from us: the token on every request, and "refresh" without a new page.

import { fire, page } from "./page";

export function startHtmx(): void {
  document.addEventListener("htmx:config:request", (e) => {
    const { ctx } = (e as CustomEvent<{ ctx: { request: { headers: Record<string, string> } } }>).detail;
    ctx.request.headers["X-CSRF-Token"] = page().csrf;
  });
  document.addEventListener("click", (e) => {
    const refresh = (e.target as Element).closest("#refresh");
    if (!refresh || e.ctrlKey || e.metaKey || !document.getElementById("list")) return;
    e.preventDefault();
    for (const region of ["mail:list", "mail:folders", "mail:quota"]) fire(region);
  });
}
