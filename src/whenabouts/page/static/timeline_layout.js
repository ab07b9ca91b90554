/** Where things lie on the timeline: bands from top to bottom, bars in rows, and what lies under a point. */

export const BAR = 20;
const MOST_ROWS = 6;
const RULER = 20;
const CURVES = 84;
const ATTENTION = 24;
const GAP = 6;
export const NAMES = { truth: "truth", found: "found", decided: "decided", imported: "imported" };

/** Moments in rows so that none covers another; those that find no row in `most` rows are counted in `hidden`. */
export function pack(moments, most = MOST_ROWS) {
  const ends = [];
  const bars = [];
  let hidden = 0;
  for (const moment of [...moments].sort((one, other) => one.start - other.start || other.end - one.end)) {
    let row = ends.findIndex((end) => end <= moment.start + 1e-9);
    if (row < 0) row = ends.length;
    if (row >= most) {
      hidden += 1;
      continue;
    }
    ends[row] = moment.end;
    bars.push({ moment, row });
  }
  return { bars, rows: Math.max(1, ends.length), hidden };
}

let last = { lanes: null, shown: "", packed: null };

/** The moments of each lane in rows; done again only when lanes or the concepts shown are others. */
function packedOf(model) {
  const shown = JSON.stringify([...model.shown]);
  if (last.lanes !== model.lanes || last.shown !== shown) last = { lanes: model.lanes, shown, packed: packAll(model) };
  return last.packed;
}

function packAll(model) {
  const seen = (moments) => (moments ?? []).filter((moment) => model.shown.has(moment.concept));
  const lanes = {
    truth: seen(model.lanes.truth),
    found: seen(model.lanes.found),
    decided: seen([...(model.lanes.confirmed ?? []), ...(model.lanes.rejected ?? [])]),
    imported: seen(model.lanes.imported),
  };
  return Object.fromEntries(Object.entries(lanes).map(([name, moments]) => [name, { moments, ...pack(moments) }]));
}

/** The bands of a timeline for the concepts that are shown; each has a name, a top and a height in pixels. */
export function bandsOf(model) {
  const bands = [];
  let top = 0;
  const put = (band) => {
    bands.push({ ...band, top });
    top += band.height + GAP;
  };
  put({ kind: "ruler", name: "", height: RULER });
  if (model.curves.size) put({ kind: "curves", name: "scores", height: CURVES });
  if ([...model.curves.values()].some((each) => each.attention?.length)) {
    put({ kind: "attention", name: "attention", height: ATTENTION });
  }
  for (const [name, { moments, ...packed }] of Object.entries(packedOf(model))) {
    const known = (model.lanes[name === "decided" ? "confirmed" : name] ?? []).length || name === "found";
    if (!moments.length && !known && name !== "decided") continue;
    put({ kind: "lane", name, ...packed, height: packed.rows * BAR + 2 });
  }
  return { bands, height: top };
}

/** Seconds to pixels and back for the part of the video that is in view. */
export function scaleOf(model, width) {
  const length = Math.max(1e-6, model.to - model.from);
  return {
    x: (seconds) => ((seconds - model.from) / length) * width,
    seconds: (x) => model.from + (x / Math.max(1, width)) * length,
  };
}

/** The bar under a point, and the edge of it that the point holds: "start", "end" or "". */
export function barAt(layout, scale, x, y, selected, reach = 6) {
  for (const band of layout.bands) {
    if (band.kind !== "lane" || y < band.top || y > band.top + band.height) continue;
    const row = Math.floor((y - band.top) / BAR);
    const hits = band.bars
      .filter((bar) => bar.row === row)
      .map((bar) => ({ bar, band, left: scale.x(bar.moment.start), right: Math.max(scale.x(bar.moment.end), scale.x(bar.moment.start) + 3) }))
      .filter(({ left, right }) => x >= left - reach && x <= right + reach)
      .sort((one, other) => Number(other.bar.moment === selected) - Number(one.bar.moment === selected)
        || distance(one, x) - distance(other, x));
    if (hits.length) return { ...hits[0], edge: edgeOf(hits[0], x, reach, hits[0].bar.moment === selected) };
  }
  return null;
}

const distance = ({ left, right }, x) => Math.max(left - x, x - right, 0);

/** Edges can be held from outside and, where a bar is long enough to leave room for clicks, from inside. */
function edgeOf({ left, right, band }, x, reach, selected) {
  if (band.name === "truth" || band.name === "imported") return "";
  const inside = right - left >= 3 * reach ? reach : selected ? (right - left) / 3 : 0;
  if (x >= left - reach && x <= left + inside) return "start";
  if (x >= right - inside && x <= right + reach) return "end";
  return "";
}

/** Marks at round times, about one every 90 pixels: [{seconds, major}]. */
export function marksOf(model, width) {
  const steps = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
  const length = model.to - model.from;
  const step = steps.find((each) => (length / each) * 90 <= Math.max(width, 90)) ?? 14400;
  const marks = [];
  for (let at = Math.ceil(model.from / step - 1e-9) * step; at <= model.to + 1e-9; at += step) marks.push(at);
  return { marks, decimals: step < 0.1 ? 2 : step < 1 ? 1 : 0 };
}
