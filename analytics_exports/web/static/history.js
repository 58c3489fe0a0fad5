// The user's exports, newest first. One request updates all that are shown, more often while one is in progress.

import * as api from "./api.js";
import { byId, errorBox, h } from "./dom.js";
import { ExportCard } from "./export-card.js";

const PAGE = 20;
const MOST = 200; // that one request returns
const LIVE = ["pending", "running"];
const SOON = [150, 300, 500, 1000]; // milliseconds until the next poll after something new
const MOST_PLACES = 3;
const IDLE = 15000;
const UNREACHABLE = 5000;

export class History {
  constructor(context) {
    this.context = { ...context, changed: () => this.pollSoon(), show: (id) => this.show(id) };
    this.cards = new Map();
    this.wanted = PAGE;
    this.polls = 0;
    this.seen = () => { if (!document.hidden) this.pollSoon(); };
  }

  start() {
    byId("status-filter").onchange = () => { this.wanted = PAGE; this.pollSoon(); };
    document.addEventListener("visibilitychange", this.seen);
    this.pollSoon();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
  }

  /** Puts a new export on top, marked as new, with the focus on it. */
  async show(id) {
    byId("status-filter").value = "";
    await this.pollSoon();
    this.cards.get(id)?.highlight();
  }

  pollSoon() {
    this.polls = 0;
    return this.poll();
  }

  async poll() {
    clearTimeout(this.timer);
    const turn = this.turn = {};
    let pause = UNREACHABLE;
    try {
      const found = await api.exports({ limit: this.wanted, status: byId("status-filter").value.split(" ").filter(Boolean) });
      if (this.polls >= SOON.length) await Promise.all(queued(found.exports).map(place));
      if (this.stopped || turn !== this.turn) return;
      this.render(found);
      byId("history-notice").replaceChildren();
      pause = this.pause(found.exports);
    } catch (problem) {
      if (this.stopped || turn !== this.turn) return;
      if (!byId("history-notice").hasChildNodes()) byId("history-notice").replaceChildren(errorBox(problem));
    }
    this.timer = setTimeout(() => this.poll(), document.hidden ? IDLE : pause);
  }

  pause(exports) {
    this.polls += 1;
    if (!exports.some((job) => LIVE.includes(job.status))) return IDLE;
    return SOON[Math.min(this.polls, SOON.length) - 1];
  }

  render({ exports, next_cursor: more }) {
    const list = byId("exports");
    const ids = new Set(exports.map((job) => job.job_id));
    for (const [id, card] of this.cards) {
      if (ids.has(id)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    exports.forEach((job, place) => {
      const card = this.card(job);
      if (list.children[place] !== card.element) list.insertBefore(card.element, list.children[place] ?? null);
    });
    byId("history-end").replaceChildren(...this.end(exports.length, more));
  }

  card(job) {
    const known = this.cards.get(job.job_id);
    if (known) known.update(job);
    else this.cards.set(job.job_id, new ExportCard(job, this.context));
    return this.cards.get(job.job_id);
  }

  end(shown, more) {
    if (!shown) return [empty(byId("status-filter").value)];
    if (!more) return [];
    if (this.wanted >= MOST) return [h("p", { class: "quiet" }, `The newest ${MOST} are shown.`)];
    const next = () => { this.wanted = Math.min(MOST, this.wanted + PAGE); this.pollSoon(); };
    return [h("button", { type: "button", onclick: next }, "Show older exports")];
  }
}

/** Those whose place in the queue is worth a request of its own: the first to be made. */
function queued(exports) {
  return exports.filter((job) => job.status === "pending").slice(-MOST_PLACES);
}

async function place(job) {
  const now = await api.one(job.job_id);
  if (now.status === "pending") job.progress = now.progress;
}

function empty(filtered) {
  if (filtered) return h("div", { class: "empty" }, h("p", {}, "No export of yours is in this state."));
  return h("div", { class: "empty" },
    h("p", {}, "Nothing exported yet."),
    h("p", { class: "quiet" }, "Choose a dataset. Its file will appear here, and you can leave the page while it is made."));
}
