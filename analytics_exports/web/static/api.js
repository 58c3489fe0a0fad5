// The HTTP interface of the service: one function for each request. The browser attaches the session cookie.

const BASE = "/api/analytics";
const UNREACHABLE = "The service cannot be reached. Check the connection and try again.";
const SILENT = "The service has not answered in time.";
const LONGEST_WAIT = 15000; // milliseconds for an answer with all of its content

/** What went wrong, for people. `fields` names what is wrong by JSON pointer; `code` is for programs. */
export class Problem extends Error {
  constructor(message, { status = 0, code = "unreachable", fields = [], requestId = "" } = {}) {
    super(message);
    Object.assign(this, { status, code, fields, requestId });
  }
}

async function send(method, path, { body, headers = {}, signal } = {}) {
  const given = { "X-Analytics-Exports-Page": "1", ...headers };
  if (body) given["Content-Type"] = "application/json";
  const ends = AbortSignal.any([AbortSignal.timeout(LONGEST_WAIT), ...(signal ? [signal] : [])]);
  const [response, content] = await answer(BASE + path, { method, headers: given, body: body && JSON.stringify(body), signal: ends });
  if (response.ok) return content;
  throw problem(response, content);
}

async function answer(url, request) {
  try {
    const response = await fetch(url, request);
    const type = response.headers.get("Content-Type") ?? "";
    return [response, type.includes("json") ? await response.json() : null];
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name === "TimeoutError") throw new Problem(SILENT, { code: "timeout" });
    throw new Problem(UNREACHABLE);
  }
}

function problem(response, content) {
  const { status } = response;
  if (status === 401) document.dispatchEvent(new CustomEvent("signed-out"));
  const seconds = response.headers.get("Retry-After");
  const wait = status === 429 || status === 503 ? ` Try again in ${seconds ?? 5} s.` : "";
  const body = content ?? { detail: `The service answered with ${status}.`, code: "unknown" };
  return new Problem(body.detail + wait, { status, code: body.code, fields: body.errors ?? [], requestId: body.request_id });
}

/** The query string for filters: lists are repeated, filters by name are JSON. */
function query(values) {
  const pairs = Object.entries(values).filter(([, value]) => value != null && value !== "");
  const search = new URLSearchParams();
  for (const [name, value] of pairs) {
    if (Array.isArray(value)) value.forEach((each) => search.append(name, each));
    else search.append(name, typeof value === "object" ? JSON.stringify(value) : value);
  }
  return search.size ? `?${search}` : "";
}

/** A key under which a request makes one export, however often it is sent. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const signIn = (token) => send("POST", "/session", { headers: { Authorization: `Bearer ${token}` } });
export const signOut = () => send("DELETE", "/session");
export const me = () => send("GET", "/me");
export const status = () => send("GET", "/status");
export const formats = async () => (await send("GET", "/formats")).formats;
export const datasets = async () => (await send("GET", "/datasets")).datasets;
export const schema = (id) => send("GET", `/datasets/${id}/schema`);
export const preview = (id, selection, signal) => send("GET", `/datasets/${id}/preview${query(selection)}`, { signal });
export const estimate = (body, signal) => send("POST", "/exports/estimate", { body, signal });
export const create = (body, key) => send("POST", "/exports", { body, headers: { "Idempotency-Key": key } });
export const retry = (id) => send("POST", `/exports/${id}/retry`, { headers: { "Idempotency-Key": newKey() } });
export const remove = (id) => send("DELETE", `/exports/${id}`);
export const exports = (filter) => send("GET", `/exports${query(filter)}`);
export const one = (id) => send("GET", `/exports/${id}`);
export const link = async (id) => (await send("POST", `/exports/${id}/link`)).url;
