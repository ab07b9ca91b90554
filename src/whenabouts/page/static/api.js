/** Asking the server. Every answer is JSON; an error says what is wrong and what to do. */

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The query text of parameters; lists name a parameter again, empty ones are left out. */
export function query(parameters) {
  const found = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== "" && each !== null && each !== undefined) found.append(key, String(each));
    }
  }
  const text = found.toString();
  return text && `?${text}`;
}

export const get = (path, parameters = {}, signal = undefined) => ask(path + query(parameters), { signal });

export const post = (path, values = {}) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) });

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer. Is `whenabouts serve` still running?");
  }
  const values = await answer.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    if (answer.ok) throw new Refused(0, "The server's answer broke off. Is `whenabouts serve` still running?");
    return {};
  });
  if (!answer.ok) throw new Refused(answer.status, values.error ?? `The server answered ${answer.status}.`);
  return values;
}
