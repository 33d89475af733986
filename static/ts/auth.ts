// Sign-in and first-password pages: show the password, and say when caps lock is on. Both pages work without this.
//
// Contract: a <button data-show="FIELD_ID" aria-pressed="false" hidden> shows or hides that field (data-on: its name
// while the password is shown, data-off: while it is not); an element data-caps="FIELD_ID" with [hidden] is shown while caps lock is on in it.
for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-show]")) {
  const field = document.getElementById(button.dataset.show!) as HTMLInputElement;
  button.hidden = false;
  button.onclick = () => {
    const shown = field.type === "text";
    field.type = shown ? "password" : "text";
    button.ariaPressed = String(!shown);
    button.ariaLabel = (shown ? button.dataset.off : button.dataset.on) ?? "";
  };
}
for (const hint of document.querySelectorAll<HTMLElement>("[data-caps]")) {
  const field = document.getElementById(hint.dataset.caps!)!;
  const look = (e: KeyboardEvent) => { hint.hidden = !e.getModifierState?.("CapsLock"); };
  field.addEventListener("keydown", look);
  field.addEventListener("keyup", look);
  field.addEventListener("blur", () => { hint.hidden = true; });
}
