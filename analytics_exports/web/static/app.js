// Entry point: shows the sign-in or the page of the signed-in user. Each part of the page is a module of its own.

import * as api from "./api.js";
import { openComposer, closeComposer } from "./composer.js";
import { showDatasets } from "./datasets.js";
import { byId, errorBox, explain, h, say } from "./dom.js";
import { History } from "./history.js";
import { prepareSignIn, showSignIn } from "./sign-in.js";
import { ago, time, words } from "./text.js";

let history;

async function enter() {
  const profile = await api.me();
  const [datasets, formats] = await Promise.all([api.datasets(), api.formats()]);
  byId("welcome").hidden = true;
  byId("label").textContent = profile.label;
  byId("who").hidden = byId("workspace").hidden = false;
  const compose = (dataset, request) => openComposer({ dataset, request, profile, formats, created: (id) => history.show(id) });
  history?.stop();
  history = new History({ datasets, profile, compose });
  history.start();
  showDatasets(datasets, compose);
  showState().catch(explain);
}

/** How old the data is, and whether the service is well; when that cannot be said, the history says why. */
async function showState() {
  const { data_as_of: moment, ok, parts } = await api.status();
  const ill = Object.keys(parts).filter((name) => !parts[name].ok).map(words);
  byId("health").replaceChildren(...(ok ? [] : [h("p", { class: "notice warn" },
    `New exports may have to wait. Not well at the moment: ${ill.join(", ")}.`)]));
  const line = byId("freshness");
  line.hidden = !moment;
  if (!moment) return;
  line.textContent = `Data as of ${ago(moment)}`;
  line.title = time(moment);
}

async function leave() {
  try {
    await api.signOut();
    forget();
  } catch (problem) {
    say(explain(problem)); // still signed in, and it must not look otherwise
  }
}

function forget(reason) {
  history?.stop();
  closeComposer();
  byId("exports").replaceChildren();
  byId("datasets").replaceChildren();
  showSignIn(reason);
}

async function start() {
  try {
    await enter();
  } catch (problem) {
    if (problem.status === 401) showSignIn();
    else byId("main").prepend(errorBox(problem, () => location.reload()));
  }
}

prepareSignIn(enter);
byId("sign-out").addEventListener("click", leave);
document.addEventListener("signed-out", () => {
  if (!byId("workspace").hidden) forget("You are signed out: the token is not valid any more.");
});
start();
