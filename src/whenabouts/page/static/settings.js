/** Small choices of this reader, kept by the browser; the page works without them. */

export function choice(key, standard) {
  try {
    const value = JSON.parse(window.localStorage.getItem(`whenabouts.${key}`));
    return value === null || typeof value !== typeof standard ? standard : value;
  } catch {
    return standard;
  }
}

export function choose(key, value) {
  try {
    window.localStorage.setItem(`whenabouts.${key}`, JSON.stringify(value));
  } catch { /* Private windows may have no store. */ }
}
