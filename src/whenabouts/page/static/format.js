/** Numbers as people read them. */

/** `63.4` -> `1:03.40`; `decimals` digits of the second. */
export function clock(seconds, decimals = 1) {
  const scale = 10 ** decimals;
  const all = Math.round(Math.max(0, seconds) * scale);
  const whole = Math.floor(all / scale);
  const rest = decimals ? `.${String(all % scale).padStart(decimals, "0")}` : "";
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const tail = `${String(whole % 60).padStart(2, "0")}${rest}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** `1:02:03.4`, `2:03` or `63.4` -> seconds; null for anything else. */
export function secondsOf(text) {
  const parts = text.trim().replace(",", ".").split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d*)?$|^\.\d+$/.test(part))) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** A span of time: `0:12.5 – 0:15.0`. */
export const span = (start, end, decimals = 1) => `${clock(start, decimals)} – ${clock(end, decimals)}`;

/** A score: three digits that count, two of very small ones. */
export function score(value) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size > 0 && size < 5e-4) return value.toPrecision(2);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

export const percent = (share) => `${Math.round(100 * share)} %`;

/** `1 moment`, `12,345 moments`. */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** When something was done, in the reader's own clock. */
export const when = (seconds) =>
  new Date(seconds * 1000).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
