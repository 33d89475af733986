// The editor inside its own frame (/mail/editor, headers::editor_frame()): Squire for editing, DOMPurify for what is pasted.
//
// Contract: the page extends layout/frame.html, links editor.css and editor.js, and its body holds
//   <div id="edit" class="edit" role="textbox" aria-multiline="true" aria-label="Nachrichtentext"></div>
// The parent (compose.ts) calls window.postamtEditor of the frame; nothing is posted or fetched from here.

import DOMPurify from "dompurify";
import Squire from "squire-rte";

export interface Start {
  html: string;
  changed: () => void;
  key: (e: KeyboardEvent) => boolean;
  files: (files: File[]) => void;
  /** Names of data-cmd that hold at the cursor. */
  state: (on: string[]) => void;
  look: { theme: string; font: string };
}

export interface EditorApi {
  start(with_: Start): void;
  get(): string;
  text(): string;
  cmd(name: string, value?: string): void;
  picture(address: string): void;
  focus(): void;
}

const CLEAN = {
  FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "option", "iframe", "object", "embed", "svg", "math", "audio", "video", "dialog", "template"],
  FORBID_ATTR: ["id", "name", "contenteditable", "tabindex", "autofocus", "srcset", "usemap"],
  ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto|tel|cid|sip|xmpp):|data:image\/(?:png|jpeg|gif|webp);|\/mail\/|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
};

const root = document.getElementById("edit")!;
// Squire's signature and quote classes survive; `id` never does, so nothing pasted can shadow what is ours.
const editor = new Squire(root, {
  blockTag: "DIV",
  addLinks: true,
  tagAttributes: { a: { target: "_blank", rel: "noopener noreferrer" }, blockquote: { type: "cite" } },
  sanitizeToDOMFragment: (html: string) => document.importNode(DOMPurify.sanitize(html, { ...CLEAN, RETURN_DOM_FRAGMENT: true }), true),
});

const PRESSED: Record<string, () => boolean> = {
  bold: () => editor.hasFormat("B") || editor.hasFormat("STRONG"),
  italic: () => editor.hasFormat("I") || editor.hasFormat("EM"),
  underline: () => editor.hasFormat("U"),
  strikethrough: () => editor.hasFormat("S"),
  ul: () => editor.hasFormat("UL"),
  ol: () => editor.hasFormat("OL"),
  quote: () => editor.hasFormat("BLOCKQUOTE"),
  link: () => editor.hasFormat("A"),
};

const DO: Record<string, (on: boolean, value: string) => unknown> = {
  bold: (on) => (on ? editor.removeBold() : editor.bold()),
  italic: (on) => (on ? editor.removeItalic() : editor.italic()),
  underline: (on) => (on ? editor.removeUnderline() : editor.underline()),
  strikethrough: (on) => (on ? editor.removeStrikethrough() : editor.strikethrough()),
  ul: (on) => (on ? editor.removeList() : editor.makeUnorderedList()),
  ol: (on) => (on ? editor.removeList() : editor.makeOrderedList()),
  indent: () => (PRESSED.ul!() || PRESSED.ol!() ? editor.increaseListLevel() : editor.increaseQuoteLevel()),
  outdent: () => (PRESSED.ul!() || PRESSED.ol!() ? editor.decreaseListLevel() : editor.decreaseQuoteLevel()),
  quote: (on) => (on ? editor.decreaseQuoteLevel() : editor.increaseQuoteLevel()),
  link: (_, value) => (value ? editor.makeLink(/^[a-z][a-z0-9+.-]*:/i.test(value) ? value : value.includes("@") ? `mailto:${value}` : `https://${value}`) : editor.removeLink()),
  clear: () => editor.removeAllFormatting(),
  color: (_, value) => editor.setTextColor(value ? `#${value.replace("#", "")}` : null),
  size: (_, value) => editor.setFontSize(value ? `${value}px` : null),
  undo: () => editor.undo(),
  redo: () => editor.redo(),
};

const api: EditorApi = {
  start(given) {
    document.documentElement.dataset.theme = given.look.theme;
    document.documentElement.dataset.font = given.look.font;
    editor.setHTML(given.html);
    editor.moveCursorToStart();
    const path = () => given.state(Object.keys(PRESSED).filter((name) => PRESSED[name]!()));
    editor.addEventListener("input", given.changed);
    editor.addEventListener("pathChange", path);
    editor.addEventListener("select", path);
    editor.addEventListener("cursor", path);
    document.addEventListener("keydown", (e) => { if (given.key(e)) { e.preventDefault(); e.stopImmediatePropagation(); } }, true);
    root.addEventListener("paste", (e) => {
      const files = [...(e.clipboardData?.files ?? [])];
      if (!files.length || e.clipboardData?.types.includes("text/html")) return;
      e.preventDefault();
      e.stopImmediatePropagation();
      given.files(files);
    }, true);
    root.addEventListener("drop", (e) => {
      const files = [...(e.dataTransfer?.files ?? [])];
      if (!files.length) return;
      e.preventDefault();
      e.stopImmediatePropagation();
      given.files(files);
    }, true);
  },
  get: () => editor.getHTML(),
  text: () => root.innerText.replace(/\n{3,}/g, "\n\n").trimEnd(),
  cmd(name, value = "") {
    const [verb = "", own = ""] = name.split(":");
    DO[verb]?.(PRESSED[verb]?.() ?? false, own || value);
    editor.focus();
  },
  picture: (address) => { editor.insertImage(address, { alt: "" }); },
  focus: () => { editor.focus(); },
};

(window as Window & { postamtEditor?: EditorApi }).postamtEditor = api;
