/** Elements made from data. Text is set as text, never as markup: no name, title or tag can become part of the page. */

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "tabIndex", "selected", "indeterminate"]);

/** An element with attributes (`on…`: listeners, `class`, `data`, `style`), and children: nodes, texts, null, lists. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (PROPERTIES.has(name)) element[name] = value;
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put children in the place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Text that may run in either direction, kept apart from what stands beside it. */
export const name = (text, attributes = {}) => make("bdi", attributes, String(text));

/** A sentence in which commands stand between backticks: these as code. */
export const prose = (text) => String(text).split("`").map((part, place) => (place % 2 ? make("code", {}, part) : part));

/** A button with a text, perhaps a key that does the same; `label` says more than the text, to the mouse too. */
export function button(text, run, { key = "", kind = "", label = null, ...rest } = {}) {
  const hint = key ? make("kbd", { "aria-hidden": "true" }, key) : null;
  return make("button", { type: "button", class: kind, "aria-label": label, title: label, onclick: run, ...rest }, make("span", {}, text), hint);
}

/** An address on this server, or nothing: other addresses are never loaded. */
export const own = (address) => (/^\/(?!\/)/.test(address ?? "") ? address : null);

/** A picture that the server makes; a plain field where there is none. */
export function picture(address, text = "") {
  const image = make("img", { alt: text, loading: "lazy", decoding: "async", draggable: "false", src: own(address) });
  image.addEventListener("error", () => image.classList.add("missing"), { once: true });
  return make("span", { class: "picture" }, image);
}

/** Call `run` once the last call is `wait` milliseconds old. */
export function settled(run, wait = 200) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), wait);
  };
}
