/** A list of many moments: only the rows in sight exist. It is a list box: one stop for Tab, arrows go up and down. */
import { fill, make, name } from "./dom.js";
import { score, span } from "./format.js";
import { best, hue } from "./project.js";

const ROW = 34;
const SPARE = 8;
const MOST = 9; // rows in sight
const KINDS = { truth: "truth", imported: "imported", confirmed: "decided", rejected: "decided" };
const MARKS = { confirmed: "✓", corrected: "✓", added: "+", rejected: "✕", missed: "!" };

/** A list of `moments`; `choose(moment)` is called on a click or an arrow key. */
export function momentList(label, choose) {
  let moments = [];
  let chosen = -1;
  const space = make("div", { class: "list-space" });
  const element = make("div", { class: "moment-list", role: "listbox", tabindex: 0, "aria-label": label }, space);

  function draw() {
    const first = Math.max(0, Math.floor(element.scrollTop / ROW) - SPARE);
    const last = Math.min(moments.length, Math.ceil((element.scrollTop + (element.clientHeight || 400)) / ROW) + SPARE);
    const rows = [];
    for (let place = first; place < last; place += 1) rows.push(row(moments[place], place));
    fill(space, rows);
    const active = chosen >= first && chosen < last ? `row-${chosen}` : null;
    if (active) element.setAttribute("aria-activedescendant", active);
    else element.removeAttribute("aria-activedescendant");
  }

  function row(moment, place) {
    const share = Math.min(1, Math.max(0, (moment.score ?? 0) / Math.max(1e-9, best(moment.concept))));
    const decided = moment.review?.decision ?? (moment.match === "missed" ? "missed" : "");
    return make("div", {
      class: `moment-row${place === chosen ? " chosen" : ""}`, role: "option", id: `row-${place}`, style: { top: `${place * ROW}px` },
      "aria-selected": String(place === chosen), "aria-setsize": moments.length, "aria-posinset": place + 1,
      onclick: () => choose(moment),
    },
    make("i", { class: "dot", style: { background: hue(moment.concept) } }),
    name(moment.concept, { class: "row-name" }),
    make("span", { class: "row-time" }, span(moment.start, moment.end)),
    moment.kind === "found" ? make("span", { class: "meter", "aria-hidden": "true" }, make("i", { style: { width: `${100 * share}%` } })) : make("span", { class: "row-kind soft" }, KINDS[moment.kind] ?? moment.kind),
    make("span", { class: "row-score" }, moment.kind === "found" ? score(moment.score) : ""),
    make("span", { class: `row-mark ${decided}`, title: decided, "aria-label": decided || null }, MARKS[decided] ?? ""));
  }

  function set(list, selected) {
    moments = list;
    chosen = moments.indexOf(selected);
    space.style.height = `${moments.length * ROW}px`;
    element.style.height = `${Math.min(MOST, Math.max(1, moments.length)) * ROW}px`;
    reveal();
    draw();
  }

  function reveal() {
    if (chosen < 0) return;
    const top = chosen * ROW;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW > element.scrollTop + element.clientHeight) element.scrollTop = top + ROW - element.clientHeight;
  }

  /** Go `by` rows on; false at either end. */
  function move(by) {
    const place = chosen < 0 ? (by > 0 ? 0 : moments.length - 1) : chosen + by;
    if (place < 0 || place >= moments.length) return false;
    choose(moments[place]);
    return true;
  }

  let waiting = 0;
  element.addEventListener("scroll", () => { waiting ||= requestAnimationFrame(() => { waiting = 0; draw(); }); }, { passive: true });
  const observer = new ResizeObserver(draw);
  observer.observe(element);
  return { element, set, move, close: () => observer.disconnect() };
}
