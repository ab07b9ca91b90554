/** Deciding: each decision is stored by the server before the page goes on, and can be undone. */
import { post } from "./api.js";
import { changes, refresh } from "./project.js";
import { say, telling } from "./said.js";

const TOLD = { confirmed: "Confirmed", rejected: "Rejected", corrected: "Corrected", added: "Added" };

/** What a decision is about: the span that the model gave, or that was added, whatever was decided since. */
const foundOf = (moment) => moment.review?.found ?? { start: moment.start, end: moment.end, score: moment.score ?? 0 };

const about = (moment, decision, origin) => ({ decision, video: moment.video, concept: moment.concept, origin });

export const confirm = (moment, origin) =>
  send([{ ...about(moment, "confirm", origin), start: moment.start, end: moment.end, found: foundOf(moment) }]);

export const reject = (moment, origin) =>
  send([{ ...about(moment, "reject", origin), start: moment.start, end: moment.end, found: foundOf(moment) }]);

/** Other borders for a moment; for another concept the old is rejected and a new one added. */
export function correct(moment, { start, end, concept = moment.concept }, origin) {
  if (concept === moment.concept) {
    return send([{ ...about(moment, "correct", origin), start, end, found: foundOf(moment) }]);
  }
  const old = { ...about(moment, "reject", origin), start: moment.start, end: moment.end, found: foundOf(moment) };
  return send([old, { ...about(moment, "add", origin), concept, start, end }]);
}

export const add = (video, concept, { start, end }, origin) => send([{ decision: "add", video, concept, start, end, origin }]);

async function send(reviews) {
  const stored = await telling(() => post("/api/reviews", reviews.length === 1 ? reviews[0] : { reviews }));
  if (!stored) return null;
  const last = stored.reviews.at(-1);
  say(`${TOLD[last.decision] ?? "Stored"}: ${last.concept}.`, { undo: () => undo() });
  await changed();
  return stored.reviews;
}

/** Undo the last decision that stands, or the one with this id. */
export async function undo(id = null) {
  const done = await telling(() => post("/api/reviews/undo", id === null ? {} : { id }));
  if (!done) return null;
  say(`Undone: ${(TOLD[done.review.decision] ?? "").toLowerCase()} ${done.review.concept}.`);
  await changed("undone");
  return done.review;
}

/** Take the last undo back. */
export async function redo() {
  const done = await telling(() => post("/api/reviews/redo"));
  if (!done) return null;
  say(`Done again: ${(TOLD[done.review.decision] ?? "").toLowerCase()} ${done.review.concept}.`);
  await changed("undone");
  return done.review;
}

/** Tell the views: "reviews" after everything, "undone" where what was decided is open again. */
async function changed(also = null) {
  await telling(refresh);
  changes.dispatchEvent(new Event("reviews"));
  if (also) changes.dispatchEvent(new Event(also));
}
