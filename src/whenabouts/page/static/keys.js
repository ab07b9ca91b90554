/** The keyboard: what each key does, who listens, and the list behind `?`. */
import { button, fill, make } from "./dom.js";

const TYPING = new Set(["INPUT", "SELECT", "TEXTAREA"]);
// Held down, these act again and again; others, as those that decide, act once.
const REPEATED = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Shift+ArrowLeft", "Shift+ArrowRight", ",", ".", "+", "=", "-"]);
const SHOWN = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
const sets = [];
let dialog = null;

/** Listen to `keys`: a list of {keys, told, run}, shown under `title`. Returns how to stop; later sets come first. */
export function bind(title, keys) {
  const set = { title, keys };
  sets.push(set);
  return () => sets.splice(sets.indexOf(set), 1);
}

/** `Shift+ArrowLeft` for an event: letters bear their case, and so no Shift of their own. */
function nameOf(event) {
  const plain = event.key.length === 1;
  return event.shiftKey && !plain ? `Shift+${event.key}` : event.key;
}

function busy(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return true;
  if (TYPING.has(target.tagName) && !["range", "checkbox"].includes(target.type)) return true;
  if (TYPING.has(target.tagName) && event.key.startsWith("Arrow")) return true;
  // A focused button or link answers Enter and Space itself.
  return ["Enter", " "].includes(event.key) && target.closest("button, a, summary, label") !== null;
}

// While it is on its way down: a focused player would answer Space and arrows too.
window.addEventListener("keydown", (event) => {
  if (dialog?.open || busy(event)) return;
  const wanted = nameOf(event);
  for (const set of [...sets].reverse()) {
    const found = set.keys.find((each) => each.keys.includes(wanted));
    if (!found) continue;
    if (!(event.repeat && !REPEATED.has(wanted)) && found.run(event) === false) continue;
    event.preventDefault();
    event.stopPropagation();
    return;
  }
}, { capture: true });

/** Show the list of keys that work now. */
export function showKeys() {
  dialog ??= document.body.appendChild(make("dialog", { class: "keys", "aria-labelledby": "keys-title" }));
  const close = () => dialog.close();
  const groups = [...sets].reverse().map((set) =>
    make("section", {}, make("h3", {}, set.title), make("dl", {}, set.keys.filter((each) => each.told).map(row))));
  fill(dialog, make("header", {}, make("h2", { id: "keys-title" }, "Keys"), button("Close", close, { key: "Esc" })),
    make("div", { class: "key-groups" }, groups));
  dialog.showModal();
}

function row({ keys, told }) {
  const shown = keys.map((key) => make("kbd", {}, key.replace(/[^+]+$/, (last) => SHOWN[last] ?? last)));
  return make("div", {}, make("dt", {}, shown), make("dd", {}, told));
}
