// A field of the composer: a fieldset with a legend, an error message, and the part of the request that it fills.
//
// A field is an object with `element`, `pointer` (the JSON pointer of its part), and `write(body)`.

import { h, newId } from "../dom.js";

/** The group of a field. `hint` is said after its name. */
export function group(legend, pointer, hint, ...children) {
  const id = newId("error");
  const error = h("p", { id, class: "field-error" });
  return h("fieldset", { class: "field", "data-pointer": pointer, "aria-describedby": id },
    h("legend", {}, legend, hint && h("span", { class: "quiet" }, ` ${hint}`)), ...children, error);
}

/** Shows what the service found wrong with a request; returns what belongs to none of the fields. */
export function showErrors(fields, problems) {
  const left = [...problems];
  for (const { element, pointer } of fields) {
    const mine = left.filter((item) => item.pointer === pointer || item.pointer.startsWith(`${pointer}/`));
    const also = pointer === "/start_date" ? left.filter((item) => item.pointer === "/end_date") : [];
    const all = [...mine, ...also];
    all.forEach((item) => left.splice(left.indexOf(item), 1));
    element.querySelector(".field-error").textContent = all.map((item) => item.detail).join(" ");
    element.classList.toggle("invalid", all.length > 0);
    element.querySelectorAll("input, select").forEach((input) => {
      if (all.length) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    });
  }
  return left;
}

/** Dispatches a change event where no input did, for the composer to refresh. */
export function dispatchChange(element) {
  element.dispatchEvent(new Event("change", { bubbles: true }));
}
