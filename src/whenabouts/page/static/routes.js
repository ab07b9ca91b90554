/** Where in the page we are, kept in the address behind `#`, so that a reload and the browser's Back work. */
import { query } from "./api.js";

/** `#/video/5f0c?concept=diving` -> {view: "video", rest: "5f0c", values: URLSearchParams}. */
export function here() {
  const [path, text = ""] = window.location.hash.replace(/^#\/?/, "").split("?");
  const [view, rest = ""] = path.split("/");
  return { view: view || "moments", rest: plain(rest), values: new URLSearchParams(text) };
}

/** Text without its escapes; as it is where these make no sense, as in an address that was cut when it was copied. */
function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a view. */
export function to(view, values = {}, rest = "") {
  return `#/${view}${rest && `/${encodeURIComponent(rest)}`}${query(values)}`;
}

/** The address of one moment in its video. */
export const momentAddress = (moment) =>
  to("video", { concept: moment.concept, start: moment.start, end: moment.end }, moment.video);

/** Note other values in the address without a step in the browser's history. */
export function note(view, values, rest = "") {
  window.history.replaceState(null, "", to(view, values, rest));
}
