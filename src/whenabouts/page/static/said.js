/** Short remarks, read out by screen readers too: at the foot of the page, on narrow screens in the bar, where they cover no button. */
import { button, fill, make, prose } from "./dom.js";

const place = document.getElementById("said");
let timer = 0;

/** Say something for a while; `undo` adds a button. */
export function say(text, { undo = null, bad = false } = {}) {
  clearTimeout(timer);
  const back = undo ? button("Undo", undo, { key: "U" }) : null;
  const away = bad ? button("Close", () => fill(place)) : null;
  fill(place, make("div", { class: bad ? "remark bad" : "remark" }, make("span", {}, prose(text)), back, away));
  timer = setTimeout(() => fill(place), bad ? 12000 : 6000);
}

/** Run something that asks the server, and say what went wrong; returns null then. */
export async function telling(run) {
  try {
    return await run();
  } catch (error) {
    if (error.name === "AbortError") return null;
    say(error.message, { bad: true });
    if (error.status === undefined) console.error(error);
    return null;
  }
}
