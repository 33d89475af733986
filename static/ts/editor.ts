// The editor inside its own frame (/mail/editor, headers::editor_frame()): Squire for editing, DOMPurify for what is pasted.
//
// Contract: the page extends layout/frame.html, links editor.css and editor.js, and its body holds
//   <div id="edit" class="edit" role="textbox" aria-multiline="true" aria-label="Nachrichtentext"></div>
// The parent (compose.ts) calls window.postamtEditor of the frame; nothing else is posted or fetched.
import DOMPurify from "dompurify";
import Squire from "squire-rte";
export const parts = [DOMPurify, Squire];
