// One export in the history: its status, its contents, and its actions.

import * as api from "./api.js";
import { showCommands } from "./commands.js";
import { createCommand, downloadCommand, phrases, requestOf } from "./describe.js";
import { confirmed, errorBox, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { formatName } from "./parts/formats.js";
import { ago, count, counted, size, time } from "./text.js";

const NAMES = { pending: "Queued", running: "In progress", completed: "Ready", failed: "Failed", cancelled: "Cancelled", expired: "Expired" };
const STAGES = { queued: "Waiting for its turn", reading: "Reading the rows", writing: "Writing the file", finishing: "Checking the file" };
const MINUTE = 60000;

export class ExportCard {
  constructor(job, context) {
    this.context = context;
    this.dataset = context.datasets.find((dataset) => dataset.id === job.dataset_id);
    this.name = this.dataset?.friendly_name ?? job.dataset_name;
    this.element = h("li", { class: "export", tabindex: "-1", "data-job": job.job_id });
    this.notice = h("div");
    this.draw(job);
  }

  /** Shows how the export stands now; what did not change is left alone, with the focus that may be on it. */
  update(job) {
    const before = this.job;
    if (job.progress && job.status === before.status) return this.move(job);
    const minute = Math.floor(Date.now() / MINUTE);
    if (JSON.stringify(job) === JSON.stringify(before) && minute === this.minute) return undefined;
    this.redraw(job);
    if (job.status !== before.status && !job.progress) say(this.ending(job));
    return undefined;
  }

  highlight() {
    this.element.classList.add("new");
    this.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
    this.element.focus({ preventScroll: true });
  }

  redraw(job) {
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    const opened = this.element.querySelector("details")?.open;
    const action = focused?.dataset.action;
    this.draw(job);
    if (opened) this.element.querySelector("details")?.setAttribute("open", "");
    if (focused) (this.element.querySelector(`[data-action="${action}"]`) ?? this.element).focus();
  }

  draw(job) {
    this.job = job;
    this.minute = Math.floor(Date.now() / MINUTE);
    const described = phrases(job.filters, this.dataset, this.context.profile);
    this.element.dataset.status = job.status;
    this.element.replaceChildren(...[
      h("div", { class: "heading" },
        h("h3", {}, this.name),
        h("span", { class: `badge ${job.status}` }, NAMES[job.status])),
      h("p", { class: "quiet" }, described.join(" · ") || "All rows and columns"),
      job.progress ? this.progress(job) : this.facts(job),
      ...job.warnings.map((warning) => h("p", { class: "notice warn" }, warning.detail)),
      job.error && h("p", { class: "notice bad" }, job.error.message),
      this.notice,
      h("div", { class: "actions" }, this.actions(job)),
      job.sha256 && details(job),
    ].filter(Boolean));
  }

  progress(job) {
    this.bar = h("progress", { max: "100", "aria-label": `Progress of ${this.name}` });
    this.status = h("p", { class: "facts" });
    this.move(job);
    return h("div", { class: "progress" }, this.bar, this.status);
  }

  move(job) {
    this.job = job;
    const { stage, rows_written: rows, queue_position: place } = job.progress;
    const total = this.total(job);
    const percent = rows && total ? Math.min(99, Math.floor((100 * rows) / total)) : null;
    if (percent !== null) this.bar.value = percent;
    const facts = [STAGES[stage], place && `number ${count(place)} in the queue`, percent !== null && `${percent} %`, rows > 0 && `${count(rows)} rows written`];
    this.status.textContent = facts.filter(Boolean).join(" · ");
  }

  /** How many rows there will be. Until the service says so, the same estimate as before the click, asked for once. */
  total(job) {
    const { rows_total: total, stage } = job.progress;
    if (!total && stage !== "queued" && !this.asked) {
      this.asked = api.estimate(requestOf(job)).then(({ row_count: rows }) => { this.estimated = rows; }, () => {});
    }
    return total ?? this.estimated;
  }

  facts(job) {
    const known = [
      formatName(job.format),
      job.row_count != null && counted(job.row_count, "row"),
      job.file_size_bytes != null && size(job.file_size_bytes),
      moment(job.created_at, "made "),
      job.status === "completed" && moment(job.expires_at, "expires "),
    ];
    return h("p", { class: "facts" }, known.filter(Boolean).flatMap((fact) => [" · ", fact]).slice(1));
  }

  actions(job) {
    const cancel = () => this.act(() => api.remove(job.job_id));
    const commands = () => showCommands(commandsOf(job));
    const change = this.dataset && (() => this.change());
    return [
      job.status === "completed" && button("download", "Download", () => this.act(() => download(job)), "primary"),
      job.progress && button("stop", "Cancel", cancel),
      !job.progress && button("repeat", "Run again", () => this.act(() => this.again(job))),
      change && button("edit", "Change", change),
      button("code", "Copy as curl", commands, "square"),
      job.status === "completed" && button("remove", "Remove the file", () => this.act(() => this.remove(job)), "square"),
    ].filter(Boolean);
  }

  async act(deed) {
    this.notice.replaceChildren();
    try {
      await deed();
      this.context.changed();
    } catch (problem) {
      this.notice.replaceChildren(errorBox(problem));
    }
  }

  async again(job) {
    const made = job.status === "completed" ? await api.create(requestOf(job), api.newKey()) : await api.retry(job.job_id);
    await this.context.show(made.job_id);
  }

  async remove(job) {
    const sentence = `The file of ${this.name} cannot be downloaded any more then. You can always run the export again.`;
    if (await confirmed("Remove the file?", sentence, "Remove")) await api.remove(job.job_id);
  }

  change() {
    return this.act(async () => this.context.compose(await api.schema(this.dataset.id), requestOf(this.job)));
  }

  ending(job) {
    const rows = job.row_count != null ? `, ${counted(job.row_count, "row")}` : "";
    return job.status === "completed" ? `${this.name} is ready${rows}.` : `${this.name}: ${NAMES[job.status].toLowerCase()}.`;
  }
}

/** A button; a square one shows its picture only. */
function button(name, label, onclick, kind = "") {
  const said = kind === "square" ? { "aria-label": label, title: label } : {};
  return h("button", { type: "button", class: kind, onclick, "data-action": name, ...said }, icon(name), !said.title && label);
}

function moment(iso, before) {
  return iso && h("span", {}, before, h("time", { datetime: iso, title: time(iso) }, ago(iso)));
}

async function download(job) {
  const anchor = h("a", { href: await api.link(job.job_id), download: "" });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

function commandsOf(job) {
  const again = ["Make this export again", createCommand(requestOf(job))];
  return job.download_url ? [["Download this file", downloadCommand(job)], again] : [again];
}

function details(job) {
  const facts = [
    ["Made", time(job.completed_at)],
    ["Data as of", job.data_as_of && time(job.data_as_of)],
    ["Expires", job.expires_at && time(job.expires_at)],
    ["Options", Object.keys(job.options).length ? JSON.stringify(job.options) : null],
    ["Columns", job.columns?.map((column) => column.name).join(", ")],
    ["SHA-256", h("code", { class: "break" }, job.sha256)],
    ["Export", h("code", { class: "break" }, job.job_id)],
  ];
  return h("details", {},
    h("summary", { "data-action": "details" }, "Details"),
    h("dl", {}, facts.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}
