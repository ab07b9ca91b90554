/** The page: which view is shown, the bar above it, and keys that work everywhere. */
import { collectionView } from "./collection.js";
import { redo, undo } from "./decisions.js";
import { button, fill, make, prose } from "./dom.js";
import { historyView } from "./history.js";
import { bind, showKeys } from "./keys.js";
import { learnView } from "./learn.js";
import { likeView } from "./like.js";
import { project, refresh } from "./project.js";
import { reviewView } from "./review.js";
import { here } from "./routes.js";
import { say } from "./said.js";
import { videoView } from "./video_view.js";

const VIEWS = {
  moments: (place, route) => collectionView(place, route, "moments"),
  videos: (place, route) => collectionView(place, route, "videos"),
  video: videoView, review: reviewView, like: likeView, learn: learnView, history: historyView,
};
const LINKS = [["moments", "Moments", "M"], ["review", "Review", "R"], ["like", "By example", ""], ["learn", "Learn again", "L"], ["history", "History", "H"]];
const main = document.getElementById("main");
let close = null;
let turn = 0;

async function show() {
  const mine = (turn += 1);
  const route = here();
  const view = VIEWS[route.view] ?? VIEWS.moments;
  close?.();
  close = null;
  bar(route.view);
  try {
    if (!project()) await refresh(); // The address may change while the project is still being asked for.
    if (mine !== turn) return;
    const closing = await view(main, route);
    if (mine === turn) close = closing;
    else closing?.();
  } catch (error) {
    if (mine === turn) failed(error);
  }
}

function failed(error) {
  if (error.status === undefined) console.error(error);
  fill(main, make("div", { class: "nothing" }, make("h1", {}, "This can't be shown"), make("p", { class: "error" }, prose(error.message)),
    make("div", { class: "group" }, button("Try again", show, { kind: "primary" }), make("a", { class: "button", href: "#/moments" }, "To the moments"))));
}

function bar(view) {
  const shown = { videos: "moments", video: "moments" }[view] ?? view;
  fill(document.getElementById("nav"), LINKS.map(([name, text]) => make("a", { href: `#/${name}`, "aria-current": name === shown ? "page" : null }, text)));
  fill(document.getElementById("tools"), make("bdi", { class: "project-name soft" }, project()?.name ?? ""),
    button("Undo", () => undo(), { key: "U", kind: "plain" }), button("?", showKeys, { kind: "plain round", label: "Keys" }));
}

bind("Everywhere", [
  { keys: ["?"], told: "This list", run: showKeys },
  { keys: ["u"], told: "Undo the last decision", run: () => undo() },
  { keys: ["U"], told: "Take the undo back", run: () => redo() },
  ...LINKS.filter(([, , key]) => key).map(([name, text, key]) => ({ keys: [key], told: text, run: () => { window.location.hash = `#/${name}`; } })),
]);

window.addEventListener("hashchange", show);
window.addEventListener("unhandledrejection", (event) => say(event.reason?.message ?? "Something went wrong.", { bad: true }));
try {
  await refresh();
  await show();
} catch (error) {
  failed(error);
}
