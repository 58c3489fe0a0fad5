// Numbers, sizes and times as text, in the locale of the browser. Pure functions.

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

const UNITS = [["day", 86400, 172800], ["hour", 3600, 3600], ["minute", 60, 60]]; // name, seconds, used from
const SIZES = ["bytes", "kB", "MB", "GB", "TB"];

/** 93394 as 93,394. */
export const count = (number) => whole.format(number);

/** "1 row", "2 rows". */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A number of bytes with the unit that fits: powers of 1000. */
export function size(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(SIZES.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${short.format(bytes / 1000 ** power)} ${SIZES[power]}`;
}

/** A day written as YYYY-MM-DD. */
export const date = (iso) => day.format(new Date(`${iso}T00:00:00Z`));

/** A moment in the reader's time zone. */
export const time = (iso) => moment.format(new Date(iso));

/** "2 hours ago", "in 5 minutes". */
export function ago(iso, now = Date.now()) {
  const seconds = (new Date(iso) - now) / 1000;
  const [unit, length] = UNITS.find(([, , from]) => Math.abs(seconds) >= from * 0.99) ?? [];
  if (!unit) return Math.abs(seconds) < 10 ? "just now" : relative.format(Math.round(seconds), "second");
  return relative.format(Math.round(seconds / length), unit);
}

/** Words out of a name such as tag_ids. */
export function words(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A text as one word of a shell. */
export const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
