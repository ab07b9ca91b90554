/** Every decision, newest first; each can be undone. */
import { get } from "./api.js";
import { undoOne } from "./decisions.js";
import { button, fill, make, name } from "./dom.js";
import { count, span, when } from "./format.js";
import { changes, hue } from "./project.js";
import { momentAddress } from "./routes.js";
import { telling } from "./said.js";

const PAGE = 100;

export async function historyView(place) {
  let offset = 0;
  const told = make("p", { class: "soft", role: "status" });
  const body = make("tbody", {});
  const pages = make("nav", { class: "pages", "aria-label": "Pages" });
  const columns = ["When", "Decision", "Concept", "Video", "Span", ""];
  const table = make("div", { class: "panel wide", role: "region", "aria-label": "Decisions", tabindex: 0 }, make("table", {},
    make("thead", {}, make("tr", {}, columns.map((each) => make("th", { scope: "col" }, each || make("span", { class: "unseen" }, "Undo"))))), body));
  fill(place, make("header", { class: "page-head" }, make("h1", {}, "History"), told), table, pages);
  document.title = "History · whenabouts";

  async function ask() {
    const found = await telling(() => get("/api/reviews", { standing: "no", offset, limit: PAGE }));
    if (!found) return;
    table.hidden = !found.total;
    fill(told, found.total ? `${count(found.total, "decision")}, newest first.` : ["Nothing was decided yet: ", make("a", { href: "#/review" }, "review"), " some moments."]);
    fill(body, found.reviews.map(row));
    fill(pages, found.total > PAGE ? [button("Newer", () => turn(-PAGE), { disabled: offset === 0 }), button("Older", () => turn(PAGE), { disabled: offset + PAGE >= found.total })] : null);
  }

  const turn = (by) => { offset = Math.max(0, offset + by); ask(); };
  changes.addEventListener("reviews", ask);
  await ask();
  return () => changes.removeEventListener("reviews", ask);
}

function row(review) {
  const was = review.found && (review.found.start !== review.start || review.found.end !== review.end) ? make("small", { class: "soft" }, ` was ${span(review.found.start, review.found.end, 2)}`) : null;
  const state = review.undone ? "undone" : review.standing ? review.decision : "replaced";
  return make("tr", { class: review.standing ? "" : "past", data: { review: review.id } },
    make("td", {}, when(review.at)), make("td", {}, make("span", { class: `state ${state}` }, review.standing ? review.decision : `${review.decision}, ${state}`)),
    make("td", {}, make("i", { class: "dot", style: { background: hue(review.concept) } }), name(review.concept)),
    make("td", {}, make("a", { href: momentAddress(review) }, name(review.title || review.video_id))),
    make("td", { class: "number" }, span(review.start, review.end, 2), was),
    make("td", {}, review.standing ? button("Undo", () => undoOne(review.id), { kind: "small", label: `Undo: ${review.decision} ${review.concept}` }) : null));
}
