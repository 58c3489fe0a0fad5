// The dialog in which an export is composed: filters, columns, format, and its estimated size.

import * as api from "./api.js";
import { showCommands } from "./commands.js";
import { createCommand, phrases, selectionOf } from "./describe.js";
import { errorBox, explain, h, openDialog, say } from "./dom.js";
import { icon } from "./icons.js";
import { counted, size } from "./text.js";
import { Owned, Values } from "./parts/choices.js";
import { Columns } from "./parts/columns.js";
import { Dates } from "./parts/dates.js";
import { showErrors } from "./parts/field.js";
import { formatName, Formats } from "./parts/formats.js";
import { Numbers } from "./parts/numbers.js";
import { Preview } from "./parts/preview.js";

const PAUSE = 300; // milliseconds after the last change, before anything is asked
const SHEET_ROWS = 1048575;

let open; // one at a time

/** Opens the dialog for a dataset with its columns; `request` fills it in, and `created` gets the id of the new export. */
export function openComposer({ dataset, request = {}, profile, formats, created }) {
  closeComposer();
  open = new Composer({ dataset, request, profile, formats, created });
  open.start();
}

export function closeComposer() {
  open?.dialog.close();
}

class Composer {
  constructor({ dataset, request, profile, formats, created }) {
    Object.assign(this, { dataset, profile, created });
    this.fields = fieldsOf(dataset, profile, request);
    this.columns = this.fields.at(-1);
    this.formats = new Formats(formats, request);
    this.fields.push(this.formats);
    this.preview = new Preview(dataset);
    this.summary = h("p", { class: "summary", role: "status" });
    this.notice = h("div");
    this.submit = h("button", { class: "primary large", "data-action": "export" }, icon("download"), "Export");
    this.form = h("form", { novalidate: true, onsubmit: (event) => this.send(event) }, this.layout());
    this.key = api.newKey();
  }

  start() {
    const { dataset } = this;
    const close = () => this.dialog.close();
    this.form.addEventListener("input", (event) => { if (event.target.type !== "search") this.later(); });
    this.form.addEventListener("change", () => this.later());
    this.form.addEventListener("keydown", (event) => { // Enter in a field is not yet a wish for a file
      if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
    });
    this.dialog = openDialog("composer", [
      h("header", { class: "heading" },
        h("div", {},
          h("h2", { tabindex: "-1", autofocus: true }, `Export ${dataset.friendly_name}`),
          h("p", { class: "quiet" }, dataset.description)),
        h("button", { type: "button", class: "plain square", "aria-label": "Close", onclick: close }, icon("close"))),
      this.form,
    ], () => this.stop());
    this.refresh();
  }

  /** Wants no answer any more. */
  stop() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.asked = null;
  }

  layout() {
    const filters = this.fields.filter((field) => field !== this.formats).map((field) => field.element);
    const commands = () => showCommands([["Make this export", createCommand(this.body())]]);
    return [
      h("div", { class: "choose" }, filters, this.preview.element),
      h("div", { class: "decide" },
        this.formats.element,
        h("div", { class: "result" },
          this.summary, this.notice,
          h("div", { class: "actions" }, this.submit,
            h("button", { type: "button", onclick: commands }, icon("code"), "Copy as curl")))),
    ];
  }

  body() {
    const body = { dataset_id: this.dataset.id };
    this.fields.forEach((field) => field.write(body));
    return body;
  }

  later() {
    this.key = api.newKey(); // another request
    this.summary.classList.add("waiting");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), PAUSE);
  }

  async refresh() {
    this.stop();
    const asked = this.asked = new AbortController();
    this.notice.replaceChildren();
    if (this.columns.problem) return this.refuse([this.columns.problem]);
    const body = this.body();
    this.summary.classList.add("waiting");
    try {
      const [found] = await Promise.all([api.estimate(body, asked.signal), this.preview.show(body, asked.signal)]);
      if (asked !== this.asked) return undefined;
      showErrors(this.fields, []);
      this.showEstimate(body, found);
    } catch (problem) {
      if (asked !== this.asked) return undefined; // a later refresh replaced it, or the dialog was closed
      if (problem.name === "AbortError") this.later();
      else this.fail(problem, () => this.refresh());
    }
    return undefined;
  }

  showEstimate(body, { row_count: rows, file_size_bytes: bytes }) {
    const described = phrases(selectionOf(body), this.dataset, this.profile).join(", ");
    const about = described ? `${this.dataset.friendly_name}: ${described}` : `Everything of yours in ${this.dataset.friendly_name}`;
    this.summary.classList.remove("waiting");
    this.summary.replaceChildren(
      h("strong", {}, counted(rows, "row")), `, about ${size(bytes)} as ${formatName(body.format)}. ${about}.`);
    this.submit.disabled = false;
    const note = advice(body, rows);
    if (note) this.notice.replaceChildren(h("p", { class: "notice warn" }, note));
  }

  refuse(problems) {
    const left = showErrors(this.fields, problems);
    this.summary.classList.remove("waiting");
    this.summary.textContent = "Something above needs another look.";
    this.notice.replaceChildren(...left.map((item) => h("p", { class: "notice bad" }, `${item.pointer.slice(1)}: ${item.detail}`)));
    this.preview.clear();
    this.submit.disabled = true;
  }

  fail(problem, again) {
    if (problem.fields?.length) return this.refuse(problem.fields);
    this.summary.classList.remove("waiting");
    this.summary.textContent = "";
    this.preview.clear();
    this.notice.replaceChildren(errorBox(problem, again));
    return undefined;
  }

  async send(event) {
    event.preventDefault();
    this.submit.disabled = true;
    try {
      const { job_id: id } = await api.create(this.body(), this.key);
      this.dialog.close();
      await this.created(id);
    } catch (problem) {
      this.submit.disabled = false;
      if (!this.dialog.open) say(`${this.dataset.friendly_name}: ${explain(problem)}`);
      else this.fail(problem, () => this.form.requestSubmit());
    }
  }
}

function fieldsOf(dataset, profile, request) {
  const { filters } = dataset;
  return [
    filters.date_column && new Dates(filters.date_column, request),
    filters.account_id_column && new Owned("Accounts", "account_ids", profile.accounts, request.account_ids),
    filters.tag_id_column && new Owned("Tags", "tag_ids", profile.tags, request.tag_ids),
    ...filters.enum_filters.map((filter) => new Values(filter, request.enum_filters?.[filter.name])),
    ...filters.numeric_filters.map((filter) => new Numbers(filter, request.numeric_filters?.[filter.name])),
    new Columns(dataset.columns, request.columns),
  ].filter(Boolean);
}

function advice({ format }, rows) {
  if (rows === 0) return "No row fits these filters. The file would have the names of the columns and nothing else.";
  if (format !== "xlsx" || rows <= SHEET_ROWS) return null;
  return "A sheet of Excel holds 1,048,575 rows, so these will be on several. Other formats have no such limit.";
}
