// The columns of the file and their order: with buttons, or by dragging.

import { h, say } from "../dom.js";
import { icon } from "../icons.js";
import { counted } from "../text.js";
import { dispatchChange, group } from "./field.js";

export class Columns {
  constructor(columns, chosen) {
    this.pointer = "/columns";
    this.original = columns.map((column) => column.name);
    const order = chosen ? [...chosen, ...this.original.filter((name) => !chosen.includes(name))] : this.original;
    const rows = order.map((name) => this.row(columns.find((column) => column.name === name), !chosen || chosen.includes(name)));
    this.list = h("ul", { class: "columns" }, rows);
    this.status = h("span");
    this.element = h("details", { class: "field" },
      h("summary", {}, "Columns ", h("span", { class: "quiet" }, this.status)),
      group("Columns and their order", this.pointer, null,
        h("p", { class: "field-status" },
          h("button", { type: "button", class: "link", onclick: () => this.check(true) }, "All"),
          h("button", { type: "button", class: "link", onclick: () => this.check(false) }, "None"),
          h("button", { type: "button", class: "link", onclick: () => this.reset() }, "Original order")),
        this.list));
    this.element.addEventListener("change", () => this.showStatus());
    this.list.addEventListener("dragover", (event) => this.drag(event));
    this.showStatus();
  }

  get chosen() {
    return [...this.list.querySelectorAll("input:checked")].map((input) => input.value);
  }

  write(body) {
    const { chosen } = this;
    if (chosen.length && chosen.join("\n") !== this.original.join("\n")) body.columns = chosen;
  }

  /** What is wrong before anything is asked of the service. */
  get problem() {
    return this.chosen.length ? null : { pointer: this.pointer, detail: "Choose one column at least." };
  }

  showStatus() {
    const { chosen } = this;
    const all = chosen.length === this.original.length;
    const moved = chosen.join("\n") !== this.original.filter((name) => chosen.includes(name)).join("\n");
    const number = all ? `all ${this.original.length}` : `${chosen.length} of ${counted(this.original.length, "column")}`;
    this.status.textContent = moved ? `${number}, in your order` : number;
  }

  row(column, checked) {
    const move = (step) => () => this.move(row, step, column.name);
    const arrow = (word, step) => h("button",
      { type: "button", class: "plain square", "aria-label": `Move ${column.name} ${word}`, onclick: move(step) }, icon(word));
    const row = h("li", { draggable: "true", "data-name": column.name },
      h("label", { class: "column", title: column.description },
        h("input", { type: "checkbox", value: column.name, checked }),
        h("span", {}, column.name), h("code", { class: "quiet" }, column.type.toLowerCase())),
      arrow("up", -1), arrow("down", 1));
    row.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", column.name);
      this.dragged = row;
      row.classList.add("dragged");
    });
    row.addEventListener("dragend", () => {
      row.classList.remove("dragged");
      this.dragged = null;
      dispatchChange(this.list);
    });
    return row;
  }

  move(row, step, name) {
    const focused = document.activeElement;
    if (step < 0) row.previousElementSibling?.before(row);
    else row.nextElementSibling?.after(row);
    focused.focus();
    say(`${name} is number ${[...this.list.children].indexOf(row) + 1} of ${this.list.children.length}.`);
    dispatchChange(this.list);
  }

  drag(event) {
    const over = event.target.closest("li");
    if (!this.dragged || !over || over === this.dragged) return;
    event.preventDefault();
    const { top, height } = over.getBoundingClientRect();
    if (event.clientY < top + height / 2) over.before(this.dragged);
    else over.after(this.dragged);
  }

  check(checked) {
    this.list.querySelectorAll("input").forEach((input) => { input.checked = checked; });
    dispatchChange(this.list);
  }

  reset() {
    this.original.forEach((name) => this.list.append(this.list.querySelector(`[data-name="${CSS.escape(name)}"]`)));
    dispatchChange(this.list);
  }
}
