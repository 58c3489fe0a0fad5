// Choosing several values: accounts, tags, and the values of a column. An empty choice does not restrict.

import { h } from "../dom.js";
import { words } from "../text.js";
import { dispatchChange, group } from "./field.js";

const SEARCHED_FROM = 9;

class Choices {
  constructor(legend, pointer, options, chosen = []) {
    this.pointer = pointer;
    this.boxes = options.map(({ id, name }) => box(id, name, chosen.includes(id)));
    this.status = h("span", { class: "quiet" });
    this.clear = h("button", { type: "button", class: "link", onclick: () => this.choose(false) }, "Clear");
    this.element = group(legend, pointer, null,
      options.length >= SEARCHED_FROM && this.search(legend),
      h("div", { class: "boxes", ...(options.length >= SEARCHED_FROM && { tabindex: "0", role: "group", "aria-label": legend }) },
        this.boxes.map((item) => item.element)),
      h("p", { class: "field-status" }, this.status, this.clear));
    this.element.addEventListener("change", () => this.showStatus());
    this.showStatus();
  }

  get chosen() {
    return this.boxes.filter((item) => item.input.checked).map((item) => item.input.value);
  }

  choose(checked) {
    this.boxes.forEach((item) => { item.input.checked = checked; });
    dispatchChange(this.element);
  }

  showStatus() {
    const { length } = this.chosen;
    this.status.textContent = length ? `${length} of ${this.boxes.length} chosen` : "All of them";
    this.clear.hidden = !length;
  }

  search(legend) {
    const narrow = (event) => {
      const wanted = event.target.value.toLowerCase();
      this.boxes.forEach((item) => { item.element.hidden = !item.name.includes(wanted); });
    };
    const label = `Search in ${legend.toLowerCase()}`;
    return h("input", { type: "search", "aria-label": label, placeholder: label, oninput: narrow });
  }
}

/** Accounts or tags; `field` is account_ids or tag_ids. */
export class Owned extends Choices {
  constructor(legend, field, owned, chosen) {
    super(legend, `/${field}`, owned, chosen);
    this.field = field;
    if (!owned.length) this.status.textContent = `You have no ${legend.toLowerCase()} to choose from.`;
  }

  write(body) {
    if (this.chosen.length) body[this.field] = this.chosen;
  }
}

/** Values of a column that has a fixed set of them. */
export class Values extends Choices {
  constructor({ name, label, options }, chosen) {
    super(label, `/enum_filters/${name}`, options.map((id) => ({ id, name: words(id) })), chosen);
    this.name = name;
  }

  write(body) {
    if (this.chosen.length) body.enum_filters = { ...body.enum_filters, [this.name]: this.chosen };
  }
}

function box(id, name, checked) {
  const input = h("input", { type: "checkbox", value: id, checked });
  return { input, name: name.toLowerCase(), element: h("label", { class: "choice" }, input, h("span", {}, name)) };
}
