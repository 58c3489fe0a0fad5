// Creating elements, dialogs, error messages, and announcements to screen readers (live regions).

import { Problem } from "./api.js";

const DEFECT = "Something is wrong with this page. Reload it, and try again.";

/** An element. Names that begin with "on" are listeners, true and false add and remove, null is left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** The element of index.html with this id. */
export function byId(id) {
  return document.getElementById(id);
}

let numbers = 0;

/** An id that nothing on the page has. */
export function newId(word) {
  numbers += 1;
  return `${word}-${numbers}`;
}

const toast = byId("toast"); // kept here: it moves into dialogs, which come and go
let leaving;

/** Shows a short sentence for a few seconds; screen readers say it. */
export function say(sentence) {
  const host = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body; // what is outside a dialog is inert
  if (toast.parentElement !== host) host.append(toast);
  clearTimeout(leaving);
  toast.textContent = "";
  requestAnimationFrame(() => { toast.textContent = sentence; });
  leaving = setTimeout(() => { toast.textContent = ""; }, 5000);
}

/** What went wrong, for people. A defect of the page itself is reported to the browser's console. */
export function explain(problem) {
  if (problem instanceof Problem) return problem.message;
  reportError(problem);
  return DEFECT;
}

/** A box about something that went wrong; `again` offers to try once more. */
export function errorBox(problem, again) {
  const button = again && h("button", { type: "button", onclick: again }, "Try again");
  const id = problem.requestId && h("span", { class: "quiet" }, ` Request ${problem.requestId}.`);
  return h("div", { class: "notice bad", role: "alert" }, h("p", {}, explain(problem), id), button);
}

/**
 * Opens a dialog that is labelled by its h2 and goes when it is closed; `closed` is called then. The browser
 * dispatches "close" in a later task, when the next dialog may be open already, so each opening has its own element.
 */
export function openDialog(kind, content, closed = () => {}) {
  const dialog = h("dialog", { class: kind }, content);
  const title = dialog.querySelector("h2");
  title.id = newId("title");
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.addEventListener("close", () => { dialog.remove(); closed(); });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks before something that cannot be undone; resolves to whether it is wanted. */
export function confirmed(title, sentence, action) {
  return new Promise((resolve) => {
    const close = (answer) => () => { resolve(answer); dialog.close(); };
    const dialog = openDialog("small", [
      h("h2", {}, title),
      h("p", {}, sentence),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: close(false), autofocus: true }, "Keep it"),
        h("button", { type: "button", class: "danger", onclick: close(true) }, action)),
    ], () => resolve(false));
  });
}
