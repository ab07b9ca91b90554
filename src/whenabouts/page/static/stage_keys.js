/** Keys of a video's view and of the queue. */

/** The keys for `does`, a stage's actions. */
export function stageKeys(does) {
  return [
    { keys: [" ", "k"], told: "Play or pause", run: does.toggle },
    { keys: ["p"], told: "Play the moment, from its pre-roll", run: does.play },
    { keys: ["o"], told: "Loop the moment", run: does.loop },
    { keys: ["j"], told: "Slower", run: () => does.faster(0.5) },
    { keys: ["l"], told: "Faster", run: () => does.faster(2) },
    { keys: [","], told: "One frame back", run: () => does.step(-1) },
    { keys: ["."], told: "One frame on", run: () => does.step(1) },
    { keys: ["ArrowLeft"], told: "1 s back", run: () => does.jump(-1) },
    { keys: ["ArrowRight"], told: "1 s on", run: () => does.jump(1) },
    { keys: ["Shift+ArrowLeft"], told: "5 s back", run: () => does.jump(-5) },
    { keys: ["Shift+ArrowRight"], told: "5 s on", run: () => does.jump(5) },
    { keys: ["Home"], told: "To the moment's start", run: () => does.edge("start") },
    { keys: ["End"], told: "To the moment's end", run: () => does.edge("end") },
    { keys: ["ArrowDown"], told: "Next moment", run: () => does.move(1) },
    { keys: ["ArrowUp"], told: "Moment before", run: () => does.move(-1) },
    { keys: ["["], told: "The moment starts here", run: () => does.here("start") },
    { keys: ["]"], told: "The moment ends here", run: () => does.here("end") },
    { keys: ["c", "Enter"], told: "Confirm, with changes if there are any", run: does.confirm },
    { keys: ["x"], told: "Reject", run: does.reject },
    { keys: ["a"], told: "Add a moment from [ to ]", run: does.add },
    { keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], told: "It is the 1st to 9th concept of this video", run: (event) => does.relabel(Number(event.key)) },
    { keys: ["Escape"], told: "Put the borders back", run: does.putBack },
    { keys: ["w"], told: "Why this moment", run: does.why },
    { keys: ["e"], told: "Find others like it", run: does.like },
    { keys: ["+", "="], told: "Closer", run: () => does.zoom(0.6) },
    { keys: ["-"], told: "Farther", run: () => does.zoom(1 / 0.6) },
    { keys: ["0"], told: "The whole video", run: does.whole },
    { keys: ["z"], told: "Closer to the moment", run: does.fit },
  ];
}
