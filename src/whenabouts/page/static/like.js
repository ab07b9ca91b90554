/** Find by example: others like a moment, at once; a few that are right make a concept. */
import { get, post } from "./api.js";
import { card, moveAmong } from "./cards.js";
import { remember } from "./decisions.js";
import { button, fill, make, name } from "./dom.js";
import { count, span } from "./format.js";
import { bind } from "./keys.js";
import { project, refresh } from "./project.js";
import { momentAddress, to } from "./routes.js";
import { say, telling } from "./said.js";

export async function likeView(place, { values }) {
  const example = { video: values.get("video"), start: Number(values.get("start")), end: Number(values.get("end")), concept: values.get("concept") ?? "" };
  document.title = "Find by example · whenabouts";
  if (!example.video) return explain(place);
  const picked = new Map([[keyOf(example), example]]);
  const alone = make("input", { type: "checkbox", onchange: () => ask() });
  const grid = make("div", { class: "grid" });
  const told = make("p", { class: "soft total", role: "status" });
  const label = make("input", { type: "text", "aria-label": "Name of the new concept", placeholder: "Name of the concept", list: "concept-names", autocomplete: "off", maxlength: 200 });
  const saving = make("button", { type: "submit", class: "primary", disabled: true }, "Save as a concept");
  const form = make("form", { class: "save-concept", onsubmit: (event) => { event.preventDefault(); save(); } }, label,
    make("datalist", { id: "concept-names" }, project().concepts.map((each) => make("option", { value: each.name }))), saving);

  async function ask() {
    const found = await telling(() => get("/api/similar", { video: example.video, start: example.start, end: example.end, exclude_self: alone.checked ? "no" : "yes", limit: 48 }));
    if (!found) return;
    told.textContent = `${count(found.moments.length, "moment")} most like it. Tick those that are right.`;
    fill(grid, found.moments.map((moment) => card(moment, { tick: { checked: picked.has(keyOf(moment)), change: (yes) => pick(moment, yes) } })),
      found.moments.length ? null : make("div", { class: "nothing" }, make("h2", {}, "Nothing is like it"), make("p", { class: "soft" }, "Only videos with features can be compared: run `whenabouts extract`.")));
  }

  function pick(moment, yes) {
    if (yes) picked.set(keyOf(moment), { video: moment.video, start: moment.start, end: moment.end });
    else picked.delete(keyOf(moment));
    tell();
  }

  function tell() {
    const videos = new Set([...picked.values()].map((each) => each.video)).size;
    const enough = picked.size >= 3 && videos >= 2;
    saving.disabled = !(enough && label.value.trim());
    saving.textContent = enough ? `Save ${picked.size} as a concept` : `Save as a concept: ${picked.size} of 3, from ${videos} of 2 videos`;
  }

  async function save() {
    if (saving.disabled) return;
    const examples = [...picked.values()].map(({ video, start, end }) => ({ video, start, end }));
    const saved = await telling(() => post("/api/concepts", { name: label.value.trim(), examples }));
    if (!saved) return;
    remember(saved.reviews);
    await telling(refresh);
    say(`Saved ${label.value.trim()} from ${examples.length} examples. The next training learns it.`);
    window.location.hash = to("learn");
  }

  label.addEventListener("input", tell);
  const stop = bind("Find by example", [
    { keys: ["ArrowRight"], told: "Next card", run: () => moveAmong(grid, 1) }, { keys: ["ArrowLeft"], told: "Card before", run: () => moveAmong(grid, -1) },
    { keys: ["ArrowDown"], told: "Card below", run: () => moveAmong(grid, "down") }, { keys: ["ArrowUp"], told: "Card above", run: () => moveAmong(grid, "up") },
    { keys: ["c"], told: "Tick the card, or take the tick away", run: () => { const box = document.activeElement?.closest?.(".card")?.querySelector("input"); if (!box) return false; box.click(); return true; } },
    { keys: ["s"], told: "Name the concept", run: () => label.focus() },
  ]);
  fill(place, make("header", { class: "page-head" }, make("h1", {}, "Find by example"),
    make("p", { class: "soft" }, "Like ", example.concept ? [name(example.concept), ", "] : "", make("a", { href: momentAddress(example) }, span(example.start, example.end)),
      ". Compared by their features, at once: nothing is trained."),
    make("label", { class: "tick" }, alone, "Also in the same video")), form, told, grid);
  tell();
  await ask();
  return stop;
}

const keyOf = ({ video, start, end }) => `${video} ${start} ${end}`;

function explain(place) {
  fill(place, make("div", { class: "nothing" }, make("h1", {}, "Find by example"),
    make("p", { class: "soft" }, "Open a moment and choose \"Others like it\" (key E), or press ≈ on a card: whatever looks like it comes at once, and a few that are right make a concept."), make("a", { class: "button primary", href: "#/moments" }, "To the moments")));
  return () => {};
}
