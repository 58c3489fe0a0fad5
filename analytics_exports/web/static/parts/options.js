// The options of a format, from the JSON Schema that the service returns. "Default" omits an option from the request.

import { h } from "../dom.js";
import { words } from "../text.js";

const SHOWN = { ",": "Comma ,", ";": "Semicolon ;", "\t": "Tab", "|": "Bar |", ".": "Point .", "\n": "LF", "\r\n": "CR LF" };
const NAMES = { csv: "CSV", xlsx: "Workbook", bom: "Byte order mark", null: "Text for NULL", split: "Several files in one zip" };
const DEFAULT = "";

/** Controls for a schema. `write(body)` adds what was chosen. */
export class Options {
  constructor(schema, chosen = {}) {
    this.schema = schema;
    this.controls = [];
    this.element = h("details", { class: "field options" },
      h("summary", {}, "File options"), h("div", { class: "grid" }, this.build(schema, [], chosen)));
    this.element.open = Object.keys(chosen).length > 0;
  }

  write(body) {
    for (const { path, read } of this.controls) {
      const value = read();
      if (value === undefined) continue;
      let target = body;
      for (const name of path.slice(0, -1)) target = target[name] ??= {};
      target[path.at(-1)] = value;
    }
  }

  build(schema, path, chosen) {
    const properties = Object.entries(schema.properties).map(([name, property]) => [name, this.resolve(property)]);
    const nested = properties.filter(([, property]) => property.properties);
    const plain = properties.filter(([, property]) => !property.properties);
    return [
      ...plain.map(([name, property]) => this.control(property, [...path, name], chosen[name])),
      ...nested.map(([name, property]) => h("fieldset", { class: "nested" },
        h("legend", {}, title(name)),
        h("div", { class: "grid" }, this.build(property, [...path, name], chosen[name] ?? {})))),
    ];
  }

  resolve(property) {
    const option = property.anyOf?.find((item) => item.type !== "null") ?? property;
    const referred = option.$ref ? this.schema.$defs[option.$ref.split("/").at(-1)] : option;
    return { ...referred, description: property.description ?? referred.description, default: property.default };
  }

  control(property, path, chosen) {
    const [input, read] = property.enum || property.type === "boolean" ? select(property, chosen) : text(property, chosen);
    this.controls.push({ path, read });
    return h("label", { title: property.description }, title(path.at(-1)), input);
  }
}

const title = (name) => NAMES[name] ?? words(name);

function select(property, chosen) {
  const values = property.enum ?? [true, false];
  const name = (value) => (typeof value === "boolean" ? (value ? "Yes" : "No") : SHOWN[value] ?? words(value));
  const options = values.map((value, index) => h("option", { value: index, selected: value === chosen }, name(value)));
  const input = h("select", {}, h("option", { value: DEFAULT }, `Default (${name(property.default)})`), options);
  return [input, () => (input.value === DEFAULT ? undefined : values[Number(input.value)])];
}

function text(property, chosen) {
  const whole = property.type === "integer";
  const input = h("input", {
    type: whole ? "number" : "text", min: property.minimum, maxlength: property.maxLength,
    value: chosen, placeholder: property.default ?? "none", autocomplete: "off", spellcheck: "false",
  });
  return [input, () => (input.value === "" ? undefined : whole ? Number(input.value) : input.value)];
}
