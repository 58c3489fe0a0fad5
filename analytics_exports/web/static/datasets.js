// The datasets as cards by group, with a search over names, descriptions and columns.

import * as api from "./api.js";
import { byId, errorBox, h } from "./dom.js";
import { counted, words } from "./text.js";

/** Shows the cards; `choose` is called with a dataset and its columns. */
export async function showDatasets(datasets, choose) {
  const cards = datasets.map((dataset) => new Card(dataset, choose));
  const search = byId("search");
  search.oninput = () => arrange(cards, search.value);
  arrange(cards, search.value);
  await Promise.allSettled(cards.map((card) => card.complete()));
}

class Card {
  constructor(dataset, choose) {
    this.dataset = dataset;
    this.columns = h("span", {}, "…");
    this.notice = h("div");
    this.button = h("button", { type: "button", class: "stretched", onclick: () => this.open(choose) }, dataset.friendly_name);
    this.element = h("li", { class: "card" },
      h("h4", {}, this.button),
      h("p", {}, dataset.description || "No description."),
      h("p", { class: "facts" }, h("code", {}, dataset.dataset_name), this.columns, ...offers(dataset)),
      this.notice);
    this.text = [dataset.friendly_name, dataset.dataset_name, dataset.description, dataset.group].join(" ").toLowerCase();
  }

  /** Reads the columns, to count them and to find the card by them. */
  async complete() {
    try {
      this.schema ??= await api.schema(this.dataset.id);
    } catch (problem) {
      this.columns.textContent = "";
      throw problem;
    }
    this.columns.textContent = counted(this.schema.columns.length, "column");
    this.text += ` ${this.schema.columns.map((column) => column.name.toLowerCase()).join(" ")}`;
  }

  async open(choose) {
    this.notice.replaceChildren();
    try {
      await this.complete();
      choose(this.schema);
    } catch (problem) {
      this.notice.replaceChildren(errorBox(problem));
    }
  }

  fits(search) {
    return search.every((word) => this.text.includes(word));
  }
}

function offers({ filters, time_grain: grain }) {
  const offered = [
    filters.date_column && (grain ? `By ${grain}` : "By date"),
    filters.account_id_column && "Accounts",
    filters.tag_id_column && "Tags",
  ];
  return offered.filter(Boolean).map((word) => h("span", { class: "chip" }, word));
}

function arrange(cards, search) {
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = cards.filter((card) => card.fits(wanted));
  const groups = new Map();
  for (const card of fitting) {
    const group = card.dataset.group ?? "";
    groups.set(group, [...(groups.get(group) ?? []), card.element]);
  }
  const sections = [...groups].map(([group, elements]) => [
    h("h3", {}, words(group) || "Other"),
    h("ul", { class: "cards" }, elements),
  ]);
  byId("found").textContent = wanted.length ? `${counted(fitting.length, "dataset")} found` : "";
  byId("datasets").replaceChildren(...(fitting.length ? sections.flat() : [empty(wanted.length > 0)]));
}

function empty(searched) {
  const clear = () => {
    byId("search").value = "";
    byId("search").dispatchEvent(new Event("input"));
    byId("search").focus();
  };
  if (searched) {
    return h("div", { class: "empty" }, h("p", {}, "No dataset fits this search."),
      h("button", { type: "button", onclick: clear }, "Show all datasets"));
  }
  return h("div", { class: "empty" }, h("p", {}, "There are no datasets yet."),
    h("p", { class: "quiet" }, "A dbt model becomes one when its meta says “dataset: true”."));
}
