// Recipients as chips with suggestions. The plain field stays what is sent: "Name <a@b>, c@d".
//
// Contract: <div class="fl" data-c="chips"> with a <label> and one <input name="to|cc|bcc"> (compose.ts). GET /people?q=.

import type { Controller } from "./core";
import { get } from "./net";
import { el, t } from "./page";

export interface Person { name: string; address: string; initials?: string; hue?: number }

/** The parts of an address list: separated by comma, semicolon or line, but not inside quotes or angles. */
export function parse(text: string): Person[] {
  const parts: string[] = [];
  let part = "", quoted = false, angle = false;
  for (const c of text) {
    if (c === '"') quoted = !quoted;
    if (c === "<") angle = true;
    if (c === ">") angle = false;
    if (!quoted && !angle && /[,;\n\t]/.test(c)) { parts.push(part); part = ""; } else part += c;
  }
  return [...parts, part].map((p) => p.trim()).filter(Boolean).map((p) => {
    const found = /^(.*?)<([^<>]*)>\s*$/s.exec(p);
    return found ? { name: found[1]!.trim().replace(/^"(.*)"$/s, "$1").replace(/\\(.)/g, "$1"), address: found[2]!.trim() } : { name: "", address: p };
  });
}

export const valid = (address: string) => /^[^\s@<>,;"]+@[^\s@<>,;."]+(\.[^\s@<>,;."]+)*$/.test(address);

const written = (p: Person) => (p.name ? `${/[",;<>@()]/.test(p.name) ? `"${p.name.replace(/["\\]/g, "\\$&")}"` : p.name} <${p.address}>` : p.address);

export const chips: Controller = (line, signal) => {
  const field = line.querySelector<HTMLInputElement>("input[name]");
  if (!field || line.querySelector(".pills")) return;
  const label = line.querySelector("label");
  const input = el("input", { id: `${field.id}-in`, role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list", autocomplete: "off", autocapitalize: "off", spellcheck: "false", type: "text", inputmode: "email" });
  const box = el("span", { class: "pills" }, input);
  const list = el("ul", { class: "sugg", role: "listbox", id: `${field.id}-list`, hidden: "" });
  input.setAttribute("aria-controls", list.id);
  label?.setAttribute("for", input.id);
  list.ariaLabel = label?.textContent ?? "";
  field.type = "hidden";
  field.after(box);
  line.append(list);
  let people: Person[] = [];
  let offers: Person[] = [], at = -1, timer = 0;

  const changed = () => {
    field.value = people.map(written).join(", ");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const draw = () => {
    box.querySelectorAll(".pill").forEach((p) => p.remove());
    people.forEach((person, i) => input.before(pill(person, i)));
  };
  const pill = (person: Person, i: number): HTMLElement => {
    const ok = valid(person.address);
    const node = el("span", { class: ok ? "pill" : "pill bad", tabindex: "-1", role: "button", draggable: "true", title: person.address, "aria-description": t("pill-hint") });
    const letters = person.initials ?? (person.name || person.address).split(/[\s.@]+/).slice(0, 2).map((w) => w[0] ?? "").join("").toUpperCase();
    const picture = el("span", { class: `av k${person.hue ?? 8}`, "aria-hidden": "true" });
    picture.dataset.letters = letters.slice(0, 2);
    node.append(picture, el("span", { class: "ell" }, person.name || person.address));
    if (!ok) node.append(el("span", { class: "vh" }, t("bad-address")));
    node.addEventListener("keydown", (e) => {
      const pills = [...box.querySelectorAll<HTMLElement>(".pill")];
      if (e.key === "Delete" || e.key === "Backspace") { remove(i); (box.querySelectorAll<HTMLElement>(".pill")[i] ?? input).focus(); }
      else if (e.key === "ArrowLeft") pills[i - 1]?.focus();
      else if (e.key === "ArrowRight") (pills[i + 1] ?? input).focus();
      else if (e.key === "Enter" || e.key === "F2") edit(i);
      else return;
      e.preventDefault();
      e.stopPropagation();
    });
    node.addEventListener("dblclick", () => edit(i));
    node.addEventListener("dragstart", (e) => e.dataTransfer?.setData("application/x-postamt-person", JSON.stringify({ ...person, from: field.id, i })));
    return node;
  };
  const remove = (i: number) => { people.splice(i, 1); draw(); changed(); };
  const edit = (i: number) => { input.value = written(people[i]!); remove(i); input.focus(); input.select(); };
  const add = (more: Person[]) => {
    const known = new Set(people.map((p) => p.address.toLowerCase()));
    people.push(...more.filter((p) => !known.has(p.address.toLowerCase())));
    draw();
    changed();
  };
  const commit = (): boolean => {
    const more = parse(input.value);
    input.value = "";
    hide();
    if (more.length) add(more);
    return more.length > 0;
  };
  const hide = () => { list.hidden = true; at = -1; input.ariaExpanded = "false"; input.removeAttribute("aria-activedescendant"); };
  const mark = () => {
    [...list.children].forEach((o, i) => { o.ariaSelected = String(i === at); if (i === at) o.scrollIntoView({ block: "nearest" }); });
    if (at >= 0) input.setAttribute("aria-activedescendant", `${list.id}-${at}`);
  };
  const take = (i: number) => { const person = offers[i]; input.value = ""; hide(); if (person) add([person]); input.focus(); };
  const suggest = async () => {
    const query = input.value.trim();
    if (!query) return hide();
    const answer = await get(`/people?q=${encodeURIComponent(query)}`, { json: true });
    if (!answer?.ok || query !== input.value.trim()) return;
    offers = ((await answer.json()) as Person[]).filter((p) => !people.some((q) => q.address.toLowerCase() === p.address.toLowerCase()));
    list.replaceChildren(...offers.map((p, i) => {
      const item = el("li", { role: "option", id: `${list.id}-${i}` }, el("span", { class: `av s k${p.hue ?? 8}`, "aria-hidden": "true" }, p.initials ?? ""), el("span", { class: "grow" }, el("span", { class: "ell" }, p.name || p.address), el("small", { class: "ell" }, p.address)));
      item.addEventListener("pointerdown", (e) => { e.preventDefault(); take(i); });
      return item;
    }));
    list.hidden = offers.length === 0;
    input.ariaExpanded = String(offers.length > 0);
    at = offers.length ? 0 : -1;
    mark();
  };

  input.addEventListener("input", () => { clearTimeout(timer); timer = window.setTimeout(() => void suggest(), 120); }, { signal });
  input.addEventListener("keydown", (e) => {
    if (!list.hidden && (e.key === "ArrowDown" || e.key === "ArrowUp")) { at = (at + (e.key === "ArrowDown" ? 1 : offers.length - 1)) % offers.length; mark(); }
    else if (!list.hidden && at >= 0 && (e.key === "Enter" || e.key === "Tab")) take(at);
    else if (e.key === "Escape" && !list.hidden) hide();
    else if ([",", ";", "Enter"].includes(e.key) && !e.ctrlKey && !e.metaKey) { if (!commit() && e.key === "Enter") return e.preventDefault(); }
    else if (e.key === "Backspace" && !input.value) box.querySelectorAll<HTMLElement>(".pill").item(people.length - 1)?.focus();
    else return;
    e.preventDefault();
    e.stopPropagation();
  }, { signal });
  input.addEventListener("paste", (e) => {
    const text = e.clipboardData?.getData("text/plain") ?? "";
    if (!/[,;\n@]/.test(text)) return;
    e.preventDefault();
    add(parse(text));
  }, { signal });
  input.addEventListener("blur", () => { commit(); }, { signal });
  line.addEventListener("click", (e) => { if (e.target === line || e.target === box) input.focus(); }, { signal });
  line.addEventListener("dragover", (e) => { if (e.dataTransfer?.types.includes("application/x-postamt-person")) e.preventDefault(); }, { signal });
  line.addEventListener("drop", (e) => {
    const text = e.dataTransfer?.getData("application/x-postamt-person");
    if (!text) return;
    e.preventDefault();
    const person = JSON.parse(text) as Person & { from: string; i: number };
    if (person.from === field.id) return;
    document.getElementById(person.from)?.dispatchEvent(new CustomEvent("chips:remove", { detail: person.i }));
    add([{ name: person.name, address: person.address }]);
  }, { signal });
  field.addEventListener("chips:remove", (e) => remove((e as CustomEvent<number>).detail), { signal });
  field.addEventListener("chips:set", () => { people = parse(field.value); draw(); }, { signal });
  field.addEventListener("chips:commit", () => { commit(); }, { signal });
  people = parse(field.value);
  draw();
};
