/** One video. */
import { bind } from "./keys.js";
import { fill, make, name } from "./dom.js";
import { clock } from "./format.js";
import { askVideo } from "./player.js";
import { changes } from "./project.js";
import { note, to } from "./routes.js";
import { stage } from "./stage.js";
import { stageKeys } from "./stage_keys.js";

export async function videoView(place, { rest: key, values }) {
  const video = await askVideo(key);
  const shown = stage(video, { origin: "video" });
  const asked = ["start", "end"].map((each) => (values.has(each) ? Number(values.get(each)) : NaN));
  const moment = nearest(shown.shownMoments(), values.get("concept"), asked);
  fill(place, heading(video), shown.element, make("section", { class: "panel said-of" }, labels(video)));
  document.title = `${video.title || video.id} · whenabouts`;
  if (moment) shown.choose(moment);
  else if (Number.isFinite(asked[0])) shown.seek(asked[0]);
  const stop = bind("This video", stageKeys(shown.does));
  // Undo may come from anywhere: what is shown follows what is stored.
  const follow = () => shown.reload();
  changes.addEventListener("undone", follow);
  const unnoted = setInterval(() => noteChosen(key, shown.model), 500);
  return () => { stop(); clearInterval(unnoted); changes.removeEventListener("undone", follow); shown.close(); };
}

/** Keep the chosen moment in the address, for a reload and for sharing. */
function noteChosen(key, model) {
  const chosen = model.selected;
  if (!chosen) return;
  const values = { concept: chosen.concept, start: chosen.start, end: chosen.end };
  if (window.location.hash !== to("video", values, key)) note("video", values, key);
}

function nearest(moments, concept, [start, end]) {
  if (!Number.isFinite(start)) return null;
  const off = (each) => Math.abs(each.start - start) + Math.abs(each.end - (Number.isFinite(end) ? end : each.end)) + (concept && each.concept !== concept ? 1e6 : 0);
  const found = moments.reduce((one, other) => (one === null || off(other) < off(one) ? other : one), null);
  return found && off(found) < 0.05 ? found : null;
}

function heading(video) {
  const facts = [clock(video.duration), video.width ? `${video.width} × ${video.height}` : null, video.fps ? `${Number(video.fps.toFixed(2))} frames/s` : null,
    `split ${video.split}`, video.held_out ? "held out: its reviews measure, and are not learned" : null, video.status === "complete" ? null : `${video.status}: ${video.reason}`];
  return make("header", { class: "page-head" }, make("h1", {}, name(video.title || video.id)),
    make("p", { class: "soft facts" }, video.title && video.title !== video.id ? [name(video.id), " · "] : null, facts.filter(Boolean).join(" · ")));
}

function labels(video) {
  const rows = video.labels ?? [];
  return [make("h2", {}, "Said of the whole video"), rows.length
    ? make("ul", { class: "tags" }, rows.map((label) => make("li", { class: "tag", title: label.source }, name(label.name), label.weight < 1 ? make("small", {}, ` ${label.weight.toFixed(2)}`) : null)))
    : make("p", { class: "soft" }, "Nothing: no label names it.")];
}
