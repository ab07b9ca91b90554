/** The collection: search over concepts, tags and titles, with a cut-off, an order and pages. */
import { get } from "./api.js";
import { card, moveAmong, videoCard } from "./cards.js";
import { confirm, reject } from "./decisions.js";
import { button, fill, make, name, prose, settled } from "./dom.js";
import { count, score } from "./format.js";
import { bind } from "./keys.js";
import { changes, hue, project } from "./project.js";
import { note, to } from "./routes.js";
import { telling } from "./said.js";

const PAGE = 48;
const SUGGESTED = 14;
const KINDS = [["found", "Found"], ["confirmed", "Confirmed"], ["rejected", "Rejected"], ["imported", "Imported"]];
const SORTS = { moments: [["score", "Score"], ["usefulness", "Usefulness"], ["date", "Newest file"]],
  videos: [["title", "Title"], ["date", "Newest file"], ["moments", "Most moments"], ["score", "Best score"]] };

/** The view of moments, or of videos where `what` is "videos". */
export function collectionView(place, { values }, what) {
  const standard = { text: "", concept: "", min_score: "", kind: "found", split: "", reviewed: "", sort: SORTS[what][0][0], offset: 0 };
  const asked = Object.fromEntries(Object.entries(standard).map(([key, usual]) => [key, values.get(key) ?? usual]));
  asked.offset = Math.max(0, Number(asked.offset) || 0);
  let cards = [];
  let asking = null;
  const grid = make("div", { class: "grid", "aria-busy": "true" });
  const total = make("p", { class: "soft total", role: "status" });
  const pages = make("nav", { class: "pages", "aria-label": "Pages" });
  const cut = cutOff(asked, settled(() => ask(0)));
  const search = make("input", { type: "search", id: "search", value: asked.text, placeholder: "Concepts, tags, titles", "aria-label": "Search concepts, tags and titles", autocomplete: "off",
    oninput: settled(() => { asked.text = search.value; ask(0); }) });
  const chosen = (key, label, rows) => make("label", { class: "field" }, make("span", {}, label),
    make("select", { "aria-label": label, onchange: (event) => { asked[key] = event.target.value; if (key === "concept") cut.fit(); ask(0); } },
      rows.map(([value, text]) => make("option", { value, selected: asked[key] === value }, text))));
  const concepts = make("div", { class: "chips suggestions", role: "group", "aria-label": "Concepts and tags" });

  const filters = make("section", { class: "filters", "aria-label": "Search" },
    make("div", { class: "search-row" }, make("label", { class: "search" }, search, make("kbd", { "aria-hidden": "true" }, "/")),
      make("div", { class: "switch", role: "group", "aria-label": "What is listed" },
        make("a", { href: "#/moments", "aria-current": what === "moments" ? "page" : null }, "Moments"),
        make("a", { href: "#/videos", "aria-current": what === "videos" ? "page" : null }, "Videos"))),
    concepts,
    make("details", { class: "more", open: window.matchMedia("(min-width: 721px)").matches || asked.min_score !== "" }, make("summary", {}, "Cut-off, order, filters"), make("div", { class: "filter-row" },
      chosen("concept", "Concept", [["", "All concepts"], ...(project().concepts.map((each) => [each.name, `${each.name} (${each.moments})`]))]),
      what === "moments" ? [cut.element, chosen("kind", "Kind", KINDS),
        chosen("reviewed", "Reviewed", [["", "Either"], ["yes", "Yes"], ["no", "No"]])] : null,
      chosen("split", "Split", [["", "All"], ...project().splits.map((each) => [each, each])]),
      chosen("sort", "Order", SORTS[what]))));

  function suggest() {
    const named = [...project().concepts].sort((one, other) => other.moments - one.moments).slice(0, SUGGESTED);
    const tags = project().tags.filter((tag) => !named.some((each) => each.name === tag.name)).slice(0, 8);
    fill(concepts, named.map((each) => make("button", { type: "button", class: "chip", "aria-pressed": String(asked.concept === each.name),
      onclick: () => { asked.concept = asked.concept === each.name ? "" : each.name; filters.querySelector("select").value = asked.concept; cut.fit(); suggest(); ask(0); } },
    make("i", { class: "dot", style: { background: hue(each.name) } }), name(each.name), make("small", {}, String(each.moments)))),
    tags.map((tag) => make("button", { type: "button", class: "chip tag", "aria-pressed": String(asked.text === tag.name),
      onclick: () => { asked.text = search.value = asked.text === tag.name ? "" : tag.name; suggest(); ask(0); } }, "#", name(tag.name))));
  }

  async function ask(offset = asked.offset) {
    asked.offset = offset;
    note(what, Object.fromEntries(Object.entries(asked).filter(([key, value]) => value !== standard[key])));
    asking?.abort();
    asking = new AbortController();
    grid.setAttribute("aria-busy", "true");
    const { kind, min_score, reviewed, ...both } = asked;
    const rest = what === "moments" ? { kind, min_score, reviewed } : {};
    const found = await telling(() => get(`/api/${what}`, { ...both, ...rest, offset, limit: PAGE }, asking.signal));
    if (found) show(found);
  }

  function show(found) {
    grid.setAttribute("aria-busy", "false");
    cards = found.moments ?? found.videos;
    const from = found.total ? found.offset + 1 : 0;
    total.textContent = found.total ? `${count(found.total, what === "moments" ? "moment" : "video")}, ${from.toLocaleString("en")} to ${(found.offset + cards.length).toLocaleString("en")} shown` : "";
    fill(grid, cards.map((each) => (what === "moments" ? card(each, { on: { confirm: (moment) => decide(confirm, moment), reject: (moment) => decide(reject, moment) } }) : videoCard(each))),
      found.total ? null : nothing());
    const go = (offset) => { ask(offset); window.scrollTo({ top: 0 }); };
    fill(pages, found.total > PAGE ? [
      button("Before", () => go(Math.max(0, found.offset - PAGE)), { disabled: found.offset === 0, key: "⇧←" }),
      make("span", { class: "soft" }, `Page ${Math.floor(found.offset / PAGE) + 1} of ${Math.ceil(found.total / PAGE)}`),
      button("Next", () => go(found.offset + PAGE), { disabled: found.offset + PAGE >= found.total, key: "⇧→" })] : null);
  }

  function nothing() {
    const filtered = asked.text || asked.concept || asked.min_score || asked.reviewed || asked.split || asked.kind !== "found";
    return make("div", { class: "nothing" }, make("h2", {}, "Nothing here"), make("p", { class: "soft" }, filtered
      ? `No ${what === "moments" ? "moment" : "video"} fits all of this. ${what === "moments" ? "Lower the cut-off, or take" : "Take"} a filter away.`
      : prose("No moments were found yet: run `whenabouts find`, then reload this page.")),
    filtered ? make("a", { class: "button", href: to(what) }, "Show all") : null);
  }

  async function decide(decision, moment) {
    const at = cards.indexOf(moment);
    const reviews = await decision(moment, "search");
    if (!reviews) return;
    const last = reviews.at(-1);
    cards[at] = { ...moment, review: { id: last.id, decision: last.decision, start: last.start, end: last.end } };
    const old = grid.children[at];
    const focused = old.contains(document.activeElement);
    old.replaceWith(card(cards[at]));
    if (focused) grid.children[at].querySelector(".card-link").focus();
  }

  const focusedMoment = () => cards[[...grid.children].findIndex((each) => each.contains(document.activeElement))];
  const decideFocused = (decision) => { const moment = focusedMoment(); if (!moment || what !== "moments" || moment.review) return false; decide(decision, moment); return true; };
  const turn = (by) => { const shownButton = pages.querySelectorAll("button")[by > 0 ? 1 : 0]; if (!shownButton || shownButton.disabled) return false; shownButton.click(); return true; };
  const stop = bind("The collection", [
    { keys: ["/"], told: "Search", run: () => search.focus() },
    { keys: ["ArrowRight"], told: "Next card", run: () => moveAmong(grid, 1) },
    { keys: ["ArrowLeft"], told: "Card before", run: () => moveAmong(grid, -1) },
    { keys: ["ArrowDown"], told: "Card below", run: () => moveAmong(grid, "down") },
    { keys: ["ArrowUp"], told: "Card above", run: () => moveAmong(grid, "up") },
    { keys: ["Enter"], told: "Open the card", run: () => false },
    { keys: ["c"], told: "Confirm the card", run: () => decideFocused(confirm) },
    { keys: ["x"], told: "Reject the card", run: () => decideFocused(reject) },
    { keys: ["Shift+ArrowRight"], told: "Next page", run: () => turn(1) },
    { keys: ["Shift+ArrowLeft"], told: "Page before", run: () => turn(-1) },
  ]);
  const again = () => ask();
  changes.addEventListener("undone", again);
  document.title = "Moments · whenabouts";
  fill(place, make("h1", { class: "unseen" }, what === "moments" ? "Moments" : "Videos"), notes(), filters, total, grid, pages);
  suggest();
  ask();
  return () => { stop(); changes.removeEventListener("undone", again); asking?.abort(); };
}

const notes = () => (project().notes ?? []).map((text) => make("p", { class: "note" }, prose(text)));

/** A slider over the scores of the chosen concept, or of all; at its left end nothing is cut. */
function cutOff(asked, changed) {
  const told = make("output", {}, "");
  const slider = make("input", { type: "range", min: 0, max: 200, step: 1, "aria-label": "Least score" });
  const range = () => {
    const rows = project().concepts.filter((each) => each.moments && (!asked.concept || each.name === asked.concept));
    const lowest = Math.min(...rows.map((each) => each.lowest ?? 0));
    const best = Math.max(...rows.map((each) => each.best ?? 0));
    return rows.length ? [lowest, Math.max(best, lowest + 1e-9)] : [0, 1];
  };
  const say = () => {
    told.value = asked.min_score === "" ? "any" : `≥ ${score(Number(asked.min_score))}`;
    slider.setAttribute("aria-valuetext", told.value);
  };
  function fit() {
    const [low, high] = range();
    slider.value = asked.min_score === "" ? 0 : Math.round((200 * (Number(asked.min_score) - low)) / (high - low));
    say();
  }
  slider.addEventListener("input", () => {
    const [low, high] = range();
    asked.min_score = Number(slider.value) === 0 ? "" : Number((low + (Number(slider.value) / 200) * (high - low)).toPrecision(6));
    say();
    changed();
  });
  fit();
  return { element: make("label", { class: "field" }, make("span", {}, "Score ", told), slider), fit };
}
