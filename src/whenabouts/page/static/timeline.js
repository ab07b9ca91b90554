/** The timeline on canvas: click to go there, drag edges, drag over free space to scrub, zoom and pan. */
import { clock, span } from "./format.js";
import { make } from "./dom.js";
import { drawAbove, drawBands, drawOverview, fitted, looks } from "./timeline_draw.js";
import { bandsOf, barAt, NAMES, scaleOf } from "./timeline_layout.js";

const OVERVIEW = 18;
const SHORTEST = 0.25; // seconds in view

/** A timeline over `model`; `on` = {seek(seconds), choose(moment), move(moment, {start, end}), mark({start, end})}. */
export function timeline(model, on) {
  const base = make("canvas", { class: "base" });
  const above = make("canvas", { class: "above" });
  const names = make("div", { class: "band-names", "aria-hidden": "true" });
  const overview = make("canvas", { class: "overview" });
  const strip = make("div", {
    class: "strip", role: "slider", tabindex: 0, "aria-label": "Place in the video", "aria-valuemin": 0,
    "aria-valuemax": model.duration, "aria-orientation": "horizontal",
  }, base, above);
  const bubble = make("div", { class: "bubble", hidden: true, "aria-hidden": "true" });
  const element = make("div", { class: "timeline" }, make("div", { class: "bands" }, names, make("div", { class: "canvases" }, strip, bubble)), overview);
  let layout = bandsOf(model);
  let look = looks(document.body);
  let width = 0;
  let waiting = 0;

  const later = () => { waiting ||= requestAnimationFrame(() => { waiting = 0; draw(); }); };

  function draw() {
    width = strip.clientWidth;
    if (!width) return;
    layout = bandsOf(model);
    drawBands(fitted(base, width, layout.height), model, layout, width, look);
    names.replaceChildren(...layout.bands.map((band) =>
      make("span", { style: { top: `${band.top}px`, height: `${band.height}px` } }, NAMES[band.name] ?? band.name)));
    names.style.height = `${layout.height}px`;
    drawTop();
  }

  function drawTop() {
    if (!width) return;
    drawAbove(fitted(above, width, layout.height), model, layout.height, width, look);
    drawOverview(fitted(overview, overview.clientWidth, OVERVIEW), model, overview.clientWidth, OVERVIEW, look);
    strip.setAttribute("aria-valuenow", model.now.toFixed(2));
    strip.setAttribute("aria-valuetext", clock(model.now, 2));
  }

  /** Move the playhead; what is in view follows it where `follow` is set. */
  function goTo(seconds, follow = false) {
    model.now = seconds;
    if (follow && (seconds < model.from || seconds > model.to)) {
      lookAt(seconds - (model.to - model.from) / 10, model.to - model.from);
    } else drawTop();
  }

  function lookAt(from, length) {
    const within = Math.min(Math.max(length, Math.min(SHORTEST, model.duration)), model.duration);
    model.from = Math.min(Math.max(0, from), model.duration - within);
    model.to = model.from + within;
    later();
  }

  /** Zoom by a factor (below 1: closer) around a time. */
  function zoom(factor, around = model.now) {
    const length = (model.to - model.from) * factor;
    const share = (around - model.from) / Math.max(1e-9, model.to - model.from);
    lookAt(around - Math.min(1, Math.max(0, share)) * length, length);
  }

  listen(strip, { model, on, layoutOf: () => layout, widthOf: () => width, draw: later, drawTop, bubble, zoom, lookAt });
  listenOverview(overview, model, lookAt);
  const observer = new ResizeObserver(later);
  observer.observe(strip);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const relook = () => { look = looks(document.body); later(); };
  scheme.addEventListener("change", relook);
  const close = () => { observer.disconnect(); scheme.removeEventListener("change", relook); cancelAnimationFrame(waiting); };
  return { element, draw: later, goTo, zoom, lookAt, close };
}

function listen(strip, { model, on, layoutOf, widthOf, draw, drawTop, bubble, zoom, lookAt }) {
  let held = null;
  const at = (event) => {
    const box = strip.getBoundingClientRect();
    const x = event.clientX - box.left;
    const scale = scaleOf(model, widthOf());
    const seconds = Math.min(model.duration, Math.max(0, scale.seconds(x)));
    const reach = event.pointerType === "touch" ? 14 : 6;
    return { x, seconds, hit: barAt(layoutOf(), scale, x, event.clientY - box.top, model.selected, reach) };
  };
  /** Borders lie on frames; Alt lets them lie anywhere. */
  const snapped = (seconds, event) => (event.altKey || !model.fps ? seconds : Math.round(seconds * model.fps) / model.fps);

  strip.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const { seconds, hit } = at(event);
    strip.setPointerCapture(event.pointerId);
    strip.focus({ preventScroll: true });
    if (event.shiftKey) held = { kind: "mark", from: snapped(seconds, event) };
    else if (hit?.edge) held = { kind: "edge", edge: hit.edge, moment: hit.bar.moment, x: event.clientX, moved: false };
    else if (hit) held = { kind: "bar", moment: hit.bar.moment };
    else {
      held = { kind: "scrub" };
      on.seek(seconds);
    }
  });

  strip.addEventListener("pointermove", (event) => {
    const { x, seconds, hit } = at(event);
    if (!held) {
      strip.style.cursor = hit?.edge ? "ew-resize" : hit ? "pointer" : "";
      tell(bubble, hit && !hit.edge ? told(hit.bar.moment) : clock(seconds, 2), x, widthOf());
      return;
    }
    if (held.kind === "scrub") on.seek(seconds);
    if (held.kind === "mark") {
      const to = snapped(seconds, event);
      model.draft = { start: Math.min(held.from, to), end: Math.max(held.from, to) };
      drawTop();
    }
    if (held.kind === "edge") {
      if (!held.moved && Math.abs(event.clientX - held.x) < 3) return;
      held.moved = true;
      const { start, end } = model.drag ?? held.moment;
      const least = model.fps ? 1 / model.fps : 0.04;
      const to = snapped(seconds, event);
      model.drag = held.edge === "start"
        ? { moment: held.moment, start: Math.max(0, Math.min(to, end - least)), end }
        : { moment: held.moment, start, end: Math.min(model.duration, Math.max(to, start + least)) };
      draw();
      tell(bubble, span(model.drag.start, model.drag.end, 2), x, widthOf());
    }
  });

  const release = (event) => {
    const was = held;
    held = null;
    if (!was) return;
    if (was.kind === "bar" || (was.kind === "edge" && !was.moved)) on.choose(was.moment);
    if (was.kind === "mark" && model.draft) on.mark(model.draft);
    if (was.kind === "edge" && was.moved && model.drag) {
      const { start, end } = model.drag;
      model.drag = null;
      if (event.type === "pointerup") on.move(was.moment, { start, end });
      draw();
    }
  };
  strip.addEventListener("pointerup", release);
  strip.addEventListener("pointercancel", release);
  strip.addEventListener("pointerleave", () => { bubble.hidden = true; });
  strip.addEventListener("dblclick", (event) => {
    const { hit } = at(event);
    if (hit) on.play(hit.bar.moment);
  });
  strip.addEventListener("wheel", (event) => {
    const { seconds } = at(event);
    if (event.ctrlKey || event.metaKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, seconds);
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const length = model.to - model.from;
      lookAt(model.from + ((event.deltaX || event.deltaY) / Math.max(1, widthOf())) * length, length);
    } else return;
    event.preventDefault();
  }, { passive: false });
}

function listenOverview(overview, model, lookAt) {
  const pan = (event) => {
    if (event.type === "pointermove" && !overview.hasPointerCapture(event.pointerId)) return;
    if (event.type === "pointerdown") overview.setPointerCapture(event.pointerId);
    const box = overview.getBoundingClientRect();
    const length = model.to - model.from;
    lookAt(((event.clientX - box.left) / box.width) * model.duration - length / 2, length);
  };
  overview.addEventListener("pointerdown", pan);
  overview.addEventListener("pointermove", pan);
}

const told = (moment) =>
  `${moment.concept}  ${span(moment.start, moment.end)}${moment.match === "missed" ? ", missed" : moment.match === "false" ? ", not in the truth" : ""}`;

function tell(bubble, text, x, width) {
  bubble.hidden = false;
  bubble.textContent = text;
  bubble.style.left = `${Math.min(Math.max(0, x - bubble.offsetWidth / 2), Math.max(0, width - bubble.offsetWidth))}px`;
}
