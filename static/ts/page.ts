// What the server told this page (layout/app.html, page.rs `Layout::data`), and its words.

export interface Page {
  lang: "de" | "en";
  csrf: string;
  area: string;
  address: string;
  client: { keys: "on" | "lists" | "off"; markRead: number | null; undoSend: number; after: "older" | "newer" | "list"; remind: boolean; modseq: number };
  t: Record<string, string>;
}

let from: Element | null = null;
let data: Page;

/** The data of the page that is shown; read again when history brought another one. */
export function page(): Page {
  const now = document.getElementById("page-data");
  if (now && now !== from) {
    from = now;
    data = JSON.parse((now as HTMLTemplateElement).content.textContent ?? "{}") as Page;
  }
  return data;
}

/** A word; `%n` in it becomes `n`. */
export function t(key: string, n?: number | string): string {
  const word = page().t[key] ?? "";
  return n === undefined ? word : word.replace("%n", String(n));
}

export const phone = matchMedia("(max-width: 720px)");

/** Tells screen readers, without moving anything. */
export function announce(text: string): void {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

export function fire(name: string, detail: unknown = {}): void {
  document.body.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
}

/** A drawing of the sprite, as templates write it. */
export function icon(name: string, cls = ""): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `i ${cls}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/assets/@icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A small element builder: el("span", { class: "x" }, "text", child). */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attrs: Record<string, string> = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** True for elements in which keys are typed. */
export function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])"));
}

export function visible(node: Element): boolean {
  return node.checkVisibility();
}
