// What htmx needs from us: the token on every request, and "refresh" without a new page.

import { fire, page } from "./page";

const WAIT_MS = 150;

export function startHtmx(): void {
  document.addEventListener("htmx:config:request", (e) => {
    const { ctx } = (e as CustomEvent<{ ctx: { request: { headers: Record<string, string> } } }>).detail;
    ctx.request.headers["X-CSRF-Token"] = page().csrf;
  });
  // A region that is being fetched says so after 150 ms; a button that was pressed likewise, until the page goes.
  const waiting = new Map<Element, number>();
  const settle = (region: Element) => {
    clearTimeout(waiting.get(region));
    waiting.delete(region);
    region.removeAttribute("aria-busy");
  };
  document.addEventListener("htmx:before:request", (e) => {
    const region = (e as CustomEvent<{ ctx: { target?: Element } }>).detail.ctx.target;
    if (!(region instanceof Element) || waiting.has(region)) return;
    waiting.set(region, window.setTimeout(() => region.setAttribute("aria-busy", "true"), WAIT_MS));
  });
  document.addEventListener("htmx:finally:request", () => { for (const region of waiting.keys()) settle(region); });
  document.addEventListener("submit", (e) => {
    const button = (e as SubmitEvent).submitter;
    if (e.defaultPrevented || !button) return;
    const timer = setTimeout(() => button.setAttribute("aria-busy", "true"), WAIT_MS);
    const free = () => { clearTimeout(timer); button.removeAttribute("aria-busy"); };
    document.addEventListener("htmx:finally:request", free, { once: true });
    window.addEventListener("pageshow", free, { once: true });
  });
  document.addEventListener("click", (e) => {
    const refresh = (e.target as Element).closest("#refresh");
    if (!refresh || e.ctrlKey || e.metaKey || !document.getElementById("list")) return;
    e.preventDefault();
    for (const region of ["mail:list", "mail:folders", "mail:quota"]) fire(region);
  });
}
