// The first rows of what would be exported.

import * as api from "../api.js";
import { selectionOf } from "../describe.js";
import { h } from "../dom.js";
import { time } from "../text.js";

const LONGEST = 60;

export class Preview {
  constructor(dataset) {
    this.dataset = dataset;
    this.element = h("section", { class: "preview", "aria-label": "Preview" },
      h("h3", {}, "Preview ", this.status = h("span", { class: "quiet" })), this.place = h("div"));
  }

  /** Shows the first rows of a request. Throws what the service says, and AbortError. */
  async show(body, signal) {
    if (!this.place.querySelector("table")) this.say("Reading the first rows…");
    const page = await api.preview(this.dataset.id, selectionOf(body), signal);
    this.status.textContent = `the first rows, data as of ${time(page.data_as_of)}`;
    this.place.replaceChildren(page.rows.length ? table(page) : h("p", { class: "empty" }, "No row fits these filters."));
  }

  /** Shows no rows; why, is said elsewhere. */
  clear() {
    this.status.textContent = "";
    this.say("There is nothing to show.");
  }

  say(sentence) {
    this.place.replaceChildren(h("p", { class: "quiet" }, sentence));
  }
}

function table({ columns, rows }) {
  const head = columns.map(({ name, type, description }) =>
    h("th", { scope: "col", title: description }, name, h("code", {}, type.toLowerCase())));
  const numeric = new Set(columns.map(({ name }) => name).filter((name) => rows.every((row) => isNumber(row[name]))));
  const body = rows.map((row) => h("tr", {}, columns.map(({ name }) => cell(row[name], numeric.has(name)))));
  return h("div", { class: "scroll", role: "region", "aria-label": "The first rows", tabindex: "0" },
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

/** Long numbers are texts in JSON. */
function isNumber(value) {
  return value === null || typeof value === "number" || (typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value));
}

function cell(value, number) {
  if (value === null) return h("td", { class: "quiet" }, "NULL");
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return h("td", { class: number ? "number" : null, title: shown === text ? null : text }, shown);
}
