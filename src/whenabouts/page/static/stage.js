/** One video with everything known of it: player, timeline, the chosen moment, a list of moments. */
import { get } from "./api.js";
import { add, confirm, correct, reject } from "./decisions.js";
import { chips } from "./chips.js";
import { button, fill, make } from "./dom.js";
import { momentList } from "./moment_list.js";
import { momentPanel } from "./moment_panel.js";
import { askVideo, player } from "./player.js";
import { learned, project } from "./project.js";
import { to } from "./routes.js";
import { telling } from "./said.js";
import { timeline } from "./timeline.js";
import { transport } from "./transport.js";
import { whyPanel } from "./why.js";

const MOST_CURVES = 6;
const POINTS = 2000;

/**
 * A stage for VIDEO; `decided(reviews, moment)` is called once a decision is stored. While one is on its way, and for good
 * once `decided` returned true, others are not taken: a quick second key never judges the same moment again.
 */
export function stage(video, { origin, decided = () => false }) {
  const model = modelOf(video);
  let busy = false;
  let curvesAsked = new Set();
  let closed = false;

  const view = player(video, { time: (seconds) => { line.goTo(seconds, !view.screen.paused); controls.tell(seconds); }, playing: () => {} });
  const line = timeline(model, {
    seek: (seconds) => view.seek(seconds),
    choose: (moment) => choose(moment),
    move: (moment, span) => { choose(moment, { seek: false }); changeTo(span); save(); },
    mark: (span) => { model.selected = null; changeTo(span); },
    play: (moment) => { choose(moment); play(); },
  });
  const controls = transport(view, play);
  const why = whyPanel();
  const panel = momentPanel({
    confirm: () => does.confirm(), reject: () => does.reject(), add: () => does.add(), play, putBack: () => does.putBack(),
    here: (edge) => does.here(edge), span: (edge, seconds) => setEdge(edge, seconds), concept: (concept) => { model.focus = concept; told(); askCurves(); line.draw(); },
  });
  const list = momentList("Moments of this video", (moment) => choose(moment));
  const ticks = chips(model, () => { told(); askCurves(); line.draw(); });
  const legend = make("p", { class: "legend soft", "aria-hidden": "true" });
  const whole = () => line.lookAt(0, model.duration);
  const element = make("div", { class: "stage" },
    make("div", { class: "stage-screen" }, view.element, controls.element),
    make("div", { class: "stage-side" }, panel.element, why.element),
    make("section", { class: "stage-time", "aria-label": "Timeline" },
      make("div", { class: "time-tools" }, ticks.element, make("span", { class: "group" },
        button("−", () => line.zoom(1 / 0.6), { label: "Farther", key: "-" }), button("+", () => line.zoom(0.6), { label: "Closer", key: "+" }),
        button("Whole video", whole, { key: "0" }))),
      line.element, legend),
    make("section", { class: "stage-list panel", "aria-label": "Moments of this video" }, make("h2", {}, "Moments"), list.element));

  function shownMoments() {
    const { found, confirmed, rejected, imported, truth } = model.lanes;
    return [...found, ...confirmed, ...rejected, ...imported, ...truth]
      .filter((moment) => model.shown.has(moment.concept)).sort((one, other) => one.start - other.start || one.end - other.end);
  }

  function told() {
    const concept = model.focus;
    panel.show({ moment: model.selected, draft: model.draft, concept, canAdd: Boolean(model.draft) || ["truth", "imported"].includes(model.selected?.kind) });
    why.show(model.selected);
    list.set(shownMoments(), model.selected);
    ticks.draw();
    tellLegend();
  }

  function choose(moment, { seek = true, fit = false } = {}) {
    model.selected = moment;
    model.draft = null;
    if (moment) {
      model.focus = moment.concept;
      model.shown.add(moment.concept);
      if (seek) view.seek(moment.start);
      if (fit || moment.end < model.from || moment.start > model.to) does.fit();
    }
    told();
    askCurves();
    line.draw();
  }

  const changeTo = (span) => { model.draft = span; told(); line.draw(); };

  function setEdge(edge, seconds) {
    const now = model.draft ?? model.selected ?? { start: view.now(), end: Math.min(model.duration, view.now() + 2) };
    const span = { start: now.start, end: now.end, [edge]: Math.min(Math.max(0, seconds), model.duration) };
    const least = view.frame;
    if (span.end - span.start < least) {
      if (edge === "start") span.end = Math.min(model.duration, span.start + 2);
      else span.start = Math.max(0, span.end - 2);
    }
    changeTo(span);
  }

  function play() {
    const span = model.draft ?? model.selected;
    if (span) view.play(span, controls.options());
    else view.toggle();
  }

  /** Send a decision, then show what has become of the video. */
  async function store(decide, moment) {
    if (busy) return;
    busy = true;
    const reviews = await decide();
    if (reviews) {
      model.draft = null;
      if (decided(reviews, moment)) return;
      await reload(moment, reviews.at(-1));
    }
    busy = false;
  }

  async function save() {
    const { selected, draft, focus } = model;
    if (selected) await store(() => correct(selected, { ...(draft ?? selected), concept: focus }, origin), selected);
  }

  /** Ask for the video again, and choose what is now where the moment was. */
  async function reload(moment, review) {
    const fresh = closed ? null : await telling(() => askVideo(video.key));
    if (!fresh || closed) return;
    Object.assign(video, fresh);
    model.lanes = lanesOf(fresh);
    const all = shownMoments();
    const same = (each, other) => other && each.concept === other.concept && Math.abs(each.start - other.start) < 1e-6 && Math.abs(each.end - other.end) < 1e-6;
    const next = all.find((each) => each.id === moment?.id && each.kind === moment?.kind) ?? all.find((each) => same(each, review));
    model.selected = next ?? null;
    if (next) model.focus = next.concept;
    told();
    line.draw();
  }

  async function askCurves() {
    if (!video.features?.length || !project().localizer) return;
    const wanted = [model.focus, ...model.shown].filter((concept) => learned(concept) && !curvesAsked.has(concept)).slice(0, MOST_CURVES);
    for (const concept of wanted) {
      if (closed || (curvesAsked.size >= MOST_CURVES && concept !== model.focus)) return;
      curvesAsked.add(concept);
      const scores = await get(`/api/videos/${video.key}/scores`, { concept, points: POINTS }).catch(() => null);
      if (!scores || !scores.curves.length) continue;
      model.scores.set(concept, scores);
      showCurves();
    }
    showCurves();
  }

  function showCurves() {
    const before = model.curves.size;
    model.curves = new Map([...model.scores].filter(([concept]) => model.shown.has(concept) || concept === model.focus));
    tellLegend();
    if (before || model.curves.size) line.draw();
  }

  function tellLegend() {
    const streams = (model.curves.get(model.focus)?.curves ?? []).slice(1).map((each) => each.stream);
    fill(legend, streams.length ? `Scores: filled, ${model.focus} from all streams together; dashed, from ${streams.join(" and ")} alone, each to its own height. ` : "",
      model.lanes.truth.length ? "Truth: green was found, red was missed. Found: underlined in green where it meets the truth, in red where it does not." : "");
  }

  const decidable = () => model.selected && !["truth", "imported"].includes(model.selected.kind);
  const does = {
    toggle: () => view.toggle(), play, loop: () => controls.toggleLoop(), faster: (factor) => controls.faster(factor),
    step: (frames) => view.step(frames), jump: (seconds) => view.seek(view.now() + seconds), move: (by) => list.move(by),
    edge: (edge) => { const span = model.draft ?? model.selected; if (span) view.seek(edge === "start" ? span.start : Math.max(span.start, span.end - view.frame)); },
    here: (edge) => setEdge(edge, edge === "end" ? view.now() : Math.max(0, view.now() - 1e-3)),
    confirm: async () => {
      const { selected, draft, focus } = model;
      if (!decidable()) return draft ? does.add() : false;
      if (draft || focus !== selected.concept) return save();
      return store(() => confirm(selected, origin), selected);
    },
    reject: async () => { const { selected } = model; if (decidable()) await store(() => reject(selected, origin), selected); },
    add: async () => {
      const span = model.draft ?? (["truth", "imported"].includes(model.selected?.kind) ? model.selected : null);
      const concept = model.focus;
      if (span && concept) await store(() => add(video.key, concept, span, origin), null);
    },
    relabel: (place) => {
      const concept = model.concepts[place - 1];
      if (!concept || !(model.selected || model.draft)) return;
      model.focus = concept;
      model.shown.add(concept);
      told();
      askCurves();
      line.draw();
    },
    putBack: () => { if (!model.draft && model.focus === model.selected?.concept) return false; model.draft = null; if (model.selected) model.focus = model.selected.concept; told(); line.draw(); return true; },
    why: () => why.toggle(),
    like: () => { const span = model.selected; if (span) window.location.hash = to("like", { video: video.key, start: span.start, end: span.end, concept: span.concept }); },
    zoom: (factor) => line.zoom(factor), whole,
    fit: () => { const span = model.draft ?? model.selected; if (span) line.lookAt(span.start - 2 * (span.end - span.start) - 2, 5 * (span.end - span.start) + 4); },
  };

  told();
  askCurves();
  line.draw();
  const close = () => { closed = true; view.close(); line.close(); list.close(); };
  return { element, model, does, choose, close, reload: () => reload(model.selected, null), seek: (seconds) => view.seek(seconds), shownMoments };
}

function lanesOf(video) {
  const { found = [], confirmed = [], rejected = [], imported = [], truth = [] } = video.lanes ?? {};
  return { found, confirmed, rejected, imported, truth };
}

function modelOf(video) {
  const lanes = lanesOf(video);
  const every = Object.values(lanes).flat();
  const counts = new Map();
  for (const moment of every) counts.set(moment.concept, (counts.get(moment.concept) ?? 0) + 1);
  const concepts = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one) || one.localeCompare(other));
  return {
    duration: video.duration, fps: video.fps, from: 0, to: video.duration, now: 0, lanes, concepts, counts,
    shown: new Set(concepts), scores: new Map(), curves: new Map(), focus: concepts[0] ?? "", selected: null, draft: null, drag: null,
  };
}
