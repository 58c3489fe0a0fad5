// The date filter: two dates, both inclusive, with presets.

import { h } from "../dom.js";
import { dispatchChange, group } from "./field.js";

const DAY = 86400000;

/** The often wanted ranges by name, seen from a day: the first and the last day of each, as YYYY-MM-DD. */
export function presets(today = new Date()) {
  const at = (year, month, day) => new Date(Date.UTC(year, month, day)).toISOString().slice(0, 10);
  const [year, month, day] = [today.getFullYear(), today.getMonth(), today.getDate()];
  const back = (days) => new Date(Date.UTC(year, month, day) - days * DAY).toISOString().slice(0, 10);
  return {
    "All time": ["", ""],
    "Last 7 days": [back(6), back(0)],
    "Last 30 days": [back(29), back(0)],
    "This month": [at(year, month, 1), back(0)],
    "Last month": [at(year, month - 1, 1), at(year, month, 0)],
    "This year": [at(year, 0, 1), back(0)],
    "Last year": [at(year - 1, 0, 1), at(year - 1, 11, 31)],
  };
}

export class Dates {
  constructor(column, { start_date: first = "", end_date: last = "" }) {
    this.pointer = "/start_date";
    this.first = h("input", { type: "date", value: first });
    this.last = h("input", { type: "date", value: last });
    this.buttons = Object.entries(presets()).map(([name, days]) => this.preset(name, days));
    this.element = group("Dates", this.pointer, `on ${column}, both days included`,
      h("div", { class: "chips" }, this.buttons.map((button) => button.element)),
      h("div", { class: "pair" }, h("label", {}, "From", this.first), h("label", {}, "To", this.last)));
    this.element.addEventListener("change", () => this.mark());
    this.mark();
  }

  write(body) {
    if (this.first.value) body.start_date = this.first.value;
    if (this.last.value) body.end_date = this.last.value;
  }

  preset(name, days) {
    const choose = () => {
      [this.first.value, this.last.value] = days;
      dispatchChange(this.element);
    };
    return { days, element: h("button", { type: "button", class: "chip", onclick: choose }, name) };
  }

  mark() {
    for (const { days: [first, last], element } of this.buttons) {
      element.setAttribute("aria-pressed", String(first === this.first.value && last === this.last.value));
    }
  }
}
