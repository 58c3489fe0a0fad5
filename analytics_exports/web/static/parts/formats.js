// The format of the file and its options.

import { h } from "../dom.js";
import { group } from "./field.js";
import { Options } from "./options.js";

const NAMES = { csv: "CSV", parquet: "Parquet", ndjson: "NDJSON", arrow: "Arrow", xlsx: "Excel" };

export class Formats {
  constructor(formats, request) {
    this.pointer = "/format";
    this.formats = formats;
    const chosen = request.format ?? formats[0].format;
    this.place = h("div");
    this.element = group("Format", this.pointer, null,
      h("div", { class: "formats" }, formats.map((item) => card(item, item.format === chosen))), this.place);
    this.element.addEventListener("change", (event) => { if (event.target.name === "format") this.show({}); });
    this.show(request);
  }

  get chosen() {
    return this.element.querySelector("input[name=format]:checked").value;
  }

  write(body) {
    body.format = this.chosen;
    this.options.write(body);
  }

  show(request) {
    const { properties, $defs } = this.formats.find((item) => item.format === this.chosen).options;
    const given = Object.entries(request).filter(([name]) => name in properties);
    this.options = new Options({ properties, $defs }, Object.fromEntries(given));
    this.place.replaceChildren(this.options.element);
  }
}

/** What people call a format. */
export const formatName = (format) => NAMES[format] ?? format;

function card({ format, hint }, checked) {
  return h("label", { class: "format" },
    h("input", { type: "radio", name: "format", value: format, checked }),
    h("span", {}, h("strong", {}, formatName(format)), h("span", { class: "quiet" }, hint)));
}
