/** Buttons below the player: play the moment, loop, pre-roll, speed, single frames. */
import { button, make } from "./dom.js";
import { clock } from "./format.js";
import { choice, choose } from "./settings.js";

const PRE_ROLLS = [0, 1, 2, 5];

/** Controls of a player; `playMoment()` plays what is chosen. */
export function transport(play, playMoment) {
  const time = make("output", { class: "time", "aria-label": "Time of the video" }, clock(0, 2));
  const loop = make("input", { type: "checkbox", checked: choice("loop", false), onchange: () => setLoop(loop.checked) });
  const before = make("select", { "aria-label": "Pre-roll", onchange: () => choose("preRoll", Number(before.value)) },
    PRE_ROLLS.map((each) => make("option", { value: each, selected: each === choice("preRoll", 1) }, `${each} s`)));
  const speed = make("output", { "aria-label": "Speed" }, "1×");

  function setLoop(value) {
    loop.checked = value;
    choose("loop", value);
    play.loop(value);
  }
  const faster = (factor) => { speed.value = `${play.faster(factor)}×`; };
  const element = make("div", { class: "transport" }, time,
    make("span", { class: "group" }, button("‹", () => play.step(-1), { label: "One frame back", key: "," }), button("›", () => play.step(1), { label: "One frame on", key: "." })),
    button("Play moment", playMoment, { key: "P" }),
    make("label", { class: "tick" }, loop, "Loop", make("kbd", { "aria-hidden": "true" }, "O")),
    make("label", { class: "tick" }, "Pre-roll", before),
    make("span", { class: "group" }, button("−", () => faster(0.5), { label: "Slower", key: "J" }), speed, button("+", () => faster(2), { label: "Faster", key: "L" })));
  return {
    element,
    tell: (seconds) => { time.value = clock(seconds, 2); },
    options: () => ({ before: Number(before.value), loop: loop.checked }),
    toggleLoop: () => setLoop(!loop.checked),
    faster,
  };
}
