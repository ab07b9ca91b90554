/** Why this moment: what the model saw inside of it, beside what it saw around it. */
import { get } from "./api.js";
import { fill, make, name } from "./dom.js";
import { percent, score, span } from "./format.js";
import { momentAddress } from "./routes.js";
import { telling } from "./said.js";

/** A part that opens and then asks; `show(moment)` makes it speak of another moment. */
export function whyPanel() {
  const body = make("div", { class: "why-body" });
  const element = make("details", { class: "why" }, make("summary", {}, "Why this moment", make("kbd", { "aria-hidden": "true" }, "W")), body);
  let moment = null;
  let asked = null;

  async function ask() {
    if (!moment || !element.open || asked === moment) return;
    const mine = moment;
    asked = mine;
    fill(body, make("p", { class: "waiting" }, "Asking the model …"));
    const values = await telling(() => get("/api/why", { video: mine.video, concept: mine.concept, start: mine.start, end: mine.end }));
    if (asked === mine) fill(body, values ? told(values) : make("p", {}, "The model says nothing about it."));
  }

  element.addEventListener("toggle", ask);
  const show = (next) => {
    moment = next;
    asked = null;
    element.hidden = !moment;
    ask();
  };
  return { element, show, toggle: () => { element.open = !element.open; } };
}

function told(values) {
  const top = Math.max(1e-12, values.score_inside, values.score_outside);
  const place = values.rank_in_video ? `no. ${values.rank_in_video} of its concept in this video` : null;
  const among = values.percentile === null || values.percentile === undefined ? null : `scored above ${percent(values.percentile)} of the video`;
  return [
    make("p", {}, `The model gives the whole video ${percent(values.video_score)} for `, name(values.concept), ". ",
      [place, among].filter(Boolean).length ? `This moment is ${[place, among].filter(Boolean).join(", ")}.` : ""),
    values.labels?.length ? make("p", {}, "Said of the video: ", values.labels.map((label, at) => [at ? ", " : "", name(label)]), ".") : null,
    make("div", { class: "bars", role: "table", "aria-label": "Inside the moment and around it" },
      pair("score", values.score_inside, values.score_outside, top),
      (values.streams ?? []).map((each) => pair(each.stream, each.inside, each.outside, Math.max(1e-12, each.inside, each.outside))),
      values.attention ? pair("attention", values.attention.inside, values.attention.outside, Math.max(1e-12, values.attention.inside, values.attention.outside)) : null),
    listed("Others that it might be", values.rivals, (each) => [name(each.concept), ` ${score(each.inside)}`]),
    listed("Most like it among what was decided", values.nearest, (each) => [
      make("a", { href: momentAddress({ concept: values.concept, ...each }) }, each.title ? name(each.title) : span(each.start, each.end)), ` ${each.decision}, ${percent(each.similarity)} alike`]),
    moved(values.features),
  ];
}

function pair(text, inside, outside, top) {
  const bar = (value, kind) => make("span", { class: `bar ${kind}`, role: "cell" },
    make("i", { style: { width: `${Math.max(0, 100 * (value / top))}%` } }), make("b", {}, score(value), make("small", {}, ` ${kind}`)));
  return make("div", { class: "pair", role: "row" }, make("span", { role: "rowheader" }, text), bar(inside, "inside"), bar(outside, "around"));
}

/** What moved the relevance model: how far each feature pushed towards yes (right) or no (left), in log-odds. */
function moved(features) {
  const shown = (features ?? []).filter((each) => Math.abs(each.gain) >= 5e-4);
  if (!shown.length) return null;
  const top = Math.max(1e-9, ...shown.map((each) => Math.abs(each.gain)));
  const bar = (gain) => make("span", { class: `push ${gain >= 0 ? "yes" : "no"}`, role: "cell" },
    make("i", { style: { width: `${50 * (Math.abs(gain) / top)}%` } }), make("b", {}, `${gain >= 0 ? "+" : "−"}${score(Math.abs(gain))}`));
  return [make("h4", {}, "Features that moved the score"), make("div", { class: "bars", role: "table", "aria-label": "What each feature adds to the log-odds" },
    shown.map((each) => make("div", { class: "pair moved", role: "row" },
      make("span", { role: "rowheader" }, name(each.name), make("small", { class: "soft" }, each.value === null ? " missing" : ` = ${score(each.value)}`)), bar(each.gain))))];
}

function listed(title, rows, shown) {
  if (!rows?.length) return null;
  return [make("h4", {}, title), make("ul", {}, rows.slice(0, 6).map((each) => make("li", {}, shown(each))))];
}
