/** What is known of the project as a whole, and how its concepts look. */
import { get } from "./api.js";

// Nine colours made for colour-blind readers, as on the report's pages ("muted" of Paul Tol, 2021).
const HUES = ["#88ccee", "#cc6677", "#ddcc77", "#117733", "#aa4499", "#44aa99", "#6655bb", "#999933", "#882255"];

export const changes = new EventTarget();
let known = null;
let places = new Map();

/** The project as it was last told. */
export const project = () => known;

/** Ask again; listeners of `changes` ("project") are told. */
export async function refresh() {
  known = await get("/api/project");
  places = new Map(known.concepts.map((concept, place) => [concept.name, place]));
  changes.dispatchEvent(new Event("project"));
  return known;
}

/** A concept's colour; names that the project does not know get one by their letters. */
export function hue(concept) {
  const place = places.get(concept) ?? [...concept].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7);
  return HUES[place % HUES.length];
}

/** Whether the model knows a concept; others have no curve. */
export const learned = (concept) => Boolean(known?.concepts[places.get(concept)]?.learned);

/** The best score of a concept, for bars that compare. */
export const best = (concept) => known?.concepts[places.get(concept)]?.best ?? 0;
