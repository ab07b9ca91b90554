/** The timeline's picture: ruler, curves, attention, lanes; and above them the place where the video is. */
import { clock } from "./format.js";
import { hue } from "./project.js";
import { BAR, marksOf, scaleOf } from "./timeline_layout.js";

const FONT = "12px system-ui, sans-serif";

/** Colours of the page as they are now, light or dark. */
export function looks(element) {
  const style = getComputedStyle(element);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: of("ink"), soft: of("soft"), edge: of("edge"), track: of("track"), card: of("card"), accent: of("accent"), good: of("good"), bad: of("bad") };
}

/** Give a canvas the size of its box in real pixels; returns its drawing context, in CSS pixels. */
export function fitted(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = FONT;
  return pen;
}

/** Everything but the playhead. */
export function drawBands(pen, model, layout, width, look) {
  const scale = scaleOf(model, width);
  for (const band of layout.bands) {
    if (band.kind === "ruler") drawRuler(pen, model, band, width, look);
    else {
      pen.fillStyle = look.track;
      pen.fillRect(0, band.top, width, band.height);
    }
    if (band.kind === "curves") drawCurves(pen, model, band, scale, look);
    if (band.kind === "attention") drawAttention(pen, model, band, scale, look);
    if (band.kind === "lane") drawLane(pen, model, band, scale, width, look);
  }
}

function drawRuler(pen, model, band, width, look) {
  const scale = scaleOf(model, width);
  const { marks, decimals } = marksOf(model, width);
  pen.textBaseline = "middle";
  for (const at of marks) {
    const x = scale.x(at);
    pen.fillStyle = look.edge;
    pen.fillRect(Math.round(x), band.top + 2, 1, band.height);
    pen.fillStyle = look.soft;
    const text = clock(at, decimals);
    if (x + 4 + pen.measureText(text).width <= width) pen.fillText(text, x + 4, band.top + band.height / 2 + 1);
  }
}

/** A curve for each concept with scores; the one in focus thick, its streams thin and dashed. */
function drawCurves(pen, model, band, scale, look) {
  pen.save();
  pen.beginPath();
  pen.rect(0, band.top, scale.x(model.to), band.height);
  pen.clip();
  const ordered = [...model.curves].sort(([one], [other]) => Number(one === model.focus) - Number(other === model.focus));
  for (const [concept, scores] of ordered) {
    const focused = concept === model.focus;
    const lines = scores.curves.filter((each, place) => place === 0 || focused);
    const top = Math.max(1e-9, ...scores.curves[0].high);
    const bottom = Math.min(0, ...scores.curves[0].low);
    lines.forEach((line, place) => {
      const peak = place === 0 ? top : Math.max(1e-9, ...line.high);
      const y = (value) => band.top + band.height - 3 - ((value - bottom) / (peak - bottom)) * (band.height - 9);
      if (focused && place === 0) fillUnder(pen, scores.edges, line, scale, y, hue(concept));
      pen.setLineDash(place === 0 ? [] : [5 - (place % 3), 3]);
      stairs(pen, scores.edges, line.high, scale, y);
      pen.strokeStyle = place === 0 ? hue(concept) : look.soft;
      pen.lineWidth = focused && place === 0 ? 2.2 : 1.2;
      pen.stroke();
    });
    pen.setLineDash([]);
  }
  pen.restore();
}

function stairs(pen, edges, values, scale, y) {
  pen.beginPath();
  for (let place = 0; place < values.length; place += 1) {
    const height = y(values[place]);
    if (place === 0) pen.moveTo(scale.x(edges[0]), height);
    else pen.lineTo(scale.x(edges[place]), height);
    pen.lineTo(scale.x(edges[place + 1]), height);
  }
}

function fillUnder(pen, edges, line, scale, y, colour) {
  stairs(pen, edges, line.high, scale, y);
  pen.lineTo(scale.x(edges[edges.length - 1]), y(0));
  pen.lineTo(scale.x(edges[0]), y(0));
  pen.closePath();
  pen.globalAlpha = 0.22;
  pen.fillStyle = colour;
  pen.fill();
  pen.globalAlpha = 1;
}

/** The mean of all groups' attention over its largest, as a strip from faint to full. */
function drawAttention(pen, model, band, scale, look) {
  const scores = model.curves.get(model.focus) ?? [...model.curves.values()].find((each) => each.attention?.length);
  const groups = scores?.attention ?? [];
  if (!groups.length) return;
  const means = groups[0].high.map((_, place) => groups.reduce((sum, group) => sum + group.high[place], 0));
  const top = Math.max(1e-12, ...means);
  pen.fillStyle = look.accent;
  means.forEach((value, place) => {
    const left = scale.x(scores.edges[place]);
    const height = (value / top) * (band.height - 2);
    pen.globalAlpha = 0.25 + 0.6 * (value / top);
    pen.fillRect(left, band.top + band.height - height, Math.max(1, scale.x(scores.edges[place + 1]) - left), height);
  });
  pen.globalAlpha = 1;
}

function drawLane(pen, model, band, scale, width, look) {
  for (const { moment, row } of band.bars) {
    const changed = model.drag && model.drag.moment === moment ? model.drag : moment;
    const left = scale.x(changed.start);
    const right = Math.max(scale.x(changed.end), left + 3);
    if (right < 0 || left > width) continue;
    drawBar(pen, { moment, lane: band.name, left, right, top: band.top + row * BAR + 2 }, moment === model.selected, look);
  }
  if (!band.hidden) return;
  const text = `${band.hidden.toLocaleString("en")} more overlap: choose fewer concepts`;
  const wide = pen.measureText(text).width + 12;
  pen.fillStyle = look.card;
  pen.fillRect(width - wide, band.top + band.height - BAR, wide, BAR);
  pen.fillStyle = look.soft;
  pen.textBaseline = "middle";
  pen.fillText(text, width - wide + 6, band.top + band.height - BAR / 2);
}

/** Truth is green where it was found and red where it was missed; found moments that truth contradicts are edged red. */
function drawBar(pen, { moment, lane, left, right, top }, selected, look) {
  const [width, height] = [right - left, BAR - 3];
  const colour = hue(moment.concept);
  const rejected = lane === "decided" && (moment.kind === "rejected" || moment.review?.decision === "rejected");
  const verdict = { hit: look.good, missed: look.bad, false: look.bad }[moment.match];
  pen.globalAlpha = rejected || moment.present === false ? 0.25 : lane === "found" ? 0.55 : 0.9;
  pen.fillStyle = lane === "truth" ? (verdict ?? colour) : colour;
  pen.fillRect(left, top, width, height);
  pen.globalAlpha = 1;
  if (lane !== "truth" && verdict) {
    pen.fillStyle = verdict;
    pen.fillRect(left, top + height - 3, width, 3);
  }
  pen.lineWidth = selected ? 2 : 1;
  pen.strokeStyle = selected ? look.ink : colour;
  pen.strokeRect(left + 0.5, top + 0.5, Math.max(1, width - 1), height - 1);
  if (selected && width > 16) {
    pen.fillStyle = look.ink;
    for (const x of [left + 3, right - 5]) pen.fillRect(x, top + 4, 2, height - 8);
  }
  if (width < 26) return;
  const indent = selected ? 9 : 5;
  const mark = rejected || moment.present === false ? "✕ " : moment.review ? { confirmed: "✓ ", rejected: "✕ ", corrected: "✓ " }[moment.review.decision] ?? "" : "";
  pen.fillStyle = lane === "truth" && verdict ? look.card : lane === "found" || rejected ? look.ink : inkOn(colour);
  pen.textBaseline = "middle";
  pen.fillText(shortened(pen, mark + moment.concept, width - 2 * indent + 2), left + indent, top + height / 2 + 0.5);
}

/** As much of a text as there is room for, in pixels. */
function shortened(pen, text, room) {
  const wide = pen.measureText(text).width;
  if (wide <= room) return text;
  const letters = [...text];
  const kept = Math.floor((letters.length * room) / wide) - 1;
  return kept < 2 ? "" : `${letters.slice(0, kept).join("")}…`;
}

/** Black or white, whichever is easier to read on a colour (WCAG's relative luminance). */
function inkOn(colour) {
  const parts = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16) / 255);
  const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000000" : "#ffffff";
}

/** The playhead, the part that is being marked, and the borders of the chosen moment through all bands. */
export function drawAbove(pen, model, height, width, look) {
  const scale = scaleOf(model, width);
  const chosen = model.drag ?? model.draft ?? model.selected;
  if (chosen) {
    const [left, right] = [scale.x(chosen.start), scale.x(chosen.end)];
    pen.globalAlpha = model.draft || model.drag ? 0.16 : 0.08;
    pen.fillStyle = look.accent;
    pen.fillRect(left, 0, Math.max(1, right - left), height);
    pen.globalAlpha = 1;
  }
  const x = scale.x(model.now);
  if (x < -1 || x > width + 1) return;
  pen.fillStyle = look.bad;
  pen.fillRect(Math.round(x) - 1, 0, 2, height);
  pen.beginPath();
  pen.moveTo(x - 5, 0);
  pen.lineTo(x + 5, 0);
  pen.lineTo(x, 7);
  pen.fill();
}

/** The whole video in one line: where moments are, and which part is in view. */
export function drawOverview(pen, model, width, height, look) {
  const x = (seconds) => (seconds / Math.max(1e-6, model.duration)) * width;
  pen.fillStyle = look.track;
  pen.fillRect(0, 0, width, height);
  pen.globalAlpha = 0.5;
  for (const moment of model.lanes.found ?? []) {
    if (!model.shown.has(moment.concept)) continue;
    pen.fillStyle = hue(moment.concept);
    pen.fillRect(x(moment.start), 4, Math.max(1, x(moment.end) - x(moment.start)), height - 8);
  }
  pen.globalAlpha = 1;
  pen.strokeStyle = look.accent;
  pen.lineWidth = 2;
  pen.strokeRect(x(model.from) + 1, 1, Math.max(4, x(model.to) - x(model.from) - 2), height - 2);
  pen.fillStyle = look.bad;
  pen.fillRect(Math.round(x(model.now)) - 1, 0, 2, height);
}
