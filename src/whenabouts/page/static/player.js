/** The browser's own player: exact seeking, single frames, loops, pre-roll; a copy where the file does not play. */
import { get } from "./api.js";
import { button, fill, make, own } from "./dom.js";

const AFTER = 1e-3; // A time on the border of two frames belongs to the later: ask a little behind it.

/** A player for VIDEO; `on` = {time(seconds), playing(bool)}. */
export function player(video, on) {
  const screen = make("video", { controls: true, preload: "auto", playsinline: true, "aria-label": `Video: ${video.title || video.id}` });
  screen.disablePictureInPicture = true;
  const remark = make("div", { class: "screen-remark", hidden: true, role: "status" });
  const element = make("div", { class: "screen" }, screen, remark);
  const frame = video.fps > 0 ? 1 / video.fps : 0.04;
  let wanted = null;
  let part = null;
  let closed = false;
  let usingCopy = false;

  const tell = (...children) => { remark.hidden = children.length === 0; fill(remark, ...children); };
  const now = () => (screen.readyState ? Math.max(0, screen.currentTime) : (wanted ?? 0));

  function seek(seconds) {
    const at = Math.min(Math.max(0, seconds), video.duration || seconds);
    wanted = at;
    if (screen.readyState) screen.currentTime = Math.min(at + AFTER, screen.duration || at + AFTER);
    on.time(at);
  }

  function follow() {
    if (closed) return;
    if (part && !screen.paused && screen.currentTime >= part.end) {
      if (part.loop) screen.currentTime = part.from + AFTER;
      else { screen.pause(); part = null; }
    }
    if (!screen.paused) on.time(screen.currentTime);
    requestAnimationFrame(follow);
  }

  /** Play a moment from `before` seconds ahead of it to its end, again and again where `loop` is set. */
  function play({ start, end }, { before = 0, loop = false } = {}) {
    part = { from: Math.max(0, start - before), end, loop };
    seek(part.from);
    return screen.play().catch(() => {});
  }

  const toggle = () => { part = null; return screen.paused ? screen.play().catch(() => {}) : screen.pause(); };
  const step = (frames) => {
    screen.pause();
    // From the middle of the frame on screen, so that rounding never repeats or skips one.
    seek(Math.max(0, (Math.floor(now() / frame + 0.01) + frames) * frame));
  };
  const faster = (factor) => { screen.playbackRate = Math.min(4, Math.max(0.25, screen.playbackRate * factor)); return screen.playbackRate; };
  const loop = (set) => { if (part) part.loop = set; };

  async function useCopy() {
    usingCopy = true;
    const address = own(video.proxy?.address);
    if (!address) return tell("This file does not play here. Its curves and moments are shown nonetheless.");
    tell("Making a copy that this browser plays …");
    while (!closed) {
      const state = await ready(address);
      if (closed) return null;
      if (state === true) { tell(); screen.src = address; return null; }
      if (typeof state === "string") return tell(state);
      tell("Making a copy that this browser plays … ", make("progress", { max: 1, value: state.progress ?? 0, "aria-label": "Copy" }));
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
    return null;
  }

  screen.addEventListener("loadedmetadata", () => { if (wanted !== null) screen.currentTime = wanted + AFTER; });
  screen.addEventListener("seeked", () => { if (screen.paused) on.time(Math.max(0, screen.currentTime - AFTER)); });
  screen.addEventListener("play", () => on.playing(true));
  screen.addEventListener("pause", () => on.playing(false));
  screen.addEventListener("error", () => {
    if (!usingCopy) useCopy();
    else tell("This video can't be played here. Its curves and moments are shown nonetheless.");
  });
  if (video.plays === "no") tell("There is no file to play. Curves and moments are shown nonetheless.");
  else if (video.plays === "unlikely") {
    usingCopy = true;
    tell(make("p", {}, "Browsers do not play this file as it is."), button("Make a copy that plays", () => useCopy(), { kind: "primary" }));
  } else screen.src = own(video.media);
  requestAnimationFrame(follow);
  const close = () => { closed = true; screen.pause(); screen.removeAttribute("src"); screen.load(); };
  return { element, screen, now, seek, play, toggle, step, faster, loop, close, frame };
}

/** True where the copy is there, its progress while it is made, a text where it can't be. */
async function ready(address) {
  const answer = await fetch(address, { headers: { Range: "bytes=0-1" }, credentials: "same-origin" }).catch(() => null);
  if (answer === null) return "The server does not answer.";
  if (answer.status === 200 || answer.status === 206) {
    await answer.body?.cancel();
    return true;
  }
  const values = await answer.json().catch(() => ({}));
  return answer.status === 202 ? values : (values.error ?? `No copy can be made (${answer.status}).`);
}

export const askVideo = (key) => get(`/api/videos/${encodeURIComponent(key)}`);
