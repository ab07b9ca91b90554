/** The chosen moment: what and when it is, and what can be done with it. */
import { button, fill, make, name, picture } from "./dom.js";
import { clock, score, secondsOf } from "./format.js";
import { project } from "./project.js";
import { to } from "./routes.js";

const DECIDED = { confirmed: "Confirmed", rejected: "Rejected", corrected: "Corrected", added: "Added by hand" };
const KINDS = { truth: "True moment", imported: "Imported", found: "Found by the model", confirmed: "Confirmed", rejected: "Rejected" };

/** A panel; `on` = {confirm, reject, save, add, play, here(edge), span(edge, seconds), concept(name)}. */
export function momentPanel(on) {
  const element = make("section", { class: "panel moment-panel", "aria-label": "The moment" });
  let fields = null;

  function show({ moment, draft, concept, canAdd }) {
    const span = draft ?? moment;
    fields = null;
    if (!span) {
      fill(element, make("h2", {}, "No moment chosen"), make("p", { class: "soft" },
        "Choose one on the timeline or in the list; or press [ and ] where one starts and ends, to add it."));
      return;
    }
    const changed = Boolean(moment && draft) || (moment && concept !== moment.concept);
    const foreign = moment && ["truth", "imported"].includes(moment.kind);
    fields = { start: edge("start", "Start", span.start), end: edge("end", "End", span.end) };
    fill(element,
      make("header", {}, make("h2", {}, moment ? name(moment.concept) : "A new moment"), moment ? state(moment) : null),
      make("p", { class: "soft facts" }, `${(span.end - span.start).toFixed(2)} s`,
        moment?.kind === "found" ? `, score ${score(moment.score)}` : "", moment?.match === "hit" ? ", meets the truth" : "",
        moment?.match === "false" ? ", not in the truth" : "", moment?.match === "missed" ? ", missed by the model" : ""),
      make("div", { class: "actions" },
        moment && !foreign ? button(changed ? "Confirm as changed" : "Confirm", on.confirm, { key: "C", kind: "primary good" }) : null,
        moment && !foreign ? button("Reject", on.reject, { key: "X", kind: "bad" }) : null,
        canAdd ? button(moment && !foreign ? "Add as another" : "Add", on.add, { key: "A", kind: moment && !foreign ? "" : "primary" }) : null,
        draft ? button("Put back", on.putBack, { key: "Esc" }) : null,
        button("Play", on.play, { key: "P" }),
        moment ? make("a", { class: "button", href: to("like", { video: moment.video, start: moment.start, end: moment.end, concept: moment.concept }) },
          make("span", {}, "Others like it"), make("kbd", { "aria-hidden": "true" }, "E")) : null),
      make("div", { class: "fields" }, choice(concept), fields.start.element, fields.end.element));
  }

  function edge(which, label, seconds) {
    const input = make("input", { type: "text", inputmode: "decimal", value: clock(seconds, 3), "aria-label": `${label} of the moment`, autocomplete: "off", spellcheck: "false" });
    input.addEventListener("change", () => {
      const told = secondsOf(input.value);
      input.setAttribute("aria-invalid", String(told === null));
      if (told !== null) on.span(which, told);
    });
    const here = button("here", () => on.here(which), { key: which === "start" ? "[" : "]", label: `${label} where the video is` });
    return { element: make("div", { class: "field edge" }, make("label", {}, make("span", {}, label), input), here), input };
  }

  function choice(concept) {
    const names = [...new Set([...(project()?.concepts.map((each) => each.name) ?? []), concept].filter(Boolean))];
    const select = make("select", { "aria-label": "Concept of the moment", onchange: () => on.concept(select.value) },
      names.map((each) => make("option", { value: each, selected: each === concept }, each)));
    return make("label", { class: "field wide" }, make("span", {}, "Concept"), select);
  }

  return { element, show };
}

function state(moment) {
  const decision = moment.review?.decision;
  const kind = decision ?? moment.kind;
  return make("span", { class: `state ${kind}` }, DECIDED[decision] ?? KINDS[kind] ?? kind);
}

/** The moment's picture, for lists. */
export const thumbnail = (moment) => picture(moment.thumbnail);
