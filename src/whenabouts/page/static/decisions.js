/** Deciding: each decision is stored by the server before the page goes on, and can be undone. */
import { post } from "./api.js";
import { changes, refresh } from "./project.js";
import { say, telling } from "./said.js";

const TOLD = { confirmed: "Confirmed", rejected: "Rejected", corrected: "Corrected", added: "Added" };

/** What a decision is about: the span that the model gave, or that was added, whatever was decided since. */
const foundOf = (moment) => moment.review?.found ?? { start: moment.start, end: moment.end, score: moment.score ?? 0 };

const about = (moment, decision, origin) => ({ decision, video: moment.video, concept: moment.concept, origin });

/** Which decision this tab knew of: where a later one stands, by somebody else, the server says so and stores nothing. */
const seenOf = (moment) => Math.max(moment.review?.id ?? 0, latest.get(subject(moment.video, moment.concept, foundOf(moment))) ?? 0) || null;
const latest = new Map();
const subject = (video, concept, { start, end }) => JSON.stringify([video, concept, start, end]);

export const confirm = (moment, origin) =>
  send([{ ...about(moment, "confirm", origin), start: moment.start, end: moment.end, found: foundOf(moment), seen: seenOf(moment) }]);

export const reject = (moment, origin) =>
  send([{ ...about(moment, "reject", origin), start: moment.start, end: moment.end, found: foundOf(moment), seen: seenOf(moment) }]);

/** Other borders for a moment; for another concept the old is rejected and a new one added. */
export function correct(moment, { start, end, concept = moment.concept }, origin) {
  if (concept === moment.concept) {
    return send([{ ...about(moment, "correct", origin), start, end, found: foundOf(moment), seen: seenOf(moment) }]);
  }
  const old = { ...about(moment, "reject", origin), start: moment.start, end: moment.end, found: foundOf(moment), seen: seenOf(moment) };
  return send([old, { ...about(moment, "add", origin), concept, start, end }]);
}

export const add = (video, concept, { start, end }, origin) => send([{ decision: "add", video, concept, start, end, origin }]);

async function send(reviews) {
  let overtaken = false;
  const stored = await telling(async () => {
    try {
      return await post("/api/reviews", reviews.length === 1 ? reviews[0] : { reviews });
    } catch (error) {
      overtaken = error.status === 409;
      throw error;
    }
  });
  if (overtaken) await changed("undone"); // The views ask again, and show what the other has decided.
  if (!stored) return null;
  const last = stored.reviews.at(-1);
  remember(stored.reviews);
  say(`${TOLD[last.decision] ?? "Stored"}: ${last.concept}.`, { undo: () => undo() });
  await changed();
  return stored.reviews;
}

// What this tab decided, in order, by the last id of each deed: others may be deciding in tabs of their own.
const own = ownIds();

/** These were stored at once, by this tab: `undo` takes them back together. */
export function remember(reviews) {
  own.push(reviews.at(-1).id);
  for (const each of reviews) latest.set(subject(each.video, each.concept, each.found ?? each), each.id);
  keepOwn();
}

/** Undo the last deed of this tab; where it has done nothing that stands, the last that anybody did. */
export async function undo() {
  const done = await telling(undoLast);
  return done && tellUndone(done.review);
}

async function undoLast() {
  while (own.length) {
    const id = own.pop();
    keepOwn();
    try {
      return await post("/api/reviews/undo", { id });
    } catch (error) {
      if (error.status === 404) continue; // Undone already, in the history or in another tab.
      own.push(id);
      keepOwn();
      throw error;
    }
  }
  return post("/api/reviews/undo");
}

/** Undo the one decision with this id. */
export async function undoOne(id) {
  const done = await telling(() => post("/api/reviews/undo", { id, alone: true }));
  return done && tellUndone(done.review);
}

async function tellUndone(review) {
  say(`Undone: ${(TOLD[review.decision] ?? "").toLowerCase()} ${review.concept}.`);
  await changed("undone", -1);
  return review;
}

/** Take the last undo back. */
export async function redo() {
  const done = await telling(() => post("/api/reviews/redo"));
  if (!done) return null;
  remember([done.review]);
  say(`Done again: ${(TOLD[done.review.decision] ?? "").toLowerCase()} ${done.review.concept}.`);
  await changed("undone", 1);
  return done.review;
}

/** Tell the views: "reviews" after everything, "undone" where they must ask again, with the decisions that came or went. */
async function changed(also = null, detail = 0) {
  await telling(refresh);
  changes.dispatchEvent(new Event("reviews"));
  if (also) changes.dispatchEvent(new CustomEvent(also, { detail }));
}

function ownIds() {
  try {
    const kept = JSON.parse(window.sessionStorage.getItem("whenabouts.own") ?? "[]");
    return Array.isArray(kept) ? kept.filter(Number.isSafeInteger) : [];
  } catch {
    return [];
  }
}

function keepOwn() {
  own.splice(0, own.length - 500);
  try {
    window.sessionStorage.setItem("whenabouts.own", JSON.stringify(own));
  } catch { /* Private windows may have no store. */ }
}
