/** The concepts of a video: which of them are drawn. */
import { button, fill, make, name } from "./dom.js";
import { hue } from "./project.js";

/** Buttons that tick a model's concepts; `changed()` is called after each. */
export function chips(model, changed) {
  const element = make("div", { class: "chips", role: "group", "aria-label": "Concepts that are drawn" });

  function tick(concept, only) {
    if (only) model.shown = new Set([concept]);
    else if (model.shown.has(concept)) model.shown.delete(concept);
    else model.shown.add(concept);
    if (model.shown.has(concept) && !model.selected && !model.draft) model.focus = concept;
    changed();
  }

  function draw() {
    const all = model.concepts.length === model.shown.size;
    fill(element,
      [...new Set([...model.concepts, ...model.shown])].map((concept, place) => make("button", {
        type: "button", class: "chip", "aria-pressed": String(model.shown.has(concept)),
        title: `${place < 9 ? `Key ${place + 1}. ` : ""}Double-click: only this`,
        onclick: () => tick(concept, false), ondblclick: () => tick(concept, true),
      }, make("i", { class: "dot", style: { background: hue(concept) } }), name(concept), make("small", {}, String(model.counts.get(concept) ?? 0)))),
      model.concepts.length > 1 ? button(all ? "None" : "All", () => { model.shown = new Set(all ? [] : model.concepts); changed(); }, { kind: "plain" }) : null);
  }
  return { element, draw };
}
