"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const videos = document.getElementById("videos");
  const articles = all("article.video");
  const buttons = all(".legend button");
  const share = document.getElementById("share");
  const tip = document.getElementById("tip");

  const chosen = () => new Set(buttons.filter((b) => b.getAttribute("aria-pressed") === "true").map((b) => b.dataset.concept));

  function apply() {
    const wanted = chosen();
    const floor = 1 - Number(share.value) / 100;
    document.getElementById("share-told").value = `${share.value} %`;
    let shown = 0;
    for (const article of articles) {
      for (const mark of all("[data-concept]", article)) {
        const fits = wanted.size === 0 || wanted.has(mark.dataset.concept);
        const strong = !mark.dataset.strength || Number(mark.dataset.strength) > floor - 1e-9;
        mark.toggleAttribute("hidden", !(fits && strong));
      }
      article.hidden = wanted.size > 0 && !article.querySelector("li[data-concept]:not([hidden])");
      shown += article.hidden ? 0 : 1;
    }
    document.getElementById("count").textContent = `${shown} of ${articles.length} videos`;
  }

  const met = (article) => (article.dataset.met === undefined ? 2 : Number(article.dataset.met));
  const orders = {
    given: () => 0,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
    worst: (a, b) => met(a) - met(b),
    best: (a, b) => (met(b) % 2) - (met(a) % 2),
    longest: (a, b) => Number(b.dataset.seconds) - Number(a.dataset.seconds),
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      apply();
    });
  }
  document.getElementById("order").addEventListener("change", (event) => {
    videos.append(...[...articles].sort(orders[event.target.value]));
  });
  share.addEventListener("input", apply);

  function show(mark) {
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const bar = mark.getBoundingClientRect();
    const box = tip.getBoundingClientRect();
    const left = Math.max(4, Math.min(bar.left, document.documentElement.clientWidth - box.width - 4));
    tip.style.left = `${left}px`;
    tip.style.top = `${bar.top > box.height + 8 ? bar.top - box.height - 5 : bar.bottom + 5}px`;
  }
  const hide = () => { tip.hidden = true; };
  for (const kind of ["mouseover", "focusin", "click"]) {
    videos.addEventListener(kind, (event) => {
      const mark = event.target.closest(".lane li");
      if (mark) show(mark); else hide();
    });
  }
  videos.addEventListener("mouseout", hide);
  videos.addEventListener("focusout", hide);
  addEventListener("scroll", hide, { passive: true });

  videos.addEventListener("keydown", (event) => {
    const lane = event.target.closest(".lane");
    if (event.key === "Escape") hide();
    if (!lane || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const marks = all("li:not([hidden])", lane);
    if (!marks.length) return;
    const at = marks.indexOf(event.target.closest("li"));
    const step = event.key === "ArrowRight" ? 1 : -1;
    marks[at < 0 ? (step > 0 ? 0 : marks.length - 1) : Math.max(0, Math.min(marks.length - 1, at + step))].focus();
    event.preventDefault();
  });

  apply();
})();
