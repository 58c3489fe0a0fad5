// The dialog with commands that do the same from a shell.

import { h, openDialog, say } from "./dom.js";
import { icon } from "./icons.js";

/** Shows commands, each with a sentence on what it does. */
export function showCommands(commands) {
  const dialog = openDialog("small", [
    h("div", { class: "heading" },
      h("h2", {}, "From a shell"),
      h("button", { type: "button", class: "plain square", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    h("p", { class: "quiet" }, "Set ", h("code", {}, "TOKEN"), " to your access token first. It is not part of the commands."),
    ...commands.flatMap(([sentence, command]) => block(sentence, command)),
  ]);
}

function block(sentence, command) {
  const code = h("pre", { role: "region", tabindex: "0", "aria-label": sentence }, h("code", {}, command));
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      say("Copied.");
    } catch { // not allowed here: leave the text selected instead
      getSelection().selectAllChildren(code);
      say("Selected. Copy it with your keyboard.");
    }
  };
  return [
    h("div", { class: "heading" }, h("h3", {}, sentence),
      h("button", { type: "button", onclick: copy }, icon("copy"), "Copy")),
    code,
  ];
}
