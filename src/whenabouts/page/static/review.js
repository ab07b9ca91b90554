/** The queue: moments drawn at random by use, one after the other. */
import { get } from "./api.js";
import { button, fill, make, name, picture, prose } from "./dom.js";
import { count, percent, span } from "./format.js";
import { bind } from "./keys.js";
import { askVideo } from "./player.js";
import { changes, hue, project } from "./project.js";
import { note } from "./routes.js";
import { telling } from "./said.js";
import { stage } from "./stage.js";
import { stageKeys } from "./stage_keys.js";

const AHEAD = 20;

export async function reviewView(place, { values }) {
  let concept = values.get("concept") ?? "";
  let queue = [];
  let left = 0;
  let done = 0;
  const skipped = new Set();
  let shown = null;
  let stop = null;
  let closed = false;
  const head = make("header", { class: "page-head queue-head" });
  const strip = make("ol", { class: "queue", "aria-label": "What comes next" });
  const body = make("div", {});
  fill(place, head, strip, body);
  document.title = "Review · whenabouts";

  async function ask() {
    const found = await telling(() => get("/api/queue", { concept, limit: Math.min(500, AHEAD + skipped.size) }));
    if (!found || closed) return false;
    queue = found.moments.filter((moment) => !skipped.has(moment.id));
    left = found.left;
    tellHead(found.concepts ?? []);
    return true;
  }

  function tellHead(concepts) {
    const select = make("select", { "aria-label": "Concept to review", onchange: () => { concept = select.value; note("review", { concept }); skipped.clear(); begin(); } },
      make("option", { value: "" }, "All concepts"),
      concepts.map((each) => make("option", { value: each.name, selected: each.name === concept }, `${each.name} (${each.left})`)));
    fill(head, make("h1", {}, "Review"), make("p", { class: "soft" }, `${count(done, "decision")} in this sitting, ${left.toLocaleString("en")} moments left, drawn at random: right and wrong ones both teach, and missed ones that you add teach most.`), make("label", { class: "field" }, make("span", {}, "Concept"), select));
  }

  async function open() {
    stop?.();
    shown?.close();
    shown = null;
    const moment = queue[0];
    drawStrip();
    if (!moment) {
      stop = bind("The queue", []);
      const why = skipped.size || concept ? null : emptyQueue(project());
      if (why) return void fill(body, make("div", { class: "nothing" }, make("h2", {}, "Nothing to decide yet"), make("p", { class: "soft" }, prose(why))));
      fill(body, make("div", { class: "nothing" }, make("h2", {}, "Nothing is left to decide"),
        make("p", { class: "soft" }, skipped.size ? `${count(skipped.size, "moment was", "moments were")} put off. ` : "Learn again, and see what has changed. "),
        skipped.size ? button("Look at them now", () => { skipped.clear(); begin(); }) : make("a", { class: "button primary", href: "#/learn" }, "Learn again")));
      return;
    }
    const video = await telling(() => askVideo(moment.video));
    if (closed || queue[0] !== moment) return;
    if (!video) return put(1);
    shown = stage(video, { origin: "queue", decided: () => { done += 1; next(moment); return true; } });
    fill(body, make("p", { class: "queue-now", data: { moment: moment.id } }, make("i", { class: "dot", style: { background: hue(moment.concept) } }),
      make("span", {}, "Is this ", make("strong", {}, name(moment.concept)), "? ", make("a", { href: `#/video/${moment.video}` }, name(video.title || video.id)),
        `, ${span(moment.start, moment.end)} `, make("span", { class: "soft" }, `usefulness ${percent(moment.usefulness ?? 0)}`)), button("Skip", () => put(1), { key: "N", kind: "small" })), shown.element);
    const mine = shown.shownMoments().find((each) => each.kind === "found" && each.id === moment.id) ?? shown.shownMoments().find((each) => each.id === moment.id) ?? moment;
    shown.model.shown = new Set([moment.concept]);
    shown.choose(mine, { fit: true });
    const keys = bind("The queue", [{ keys: ["n"], told: "Put it off, and go on", run: () => put(1) }, ...stageKeys(shown.does)]);
    stop = keys;
  }

  function put() {
    if (queue[0]) skipped.add(queue[0].id);
    queue.shift();
    return queue.length > 2 ? open() : begin();
  }

  async function next(moment) {
    queue = queue.filter((each) => each.id !== moment.id);
    if (await ask()) await open();
  }

  async function begin() {
    if (await ask()) await open();
  }

  function drawStrip() {
    fill(strip, queue.slice(0, 8).map((moment, place) => make("li", { class: place === 0 ? "now" : "" }, picture(moment.thumbnail),
      make("span", {}, make("i", { class: "dot", style: { background: hue(moment.concept) } }), name(moment.concept)))));
  }

  const undone = (event) => { done = Math.max(0, done + event.detail); begin(); };
  changes.addEventListener("undone", undone);
  await begin();
  return () => { closed = true; stop?.(); shown?.close(); changes.removeEventListener("undone", undone); };
}

/** Why there is nothing to decide in a project where nothing was decided; null where there is another reason. */
function emptyQueue({ moments, reviews = {} }) {
  if (!moments) return "No moments were found: run `whenabouts find`, then reload this page.";
  if (Object.values(reviews).some((each) => each > 0)) return null;
  return "All moments that were found are in held-out videos, which measure what learning brings and are never asked about. Run `whenabouts find` without --split for moments of all videos, then reload this page.";
}
