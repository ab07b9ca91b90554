/** Learn again from what was decided: begin, watch, and see before and after. */
import { get, post } from "./api.js";
import { card } from "./cards.js";
import { button, fill, make } from "./dom.js";
import { count, when } from "./format.js";
import { bind } from "./keys.js";
import { project, refresh } from "./project.js";
import { telling } from "./said.js";

const TOLD = { new: "New", gone: "Gone", moved: "Moved" };
const SHOWN = 24;

export async function learnView(place) {
  let timer = 0;
  let closed = false;
  let running = false;
  let localizer = "";
  const head = make("header", { class: "page-head" });
  const progress = make("section", { class: "panel", hidden: true, "aria-label": "Progress", "aria-live": "polite" });
  const outcome = make("div", {});
  fill(place, head, progress, outcome);
  document.title = "Learn again · whenabouts";

  async function ask() {
    clearTimeout(timer);
    const job = await telling(() => get("/api/learn"));
    if (!job || closed) return;
    if (running && job.state !== "running") await telling(refresh);
    running = job.state === "running";
    tellHead(job);
    tellProgress(job);
    fill(outcome, job.result ? result(job.result, running ? null : () => begin(true)) : null);
    if (running) timer = setTimeout(ask, 800);
  }

  function tellHead(job) {
    const { reviews = {}, held_out: held } = project();
    const decided = ["confirmed", "rejected", "corrected", "added"].reduce((sum, key) => sum + (reviews[key] ?? 0), 0);
    fill(head, make("h1", {}, "Learn again"),
      make("p", { class: "soft" }, `${count(decided, "decision")}: ${reviews.confirmed ?? 0} confirmed, ${reviews.rejected ?? 0} rejected, ${reviews.corrected ?? 0} corrected, ${reviews.added ?? 0} added. They become rated segments for the next training. `,
        held ? `${count(held.videos, "video was", "videos were")} drawn at random and held out to measure before and after.` : ""),
      running ? null : chooser(job.localizers ?? []),
      running ? button("Stop", () => telling(() => post("/api/learn/stop")).then(ask), { kind: "bad" })
        : button("Learn again", () => begin(), { kind: "primary", key: "B", disabled: decided === 0 }),
      decided === 0 && !running ? make("p", { class: "soft" }, "Decide on some moments first: ", make("a", { href: "#/review" }, "review"), ".") : null);
  }

  /** Which localizer learns: one by name, or whichever does best where enough was decided. */
  function chooser(names) {
    const select = make("select", { "aria-label": "Localizer to train", onchange: () => { localizer = select.value; } },
      make("option", { value: "" }, "the best of several"), names.map((each) => make("option", { value: each, selected: each === localizer }, each)));
    return make("label", { class: "field beside" }, make("span", {}, "Localizer"), select);
  }

  function tellProgress(job) {
    progress.hidden = job.state === "idle" || (job.state === "done" && !job.log?.length);
    const state = { running: `Learning${job.step ? `: ${job.step}` : ""} …`, done: "Done", failed: "It failed", stopped: "Stopped" }[job.state] ?? job.state;
    fill(progress, make("h2", {}, state), running ? make("progress", { "aria-label": "Learning" }) : null,
      job.begun ? make("p", { class: "soft" }, `Begun ${when(job.begun)}${job.ended ? `, ended ${when(job.ended)}` : ""}.`) : null,
      job.error ? make("p", { class: "error" }, job.error) : null,
      job.log?.length ? make("details", { open: job.state !== "done" }, make("summary", {}, "What the training says"), make("pre", { tabindex: 0, "aria-label": "What the training says" }, job.log.slice(-12).join("\n"))) : null);
  }

  async function begin(insisted = false) {
    if (await telling(() => post("/api/learn", { localizer: localizer || null, even_if_worse: insisted }))) await ask();
  }

  const stop = bind("Learn again", [{ keys: ["b"], told: "Begin", run: () => (running ? false : begin()) }]);
  await ask();
  return () => { closed = true; clearTimeout(timer); stop(); };
}

/** What came of it; `insist` trains once more and takes the model even where it is worse. */
function result(values, insist) {
  const { held_out: held, moments, rated_segments: rated, changed = [], worse = false, kept = "new" } = values;
  const earlier = kept === "earlier";
  return [
    worse ? make("section", { class: "panel", role: "status" }, make("h2", {}, earlier ? "The new model is worse: the earlier one was kept" : "The new model is worse, and was taken as asked for"),
      make("p", { class: "soft" }, earlier ? `Your decisions are kept too. More of them may help, or another localizer.${held.flattered ? " The earlier one may have learned labels of these very videos, and look better than it is." : ""}` : "Learning again from more decisions, or with another localizer, may mend it."),
      earlier && insist ? button("Train once more, and take it even if worse", insist, { kind: "bad" }) : null) : null,
    make("section", { class: "tiles", "aria-label": "Before and after" },
      measure(held), tile("Rated segments learned from", rated),
      moments ? tile("Moments", `${moments.before} → ${moments.after}`, `${moments.new} new, ${moments.moved} moved, ${moments.gone} gone, ${moments.kept} as before`) : null),
    !changed.length && moments?.before && !earlier ? make("p", { class: "soft" }, "No moment has changed. The model learns more from more decisions, and other localizers learn more from them.") : null,
    changed.length ? make("section", {}, make("h2", {}, "What has changed"), make("div", { class: "grid" }, changed.slice(0, SHOWN).map(change))) : null,
  ];
}

function measure(held) {
  if (!held) return null;
  const [before, after] = [held.before?.map, held.after?.map];
  if (before === undefined || after === undefined || before === null || after === null) return tile("Held-out videos", "not measured", held.reason ?? "Nothing is known of their moments yet.");
  const gain = 100 * (after - before);
  const none = Math.abs(gain) < 0.05;
  const at = held.after.tiou ? ` at tIoU ${held.after.tiou}` : "";
  return tile(`mAP, %,${at} on ${held.videos} held-out videos, by ${held.measured_on}`, `${(100 * before).toFixed(1)} → ${(100 * after).toFixed(1)}`,
    none ? "no change" : `${gain >= 0 ? "+" : "−"}${Math.abs(gain).toFixed(1)} points`, none ? "" : gain >= 0 ? "good" : "bad");
}

const tile = (title, value, note = "", kind = "") =>
  make("div", { class: `tile ${kind}` }, make("span", {}, title), make("b", {}, String(value ?? "–")), note ? make("small", {}, note) : null);

function change(each) {
  const moment = each.moment ?? each.was;
  return make("div", { class: "change" }, make("span", { class: `state ${each.change}` }, TOLD[each.change] ?? each.change,
    each.was && each.moment ? ` from ${each.was.start.toFixed(1)}–${each.was.end.toFixed(1)} s` : ""), card(moment));
}

