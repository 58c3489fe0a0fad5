// Signing in: the token is sent to the service once, which stores it in a cookie that no script can read.

import * as api from "./api.js";
import { byId, explain } from "./dom.js";

const TOKEN = /^[\x21-\x7e]+$/;

/** Lets the form sign in; `entered` is called then. */
export function prepareSignIn(entered) {
  const form = byId("sign-in");
  const field = form.elements.token;
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const token = field.value.trim().replace(/^Bearer\s+/i, "");
    if (!TOKEN.test(token)) return refuse(field, "Paste the token as you got it: one word without spaces.");
    button.disabled = true;
    try {
      await api.signIn(token);
      field.value = "";
      refuse(field, "");
      await entered();
    } catch (problem) {
      refuse(field, sentence(problem));
    } finally {
      button.disabled = false;
    }
  });
}

/** Shows the form, and why it is shown. */
export function showSignIn(reason = "") {
  byId("workspace").hidden = true;
  byId("who").hidden = true;
  byId("freshness").hidden = true;
  byId("welcome").hidden = false;
  refuse(byId("token"), reason);
  byId("token").focus();
}

function refuse(field, sentence) {
  byId("token-error").textContent = sentence;
  field.setAttribute("aria-invalid", String(Boolean(sentence)));
  if (sentence) field.focus();
}

function sentence(problem) {
  if (problem.code === "invalid_token") return "This token is not valid: it is mistyped, revoked or expired.";
  return explain(problem);
}
