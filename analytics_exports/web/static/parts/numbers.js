// A range of numbers, both ends inclusive; an end that is left empty does not restrict.

import { h } from "../dom.js";
import { group } from "./field.js";

export class Numbers {
  constructor({ name, label }, { min = "", max = "" } = {}) {
    this.name = name;
    this.pointer = `/numeric_filters/${name}`;
    this.min = h("input", { inputmode: "decimal", autocomplete: "off", value: min, placeholder: "any" });
    this.max = h("input", { inputmode: "decimal", autocomplete: "off", value: max, placeholder: "any" });
    this.element = group(label, this.pointer, null,
      h("div", { class: "pair" }, h("label", {}, "At least", this.min), h("label", {}, "At most", this.max)));
  }

  write(body) {
    const bounds = {};
    if (this.min.value.trim()) bounds.min = this.min.value.trim();
    if (this.max.value.trim()) bounds.max = this.max.value.trim();
    if (Object.keys(bounds).length) body.numeric_filters = { ...body.numeric_filters, [this.name]: bounds };
  }
}
