/** Moments as cards: a picture, what, when, how sure, what was decided. */
import { button, make, name, picture } from "./dom.js";
import { percent, score, span } from "./format.js";
import { best, hue } from "./project.js";
import { momentAddress, to } from "./routes.js";

const MARKS = { confirmed: "✓ confirmed", corrected: "✓ corrected", added: "+ added", rejected: "✕ rejected" };

/** A card; `on` = {confirm, reject} puts buttons on it, `tick` = {checked, change} a box. */
export function card(moment, { on = null, tick = null } = {}) {
  const decided = moment.review?.decision ?? (["confirmed", "rejected"].includes(moment.kind) ? moment.kind : "");
  const share = moment.similarity ?? Math.max(0, (moment.score ?? 0) / Math.max(1e-9, best(moment.concept)));
  const told = moment.similarity === undefined ? score(moment.score) : `${percent(moment.similarity)} alike`;
  const title = moment.title || moment.video_id;
  const concepts = moment.concept ? [moment.concept] : (moment.concepts ?? []);
  return make("article", { class: `card ${decided}`, "aria-label": `${concepts.join(", ") || "moment"}, ${title}, ${span(moment.start, moment.end)}` },
    make("a", { class: "card-link", href: momentAddress(moment) },
      picture(moment.thumbnail),
      make("span", { class: "card-time" }, span(moment.start, moment.end)),
      make("span", { class: "card-title" }, name(title))),
    make("div", { class: "card-foot" },
      concepts.length ? make("span", { class: "card-concept" }, make("i", { class: "dot", style: { background: hue(concepts[0]) } }), name(concepts.join(", "))) : make("span", { class: "card-concept soft" }, "nothing found"),
      make("span", { class: "meter", "aria-hidden": "true" }, make("i", { style: { width: `${100 * Math.min(1, share)}%` } })),
      make("span", { class: "card-score" }, told),
      decided ? make("span", { class: `state ${decided}` }, MARKS[decided]) : null,
      tick ? make("label", { class: "tick" }, make("input", { type: "checkbox", checked: tick.checked, onchange: (event) => tick.change(event.target.checked) }), "This is one") : null,
      on && !decided ? make("span", { class: "card-do" },
        button("✓", () => on.confirm(moment), { label: `Confirm ${moment.concept} in ${title}`, kind: "small good" }),
        button("✕", () => on.reject(moment), { label: `Reject ${moment.concept} in ${title}`, kind: "small bad" }),
        make("a", { class: "button small", href: to("like", { video: moment.video, start: moment.start, end: moment.end, concept: moment.concept }), "aria-label": `Find others like ${moment.concept} in ${title}`, title: "Find others like it" }, "≈")) : null));
}

/** A video as a card. */
export function videoCard(video) {
  return make("article", { class: "card", "aria-label": video.title || video.id },
    make("a", { class: "card-link", href: to("video", {}, video.key) }, picture(video.thumbnail),
      make("span", { class: "card-time" }, `${Math.floor(video.duration / 60)}:${String(Math.floor(video.duration % 60)).padStart(2, "0")}`),
      make("span", { class: "card-title" }, name(video.title || video.id))),
    make("div", { class: "card-foot" }, make("span", { class: "soft" }, `${video.moments ?? 0} moments`), make("span", { class: "soft" }, video.split)));
}

/** Arrow keys go from card to card, by their places on screen. */
export function moveAmong(grid, by) {
  const links = [...grid.querySelectorAll(".card-link")];
  if (!links.length) return false;
  const at = links.indexOf(document.activeElement?.closest?.(".card")?.querySelector(".card-link"));
  if (at < 0) { links[0].focus(); return true; }
  const across = Math.max(1, links.filter((link) => Math.abs(link.getBoundingClientRect().top - links[0].getBoundingClientRect().top) < 8).length);
  const next = at + (by === "down" ? across : by === "up" ? -across : by);
  if (next < 0 || next >= links.length) return false;
  links[next].focus();
  return true;
}
