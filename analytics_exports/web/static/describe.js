// What an export holds, as one sentence and as shell commands, from the fields of a request. Renders nothing.

import { counted, date, quoted, words } from "./text.js";

const FILTERS = ["start_date", "end_date", "account_ids", "tag_ids", "enum_filters", "numeric_filters", "columns"];

/** The part of a request that says which rows and columns. */
export function selectionOf(body) {
  return Object.fromEntries(FILTERS.filter((name) => body[name] != null).map((name) => [name, body[name]]));
}

/** Phrases such as "from 1 Jan 2024" and "2 accounts"; none when nothing is restricted. */
export function phrases(filters, dataset, profile) {
  const label = labels(dataset);
  return [
    days(filters),
    named(filters.account_ids, profile.accounts, "account"),
    named(filters.tag_ids, profile.tags, "tag"),
    ...Object.entries(filters.enum_filters ?? {}).map(([name, values]) => `${label(name)}: ${values.map(words).join(" or ")}`),
    ...Object.entries(filters.numeric_filters ?? {}).map(([name, bounds]) => `${label(name)} ${range(bounds)}`),
    filters.columns && counted(filters.columns.length, "column"),
  ].filter(Boolean);
}

function days({ start_date: first, end_date: last }) {
  if (first && last) return first === last ? date(first) : `${date(first)} to ${date(last)}`;
  if (first) return `from ${date(first)}`;
  return last && `until ${date(last)}`;
}

function named(ids, known, noun) {
  if (!ids) return null;
  const names = ids.map((id) => known.find((item) => item.id === id)?.name);
  return names.length <= 2 && names.every(Boolean) ? `${noun} ${names.join(" and ")}` : counted(ids.length, noun);
}

function range({ min, max }) {
  if (min != null && max != null) return `${min} to ${max}`;
  return min != null ? `at least ${min}` : `at most ${max}`;
}

function labels(dataset) {
  const offered = [...(dataset?.filters.enum_filters ?? []), ...(dataset?.filters.numeric_filters ?? [])];
  return (name) => offered.find((filter) => filter.name === name)?.label ?? words(name);
}

/** The request that makes an export like this one again. */
export function requestOf(job) {
  return { dataset_id: job.dataset_id, format: job.format, ...job.filters, ...job.options };
}

/** A command that asks for an export and waits for it a little. */
export function createCommand(body) {
  return [
    `curl --fail-with-body ${quoted(`${location.origin}/api/analytics/exports`)}`,
    '--header "Authorization: Bearer $TOKEN"',
    "--header 'Content-Type: application/json'",
    "--header 'Prefer: wait=30'",
    `--data ${quoted(JSON.stringify(body))}`,
  ].join(" \\\n  ");
}

/** A command that downloads a file, and goes on where it was when it is given again. */
export function downloadCommand(job) {
  return [
    `curl --fail --continue-at - --output ${quoted(`${job.dataset_name}-${job.job_id.slice(0, 8)}.${ending(job)}`)}`,
    '--header "Authorization: Bearer $TOKEN"',
    quoted(location.origin + job.download_url),
  ].join(" \\\n  ");
}

function ending({ format, options }) {
  if (options.split) return `${format}.zip`;
  const packed = ["csv", "ndjson"].includes(format) && { gzip: ".gz", zstd: ".zst" }[options.compression];
  return format + (packed || "");
}
